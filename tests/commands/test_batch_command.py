import sys

import pytest

from kseg import cli


@pytest.fixture
def asked(monkeypatch):
    """What the command asks for, of a batch of which nothing fails, or one image."""
    from kseg.batch import start

    seen = []

    class Counts:
        written, skipped, failed = 3, 4, 0

    def predict_batch(*given):
        seen.append(given)
        return Counts

    monkeypatch.setattr(start, "predict_batch", predict_batch)
    return seen, Counts


def test_arguments_are_passed_on(asked, capsys):
    seen, counts = asked
    line = "batch --model m photos --output out --root . --tile 64 96 --flip"
    assert cli.main([*line.split(), "--beam-options", "runner=X", "a=b"]) == 0
    views = {"tile": [64, 96], "flip": True}
    assert seen == [("m", "photos", "out", ".", views, ["runner=X", "a=b"])]
    assert "3 masks are new in out, 4 were there" in capsys.readouterr().out
    counts.failed = 1
    assert cli.main("batch --model m photos --output out".split()) == 2
    assert "1 images failed; out/failures.jsonl" in capsys.readouterr().err


def test_beam_that_is_missing_is_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    out = tmp_path / "out"
    line = ["batch", "--model", "m", str(tmp_path), "--output", str(out)]
    assert cli.main(line) == 2
    assert '`pip install "kseg[beam]"`' in capsys.readouterr().err
    assert not out.exists()
