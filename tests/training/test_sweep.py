"""Sweeps: the grid, and runs that are passed over, resumed or failing."""

import json
import os
import sys
import types

import pytest

from kseg.training import sweep
from kseg.training.sweep import check_runs, grid, run_sweep, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-3,3e-4", ["1e-3", "3e-4"]),
        ("(160,208)", ["(160,208)"]),
        ("(160,208),(320,416)", ["(160,208)", "(320,416)"]),
        ("[(1,2),[3]],{'a,b': 1}", ["[(1,2),[3]]", "{'a,b': 1}"]),
        ("'a,b',\"c'd,e\"", ["'a,b'", '"c\'d,e"']),
        ("resnet50, mobilenet_v2", ["resnet50", "mobilenet_v2"]),
        ("None,0.5", ["None", "0.5"]),
    ],
)
def test_commas_split_values_outside_of_brackets_and_quotes(text, values):
    assert split_values(text) == values


@pytest.mark.parametrize("text", ["", "1,", ",1", "(1,2", "1)", "'a", "1,,2", ")("])
def test_what_does_not_split_is_explained(text):
    with pytest.raises(ValueError, match="brackets and quotes"):
        split_values(text)


def test_the_grid_is_every_combination():
    texts = ["optimizer.learning_rate=1e-3,3e-4", "fit.epochs=2", "fit.seed=0,1,2"]
    runs = grid(texts, "demo")
    assert [run.name for run in runs] == [
        f"optimizer.learning_rate={rate},fit.seed={seed}"
        for rate in ("1e-3", "3e-4")
        for seed in (0, 1, 2)
    ]
    assert runs[4].assignments == (
        "optimizer.learning_rate=3e-4",
        "fit.epochs=2",
        "fit.seed=1",
    )


def test_every_run_has_a_folder_of_its_own():
    paths = "data.path=a/b,a:b,a_b," + "x" * 300 + "," + "x" * 301
    names = [run.name for run in grid([paths], "demo")]
    assert len(set(names)) == 5
    for name in names:
        assert len(name) < 150 and not set(name) & set('/\\:*?"<>|')
    assert [run.name for run in grid([], "demo")] == ["demo"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["fit.seed"], "section.key=value"),
        (["seed=1,2"], "section.key=value"),
        (["fit.seed=1,1"], "must differ"),
        (["fit.seed=1", "fit.seed=2"], "a key once"),
    ],
)
def test_wrong_texts_are_explained(texts, words):
    with pytest.raises(ValueError, match=words):
        grid(texts, "demo")


def test_wrong_keys_stop_a_sweep_before_it_begins(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        check_runs("demo", grid(["fit.epoch=1,2"], "demo"), tmp_path)
    check_runs("demo", grid(["fit.epochs=1,2"], "demo"), tmp_path)


def test_a_folder_with_another_experiment_is_left_alone(tmp_path):
    runs = grid(["fit.seed=0,1", "data.batch_size=2"], "demo")
    from kseg.training.experiment import load_experiment

    _, experiment = load_experiment("demo")
    experiment.replace(runs[1].assignments)
    experiment.network["num_classes"] = 9  # as the data says
    folder = tmp_path / runs[1].name
    folder.mkdir()
    (folder / "experiment.json").write_text(json.dumps(experiment.to_dict()))
    check_runs("demo", runs, tmp_path)
    others = grid(["fit.seed=0,1", "data.batch_size=3"], "demo")
    with pytest.raises(ValueError, match=r"seed=1.* data\.batch_size\."):
        check_runs("demo", others, tmp_path)
    with pytest.raises(ValueError, match=r"other values of data\.batch_size\."):
        check_runs("demo", grid(["fit.seed=0,1"], "demo"), tmp_path)


def test_runs_are_passed_over_resumed_and_noted(tmp_path, monkeypatch, capsys):
    started = []

    def run(command, stdout, **_):
        folder = command[command.index("--directory") + 1]
        started.append(command)
        fails = "fit.seed=1" in command
        stdout.write(b"epoch 1\nkseg: no space\n\n" if fails else b"fine\n")
        if not fails:
            with open(os.path.join(folder, "metrics.json"), "w") as file:
                file.write("{}")
        return types.SimpleNamespace(returncode=2 if fails else 0)

    monkeypatch.setattr(sweep.subprocess, "run", run)
    runs = grid(["fit.seed=0,1,2", "fit.epochs=1"], "demo")
    assert run_sweep("demo", runs, tmp_path) == [runs[1]]
    assert len(started) == 3
    assert "failed with exit code 2: kseg: no space" in capsys.readouterr().out
    assert started[0][:6] == [
        sys.executable, "-m", "kseg", "train", "demo", "--resume"
    ]  # fmt: skip
    assert started[0][-3:] == ["--set", "fit.seed=0", "fit.epochs=1"]
    started.clear()
    assert run_sweep("demo", runs, tmp_path) == [runs[1]]
    assert len(started) == 1 and "fit.seed=1" in started[0]
    log = (tmp_path / "fit.seed=1" / "output.log").read_text()
    assert log.count("no space") == 2


@pytest.mark.slow
def test_what_a_process_says_is_in_its_log(tmp_path):
    """A real process, of a config that does not exist."""
    (run,) = grid(["fit.seed=1"], "nothing")
    code, last = sweep._train("nothing", run, tmp_path / "new")
    assert code == 2 and last.startswith("kseg: The config must be one of")
    assert last in (tmp_path / "new" / "output.log").read_text()
