"""Findings put together, for a terminal and as JSON, and data without files."""

import json
import tarfile

import pytest
from planted import NAMES, check, image, kinds, mask, only, save, write_clean

from kseg.data import open_source
from kseg.data.check import Finding, check_data, check_source, exit_code, ranked, table
from kseg.data.check.findings import RULES, SEVERITIES
from kseg.data.isbi2012 import LABELS
from kseg.labels import Labels


class Arrays:
    """A source without files, of which one example may be broken."""

    labels = Labels.named(NAMES)

    def __init__(self, seeds, broken=None):
        self.seeds, self.broken = seeds, broken

    def __len__(self):
        return len(self.seeds)

    def __getitem__(self, index):
        if index == self.broken:
            raise RuntimeError("a torn record")
        return image(self.seeds[index]), self.mask(index)

    def mask(self, index):
        return mask(self.seeds[index])

    def name(self, index):
        return f"example {index}"


def test_a_source_without_files():
    assert kinds(check_data({"train": Arrays([1, 2, 3]), "val": Arrays([4])})) == []
    report = check_data({"train": Arrays([1, 2, 3], broken=1), "val": Arrays([3])})
    assert kinds(report) == ["leak", "unreadable"]
    finding = only(report, "unreadable")
    assert finding.files == ("example 1",) and "a torn record" in finding.found
    assert "example 2 = example 0" in only(report, "leak").found


def test_splits_must_have_the_same_classes():
    other = Arrays([1])
    other.labels = Labels.numbered(3)
    with pytest.raises(ValueError, match=r"same classes. Received: 2 different ones"):
        check_data({"train": Arrays([1]), "val": other})
    with pytest.raises(ValueError, match="0 different ones"):
        check_data({})


def test_problems_of_a_kind_are_one_finding(tmp_path):
    write_clean(tmp_path)
    for seed in (0, 1, 4, 7):
        split = "train" if seed < 6 else "val"
        save(tmp_path / split / "masks" / f"{seed}.png", mask(seed)[:50])
    findings = check(tmp_path).findings
    assert [(f.kind, f.split, len(f.files)) for f in findings] == [
        ("size", "train", 3),
        ("size", "val", 1),
    ]
    assert findings[0].found.startswith("3 files, such as ")


def test_findings_are_ranked_and_decide_the_exit_code():
    kinds_at_random = ["single", "empty", "leak", "absent", "unreadable"]
    findings = ranked(Finding(kind, "train", "") for kind in kinds_at_random)
    assert [f.kind for f in findings] == [
        "unreadable",
        "leak",
        "absent",
        "empty",
        "single",
    ]
    for count, code, strict in ((0, 1, 1), (2, 0, 1), (4, 0, 0), (5, 0, 0)):
        assert exit_code(findings[count:]) == code
        assert exit_code(findings[count:], strict=True) == strict


def test_every_rule_says_what_to_do():
    for kind, rule in RULES.items():
        assert rule.severity in SEVERITIES and rule.title
        assert rule.fix or kind in ("label", "gap"), kind


def test_the_table_and_the_dictionary(tmp_path):
    write_clean(tmp_path)
    for seed in range(5):
        save(tmp_path / f"train/masks/{seed}.png", mask(seed, ids=(0, 1, 2, 7)))
    report = check(tmp_path)
    text = table(report)
    assert "ERROR: Values in masks that are no class [train]" in text
    assert "and 2 more" in text and "-> " in text
    assert "train: 1 of 6 images read" in text and "val: 3 of 3 images read" in text
    assert text.endswith("1 error, 0 warnings, 0 notes")
    found = json.loads(json.dumps(report.to_dict()))
    assert found["findings"][0]["kind"] == "label"
    assert len(found["findings"][0]["files"]) == 5
    assert [c["name"] for c in found["splits"]["val"]["classes"]] == list(NAMES)
    assert found["splits"]["val"]["sizes"] == [[64, 96, 3]]


def test_check_source_reads_all_and_raises_the_first_error():
    check_source(Arrays(range(20)), "training data")
    source = Arrays(range(20), broken=13)
    with pytest.raises(RuntimeError, match="torn"):
        check_source(source, "training data")


def extract(archive, path, wanted=lambda name: True):
    with tarfile.open(archive) as file:
        members = [m for m in file if m.isfile() and wanted(m.name)]
        file.extractall(path, members, filter="data")


def test_isbi_2012_is_clean(reference, tmp_path):
    """Its files hold 0 and 255, and its slices look alike."""
    extract(reference / "data/isbi2012_train.tar", tmp_path)
    sources = {s: open_source("isbi2012", s, path=tmp_path) for s in ("train", "val")}
    report = check_data(sources)
    assert kinds(report) == [] and report.labels == LABELS
    pixels = sum(statistics.pixels for statistics in report.statistics)
    assert pixels[0] / pixels.sum() == pytest.approx(0.2196, abs=5e-5)


def test_camvid_is_clean(reference, tmp_path):
    """Its frames look alike, but none of one split like one of the other."""
    archive = reference / "data/camvid_trainval.tar"
    extract(archive, tmp_path, lambda name: name.endswith(("50.png", "1.png")))
    sources = {s: open_source("camvid", s, path=tmp_path) for s in ("train", "val")}
    report = check_data(sources)
    assert [s.examples > 5 for s in report.statistics] == [True, True]
    assert {f.kind for f in report.findings} <= {"near_duplicate", "absent"}
    assert "near_leak" not in kinds(report)
