import re
import tracemalloc
from html import unescape

import numpy as np
import pytest
from planted_report import (
    LABELS,
    IdsAlone,
    Page,
    Scenes,
    judged,
    network,
    rows,
    section,
)

from kseg.inference import compare_records, score_record
from kseg.inference.evaluate import collect
from kseg.inference.predict import predict
from kseg.inference.report import RunFolder, write_report
from kseg.inference.report.style import STYLE

SOURCE = Scenes()
RUN = RunFolder(
    {"epoch": [1, 2, 3], "loss": [3, 2, 1.5], "val_mean_iou": [0.1, np.nan, 0.4]},
    "# card\n\n### <b>deep</b>\n\n| a | b |\n| - | - |\n| 1 | [x](javascript:y) |\n",
    {"keras": "3 <b>"},
    {"kseg": "abc, with changes"},
)


@pytest.fixture(scope="module")
def models():
    """Two networks, the second one worse."""
    pair = (("good", network()), ("bad <b>", network(100)))
    return [judged(name, model, SOURCE) for name, model in pair]


@pytest.fixture(scope="module")
def texts(models, tmp_path_factory):
    """The page of one model, and that of two."""
    folder = tmp_path_factory.mktemp("report")
    for name, some in (("one", models[:1]), ("two", models)):
        path = folder / f"{name}.html"
        write_report(path, some, SOURCE, "scenes & <co>", 2, RUN)
    return [(folder / f"{name}.html").read_text() for name in ("one", "two")]


def number(text):
    return float(text.replace("−", "-")) / 100


def test_the_numbers_are_those_of_the_record(texts):
    model = network()
    names = [SOURCE.name(i) for i in range(len(SOURCE))]
    examples = (SOURCE[i] for i in range(len(SOURCE)))
    collected = collect(lambda image: predict(model, image), examples, LABELS)
    record = score_record(collected, names)
    for text in texts:
        tiles = re.findall("<b>([0-9.]+)</b> %<small>(.*?)</small>", text)
        for key, (value, bounds) in zip(
            ("mean_iou", "pixel_accuracy", "boundary_f1", "boundary_iou"),
            tiles,
            strict=True,
        ):
            assert number(value) == pytest.approx(record[key], abs=5e-5)
            found = [number(bound) for bound in bounds.split(" to ")]
            assert found == pytest.approx(record["intervals"][key], abs=5e-4)
        table = rows(section(text, "classes"))[1:]
        for name, cells in zip(LABELS.names, table, strict=True):
            assert number(cells[1]) == pytest.approx(
                record["class_iou"][name], abs=5e-5
            )
            assert number(cells[5]) == pytest.approx(
                record["class_boundary_f1"][name], abs=5e-5
            )
        table = rows(section(text, "images"))[1:]
        for image, cells in zip(record["per_image"], table, strict=True):
            assert number(cells[1]) == pytest.approx(image["mean_iou"], abs=5e-5)
            assert number(cells[3]) == pytest.approx(image["boundary_f1"], abs=5e-5)
    matrix = re.findall('title="([0-9,]+) pixels', section(texts[0], "confusion"))
    expected = [n for row in record["confusion_matrix"] for n in row if n]
    assert [int(n.replace(",", "")) for n in matrix] == expected


def test_two_models_are_compared_as_their_records_are(texts, models):
    compared = compare_records(*(model.record for model in models))
    table = rows(section(texts[1], "summary"))[1:]
    for key, cells in zip(
        ("mean_iou", "pixel_accuracy", "boundary_f1", "boundary_iou"),
        table,
        strict=True,
    ):
        values = compared[key]
        for text, name in zip(
            cells[1:4], ("first", "second", "difference"), strict=True
        ):
            assert number(text) == pytest.approx(values[name], abs=5e-5)
        assert float(cells[5]) == pytest.approx(values["p_value"], abs=5e-5)
    assert compared["mean_iou"]["difference"] < -0.05
    assert "points lower" in section(texts[1], "summary")
    change = [number(cells[5]) for cells in rows(section(texts[1], "images"))[1:]]
    by_name = {row["name"]: row["difference"] for row in compared["per_image"]}
    expected = [by_name[SOURCE.name(i)] for i in range(len(SOURCE))]
    assert change == pytest.approx(expected, abs=5e-5)


