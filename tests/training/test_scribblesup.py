"""Rounds of graph cut and training."""

import functools
import json
import shutil
import textwrap

import numpy as np
import pytest
from PIL import Image

import kseg
from kseg.data import RelabelledSource, open_source, write_mask
from kseg.training import checkpoints, run, scribblesup

CONFIG = """
    from kseg.training.experiment import Experiment

    def config():
        return Experiment(
            network=dict(name="unet", filters=4, depth=2),
            data=dict(name="folder", path={path!r}, crop=(32, 48), batch_size=2,
                      val_size=(48, 64)),
            weak=dict(rounds=2, delta_color=4.0),
            optimizer=dict(name="adamw", learning_rate=1e-2),
            fit=dict(epochs=2, steps_per_epoch=2, keep="last"),
            export=dict(formats=(), pictures=0),
        )
"""


@pytest.fixture
def drawn(scenes, tmp_path):
    """The scenes with every eighth row of the training masks drawn."""
    place = tmp_path / "drawn"
    shutil.copytree(scenes, place)
    labels = read_labels(place)
    for path in sorted((place / "train" / "masks").iterdir()):
        mask = np.array(Image.open(path))
        mask[np.arange(len(mask)) % 8 != 3] = labels.ignore_class
        write_mask(path, mask, labels)
    return place


def read_labels(place):
    return kseg.Labels.from_dict(json.loads((place / "labels.json").read_text()))


@pytest.fixture
def config(tmp_path, drawn):
    path = tmp_path / "tiny_scribbles.py"
    path.write_text(textwrap.dedent(CONFIG).format(path=str(drawn)))
    return path


def start(config, directory, *more):
    return run.main([str(config), "--directory", str(directory), *more])


def weights(directory):
    return kseg.load(directory / "tiny_scribbles.keras").get_weights()


@pytest.fixture
def spied(monkeypatch):
    """What `propagate` and `fit` are called with."""
    calls = {"propagate": [], "fit": []}
    propagate, fit = scribblesup.propagate, scribblesup.fit

    @functools.wraps(propagate)
    def spy_propagate(*arguments, **options):
        calls["propagate"].append(options)
        return propagate(*arguments, **options)

    def spy_fit(experiment, *arguments, **options):
        calls["fit"].append((experiment, options))
        return fit(experiment, *arguments, **options)

    monkeypatch.setattr(scribblesup, "propagate", spy_propagate)
    monkeypatch.setattr(scribblesup, "fit", spy_fit)
    return calls


def test_rounds_spread_labels_and_train(config, drawn, tmp_path, capsys, spied):
    directory = tmp_path / "result"
    assert start(config, directory) == 0
    source = open_source("folder", "train", path=drawn)
    first, second = (
        RelabelledSource(source, directory / "rounds" / number / "labels")
        for number in "12"
    )
    for index in range(len(source)):
        scribbles = source.mask(index)
        known = scribbles != 255
        for relabelled in (first, second):
            mask = relabelled.mask(index)
            assert (mask != 255).all()
            np.testing.assert_array_equal(mask[known], scribbles[known])
            assert set(np.unique(mask)) <= set(np.unique(scribbles[known]))
            np.testing.assert_array_equal(relabelled[index][0], source[index][0])

    # The network is asked from the second round on, and starts where it was.
    asked = [x["probabilities"] is not None for x in spied["propagate"]]
    assert asked == [False] * len(source) + [True] * len(source)
    assert {x["delta_color"] for x in spied["propagate"]} == {4.0}
    trained = [options["train"].masks.parent.name for _, options in spied["fit"]]
    assert trained == ["1", "2"]
    assert [options["seed"] for _, options in spied["fit"]] == [0, 1]
    of_first, of_second = (x.network.get("weights") for x, _ in spied["fit"])
    assert of_first is None and of_second.endswith("rounds/1/model.keras")

    record = json.loads((directory / "experiment.json").read_text())
    assert "weights" not in record["network"] and record["weak"]["rounds"] == 2
    assert "graph cut" in (directory / "README.md").read_text()
    assert "round 2 of 2" in capsys.readouterr().out

    assert start(config, directory) == 2
    assert "--resume" in capsys.readouterr().err


class Stopped(BaseException):
    """What nothing catches, as a kill."""


