"""The page of benchmarks has all results, and these are of benchmarks that run."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """The script that runs them all."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench

    yield bench
    del sys.modules["bench"]


def test_the_page_has_all_results(bench):
    assert bench.PAGE.read_text(encoding="utf-8") == bench.page()


def test_results_and_notes_are_of_benchmarks(bench):
    found = {
        p.stem for folder in (bench.RESULTS, bench.NOTES) for p in folder.iterdir()
    }
    assert found <= bench.BENCHMARKS.keys()
    assert {p.stem for p in BENCHMARKS.glob("*.py")} >= bench.BENCHMARKS.keys()


def test_results_are_of_the_commands_that_are_run_now(bench):
    for path in bench.RESULTS.iterdir():
        arguments = bench.BENCHMARKS[path.stem].arguments
        command = " ".join(["python", f"benchmarks/{path.name[:-5]}.py", *arguments])
        assert json.loads(path.read_text(encoding="utf-8"))["command"] == command


def test_what_fails_is_told_and_keeps_its_results(bench, monkeypatch, tmp_path, capsys):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "metrics.py").write_text("raise SystemExit(3)\n")
    monkeypatch.setattr(bench, "REPOSITORY", tmp_path)
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(bench, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(sys, "argv", ["bench.py", "metrics", "evaluate"])
    assert bench.main() == 1
    told = capsys.readouterr().out
    assert "failed: metrics" in told
    assert "evaluate: left out, as .data/camvid is not there" in told
    assert not (tmp_path / "results").exists()