def test_the_page_is_whole_and_asks_for_nothing(texts):
    for text in texts:
        page = Page(text)
        places = [a["id"] for _, a in page.elements if "id" in a]
        assert len(places) == len(set(places)) > 10
        links = [a["href"] for a in page.all("a")]
        assert len(links) > 10 and {link[1:] for link in links} <= set(places)
        assert all(link[0] == "#" for link in links)
        assert {a["src"].split(",")[0] for a in page.all("img")} == {
            "data:image/webp;base64", "data:image/png;base64"
        }  # fmt: skip
        for _, attributes in page.elements:
            assert not any(name.startswith("on") for name in attributes)
        assert not re.search(r"""url\(|@import|(src|href)=["']?(http|//)""", text)
        (policy,) = (a for a in page.all("meta") if "http-equiv" in a)
        assert policy["content"].startswith("default-src 'none'; img-src data:;")
        assert "unsafe-inline" not in policy["content"].split("script-src")[1]
        assert len(page.all("script")) == 1
        assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1


def test_headings_follow_each_other(texts):
    levels = [int(tag[1]) for tag, _ in Page(texts[1]).elements if tag[0] == "h" != tag
              and tag[1:].isdigit()]  # fmt: skip
    assert levels[:2] == [1, 2] and levels.count(2) == 10
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_everything_that_is_used_has_a_name(texts):
    page = Page(texts[1])
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert regions and all(a["aria-label"] and a["tabindex"] == "0" for a in regions)
    assert all(a["alt"] for a in page.all("img"))
    drawn = [a for a in page.all("svg") if a.get("aria-hidden") != "true"]
    assert drawn and all(a["role"] == "img" and a["aria-label"] for a in drawn)
    assert all(a["scope"] in ("row", "col") for a in page.all("th"))
    for case in re.findall("<fieldset>.*?</div>", texts[1]):
        assert case.startswith("<fieldset><legend>Overlay")
        assert re.search('<label class="wipe">Edge.*?<input type="range"', case)


def test_names_cannot_break_the_page(texts):
    for text in texts:
        assert "<script>alert" not in text and "\\ud800" in text and "\\udcff" in text
        assert "scenes &amp; &lt;co&gt;" in text and "<co>" not in text
        words = "".join(Page(text).text)
        assert words.count('</script><script>alert("x")') > 5
        assert "0<script>\"'&\\udcff" in words and "a' onload='b & <i>" in words
        assert "<at> their own size" in words and "bad <b>" not in text


def test_the_gallery_holds_the_worst_and_the_most_changed(texts, models):
    first, second = (
        [row["mean_iou"] for row in model.record["per_image"]] for model in models
    )
    worst = np.argsort(first)[:2].tolist()
    change = np.abs(np.subtract(second, first))
    changed = np.argsort(-change)[:2].tolist()
    one, two = (
        re.findall('<figure class="case" id="image-([0-9]+)"', t) for t in texts
    )
    assert one == [str(i) for i in worst]
    assert two == one + [str(i) for i in changed if i not in worst]
    gallery = section(texts[1], "gallery")
    for index in set(changed) & set(worst):
        assert f'href="#image-{index}"' in gallery.split("Most changed")[1]
    layers = re.findall('data-layer="(.*?)"', gallery)[:6]
    expected = "image,truth,prediction A,prediction B,errors A,errors B"
    assert layers == expected.split(",")
    row = models[0].record["per_image"][worst[0]]
    found = re.search('data-iou="(.*?)"', gallery)[1]
    union = [
        t + p - r
        for r, t, p in zip(row["right"], row["true"], row["predicted"], strict=True)
    ]
    assert eval(unescape(found)) == {
        str(i): pytest.approx(row["right"][i] / union[i], abs=1e-4)
        for i in range(3) if union[i]
    }  # fmt: skip


