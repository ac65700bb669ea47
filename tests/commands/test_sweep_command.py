"""`kseg sweep`, as a user calls it, with runs that take no time."""

import json
import os

from kseg import cli
from kseg.training import sweep


def test_runs_and_their_table(tmp_path, monkeypatch, capsys):
    def train(config, run, folder):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
        assert "JAX_PLATFORMS" not in os.environ
        if "fit.seed=1" in run.assignments:
            return 3, "broken"
        folder.mkdir(parents=True)
        scores = dict.fromkeys(("mean_iou", "pixel_accuracy", "boundary_f1"), 0.5)
        metrics = {"validation": scores, "experiment": {"network": {"name": config}}}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return 0, ""

    def check(*arguments):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
        assert os.environ["JAX_PLATFORMS"] == "cpu"

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(sweep, "_train", train)
    monkeypatch.setattr(sweep, "check_runs", check)
    arguments = ["sweep", "demo", "--directory", str(tmp_path), "--set"]
    assert cli.main([*arguments, "fit.seed=0,1", "fit.epochs=1"]) == 1
    out = capsys.readouterr().out
    assert "| fit.seed=0 | demo |" in out
    assert "failed: fit.seed=1" in out and "exit code 3: broken" in out
    assert cli.main([*arguments, "fit.seed=0", "fit.epochs=1,2"]) == 0


def test_wrong_input_starts_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sweep, "_train", None)
    arguments = ["sweep", "demo", "--directory", str(tmp_path), "--set"]
    for text in ("fit.sed=0,1", "fit.seed=(0,1", "optimizer.learning_rate"):
        assert cli.main([*arguments, text]) == 2
    assert "section.key=value" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
