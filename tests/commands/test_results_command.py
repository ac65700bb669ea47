"""`kseg results`, as a user calls it."""

import json

import pytest

from kseg import cli


@pytest.fixture
def runs(tmp_path):
    """Two runs that differ in their seed, a folder that is none, and a file."""
    for seed in range(2):
        scores = {"mean_iou": 0.5 + seed / 10, "pixel_accuracy": 0.7}
        network = {"name": "unet"}
        metrics = {
            "validation": {**scores, "boundary_f1": 0.1},
            "experiment": {"network": network, "fit": {"seed": seed}},
        }
        (tmp_path / f"run{seed}").mkdir()
        (tmp_path / f"run{seed}" / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "begun").mkdir()
    (tmp_path / "file").write_text("")
    return sorted(map(str, tmp_path.iterdir()))


def test_it_prints_and_writes(runs, tmp_path, capsys):
    assert cli.main(["results", *runs]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("| run") == 3 and "begun holds no" in printed.err
    output = tmp_path / "table.csv"
    assert cli.main(["results", *runs, "--group", "--output", str(output)]) == 0
    lines = output.read_text().splitlines()
    assert len(lines) == 2 and lines[0].startswith("name,network,mean_iou,mean_iou_d")
    output = tmp_path / "table.md"
    command = ["results", *runs, "--group", "--output", str(output)]
    assert cli.main(command) == 0
    assert "| 55.00 ± 7.07 |" in output.read_text()
    assert cli.main([*command, "--format", "csv"]) == 0
    assert output.read_text().splitlines() == lines


def test_nothing_to_show_is_an_error(runs, capsys):
    assert cli.main(["results", *runs[:2]]) == 2
    assert "metrics.json of a run" in capsys.readouterr().err