def test_a_model_of_class_ids_has_no_curves(tmp_path):
    model = judged("ids", IdsAlone(), SOURCE)
    write_report(tmp_path / "a.html", [model], SOURCE, "scenes", 0)
    text = (tmp_path / "a.html").read_text()
    Page(text)
    part = section(text, "probabilities")
    assert "gives class ids and no probabilities" in part and "<svg" not in part
    assert "AP" not in rows(section(text, "classes"))[0]
    assert "No image is shown." in section(text, "gallery")
    assert "No run of kseg" in section(text, "training")


def test_what_lies_beside_the_model_is_shown(texts):
    part = section(texts[0], "training")
    assert part.count("<svg class") == 2 and part.count("<polyline") == 4
    # The second epoch has no score: a line from the first to the third.
    last = re.findall('points="(.*?)"', part)[-1].split()
    assert len(last) == 2
    assert "&lt;b&gt;deep" in section(texts[0], "card")
    assert "<h4>" in section(texts[0], "card") and "<h6>" not in texts[0]
    assert "x (javascript:y)" in section(texts[0], "card")
    assert ["kseg", "abc, with changes"] not in rows(section(texts[0], "environment"))
    assert ["commit of kseg", "abc, with changes"] in rows(
        section(texts[0], "environment")
    )


def test_a_failure_leaves_the_old_page(models, tmp_path):
    class Broken(Scenes):
        def __getitem__(self, index):
            raise OSError("gone")

    path = tmp_path / "a.html"
    path.write_text("old")
    with pytest.raises(OSError, match="gone"):
        write_report(path, models[:1], Broken(), "scenes", 2)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_matrix_of_many_classes_is_folded():
    from kseg.inference.report.confusion import confusion
    from kseg.labels import Labels

    rng = np.random.default_rng(0)
    matrix = rng.integers(0, 1000, (150, 150))
    matrix[3, 7] = 10**6
    html = confusion(matrix, Labels.numbered(150))
    Page(html)
    assert "<details><summary>" in html and "<details open>" not in html
    first = re.sub("<.*?>", "", re.search("<li>.*?</li>", html)[0])
    assert first.startswith("class_3 taken for class_7")
    assert len(html) < 3_000_000
    for size in (2, 24):
        small = confusion(np.eye(size, dtype=int), Labels.numbered(size))
        assert "<details open>" in small and "No pixel is wrong" in small
    absent = confusion(np.array([[0, 0], [1, 3]]), Labels.numbered(2))
    assert "nan" not in absent and "25.0" in absent


def test_memory_does_not_grow_with_the_images():
    """Of each image a few numbers stay, and no pixel."""
    model = IdsAlone()
    kept = []
    for count in (4, 24):
        source = Scenes(count)
        judged("warm", model, source)
        tracemalloc.start()
        result = judged("ids", model, source)
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert result.record["images"] == count
    pixels = Scenes(1).masks[0].size
    assert (kept[1] - kept[0]) / 20 < 4 * pixels


def luminance(color):
    """Returns the relative luminance of WCAG 2.1 of a colour, 0 to 255."""
    c = np.asarray(color) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_its_ground(dark):
    """Contrast of 4.5 and more, level AA of WCAG 2.1, section 1.4.3."""
    found = re.findall(r"--([a-z]+): (#[0-9a-f]{3,6}|[0-9]+%)", STYLE)
    values = {}
    for name, value in found:  # of the shared style and the report's, dark ones second
        values.setdefault(name, []).append(value)
    chosen = {name: pair[-1 if dark else 0] for name, pair in values.items()}
    colors = {
        name: np.array([int(v[1:][i : i + 2], 16) for i in (0, 2, 4)], float)
        for name, v in chosen.items()
        if len(v) == 7
    }
    colors.setdefault("paper", np.full(3, 255.0))
    shade = int(chosen["shade"][:-1]) / 100
    for ground in ("paper", "soft"):
        for text in ("ink", "dim"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        for mixed, share in (("accent", 0.45), ("other", shade)):
            under = share * colors[mixed] + (1 - share) * colors[ground]
            assert contrast(colors["ink"], under) >= 4.5, (mixed, ground)
        # Lines and bars need 3, section 1.4.11.
        assert contrast(colors["other"], colors[ground]) >= 3
        assert contrast(colors["accent"], colors[ground]) >= 3
    assert contrast(colors["accent"], colors["paper"]) >= 4.5
