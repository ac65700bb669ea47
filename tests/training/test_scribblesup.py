"""Rounds of graph cut and training."""

import json
import shutil
import textwrap

import numpy as np
import pytest
from PIL import Image

import kseg
from kseg.data import RelabelledSource, open_source, write_mask
from kseg.training import run

CONFIG = """
    from kseg.training.experiment import Experiment

    def config():
        return Experiment(
            network=dict(name="unet", filters=4, depth=3),
            data=dict(name="folder", path={path!r}, crop=(32, 48), batch_size=2,
                      val_size=(48, 64)),
            weak=dict(rounds=2),
            optimizer=dict(name="adamw", learning_rate=1e-2),
            fit=dict(epochs=2, steps_per_epoch=2),
            export=dict(formats=(), pictures=1),
        )
"""


@pytest.fixture
def drawn(scenes, tmp_path):
    """The scenes with every eighth row of the training masks drawn."""
    place = tmp_path / "drawn"
    shutil.copytree(scenes, place)
    labels = kseg.Labels.from_dict(json.loads((place / "labels.json").read_text()))
    for path in sorted((place / "train" / "masks").iterdir()):
        mask = np.array(Image.open(path))
        mask[np.arange(len(mask)) % 8 != 3] = labels.ignore_class
        write_mask(path, mask, labels)
    return place


@pytest.fixture
def config(tmp_path, drawn):
    path = tmp_path / "tiny_scribbles.py"
    path.write_text(textwrap.dedent(CONFIG).format(path=str(drawn)))
    return path


def test_rounds_spread_labels_and_train(config, drawn, tmp_path, capsys):
    directory = tmp_path / "result"
    assert run.main([str(config), "--directory", str(directory)]) == 0
    assert (directory / "tiny_scribbles.keras").is_file()
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
    # The second round starts from the first one's network.
    info = json.loads((directory / "experiment.json").read_text())
    assert info["network"]["weights"].endswith("rounds/1/model.keras")
    assert "round 2 of 2" in capsys.readouterr().out

    assert run.main([str(config), "--directory", str(directory)]) == 2
    assert "--resume" in capsys.readouterr().err
    metrics = (directory / "metrics.json").read_text()
    assert run.main([str(config), "--directory", str(directory), "--resume"]) == 0
    again = json.loads((directory / "metrics.json").read_text())
    assert again["validation"] == json.loads(metrics)["validation"]
    assert "spreading" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("weak.rounds=0", "`weak.rounds` must be 1 or more"),
        ("weak.round=2", "Did you mean 'rounds'"),
    ],
)
def test_wrong_settings_are_refused(setting, message, config, tmp_path, capsys):
    directory = tmp_path / "result"
    assert run.main([str(config), "--directory", str(directory), "--set", setting]) == 2
    assert message in capsys.readouterr().err
    assert not (directory / "rounds").exists()


def test_an_image_without_a_scribble_is_named(config, drawn, tmp_path, capsys):
    labels = kseg.Labels.from_dict(json.loads((drawn / "labels.json").read_text()))
    path = sorted((drawn / "train" / "masks").iterdir())[1]
    write_mask(path, np.full(np.array(Image.open(path)).shape, 255), labels)
    directory = tmp_path / "result"
    assert run.main([str(config), "--directory", str(directory)]) == 2
    assert f"{path.stem}: " in capsys.readouterr().err
    assert not (directory / "rounds" / "1" / "labels").exists()