@pytest.mark.parametrize(
    "moment",
    [
        "epoch",
        *(pytest.param(x, marks=pytest.mark.slow) for x in ("labels", "round")),
        pytest.param("last epoch", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_stopped_ends_as_another(
    moment, config, tmp_path, monkeypatch, capsys
):
    assert start(config, tmp_path / "whole") == 0
    counts = {"labels": 0, "epoch": 0}
    stop_at = {
        "labels": ("labels", 9),  # three of the second round
        "epoch": ("epoch", 1),
        "round": ("epoch", 2),
        "last epoch": ("epoch", 4),
    }[moment]

    def count(what):
        counts[what] += 1
        if (what, counts[what]) == stop_at:
            raise Stopped

    propagate, save = scribblesup.propagate, checkpoints.Checkpoints.on_epoch_end

    @functools.wraps(propagate)
    def counted_propagate(*arguments, **options):
        result = propagate(*arguments, **options)
        count("labels")
        return result

    def counted_save(self, epoch, logs=None):
        save(self, epoch, logs)
        count("epoch")

    monkeypatch.setattr(scribblesup, "propagate", counted_propagate)
    monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", counted_save)
    with pytest.raises(Stopped):
        start(config, tmp_path / "parts")
    monkeypatch.undo()
    assert start(config, tmp_path / "parts", "--resume") == 0
    for one, other in zip(
        weights(tmp_path / "whole"), weights(tmp_path / "parts"), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert not list((tmp_path / "parts").rglob(".*"))


def test_more_rounds_can_follow_and_other_labels_cannot(config, tmp_path, capsys):
    directory = tmp_path / "result"
    assert start(config, directory, "--set", "weak.rounds=1") == 0
    one = weights(directory)
    assert start(config, directory, "--resume") == 0
    assert any((a != b).any() for a, b in zip(one, weights(directory), strict=True))
    for change in ("weak.size=30", "weak.delta_color=5.0"):
        assert start(config, directory, "--resume", "--set", change) == 2
        assert "goes on with the labels that it began with" in capsys.readouterr().err


def test_a_plain_run_does_not_go_on_as_a_weak_one(config, tmp_path, capsys):
    plain = tmp_path / "plain.py"
    plain.write_text(config.read_text().replace("weak=", "weak={} and "))
    directory = tmp_path / "result"
    assert start(plain, directory) == 0
    assert start(config, directory, "--resume") == 2
    assert "began with weak={}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("weak.rounds=0", "`weak.rounds` must be 1 or more"),
        ("weak.rounds=2.5", "`weak.rounds` must be 1 or more"),
        ("weak.round=2", "Did you mean 'rounds'"),
        ("weak.method=watershed", "'felzenszwalb' or 'slic'"),
        ("weak.delta_color=five", "delta_color='five'"),
        ("fit.keep=first", "'best' or 'last'"),
        ("network.num_classes=3", "as many classes as the data"),
        ("network.filters=0", ""),
    ],
)
def test_wrong_settings_stop_before_labels_are_spread(
    setting, message, config, tmp_path, capsys
):
    directory = tmp_path / "result"
    assert start(config, directory, "--set", setting) == 2
    assert message in capsys.readouterr().err
    assert not (directory / "rounds").exists()


def test_images_without_a_scribble_stay_void(config, drawn, tmp_path, capsys):
    labels = read_labels(drawn)
    paths = sorted((drawn / "train" / "masks").iterdir())
    void = np.full(np.array(Image.open(paths[0])).shape, 255)
    write_mask(paths[1], void, labels)
    directory = tmp_path / "result"
    assert start(config, directory) == 0
    assert f"1 images without a scribble count nothing, as {paths[1].stem}" in (
        capsys.readouterr().out
    )
    source = open_source("folder", "train", path=drawn)
    spread = RelabelledSource(source, directory / "rounds" / "1" / "labels")
    assert (spread.mask(1) == 255).all() and (spread.mask(0) != 255).all()

    for path in paths:
        write_mask(path, void, labels)
    assert start(config, tmp_path / "none") == 2
    assert "An image must have a scribble" in capsys.readouterr().err
    assert not (tmp_path / "none" / "rounds" / "1" / "labels").exists()
