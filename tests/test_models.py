"""Models by path and by name."""

import json

import numpy as np
import pytest

import kseg
from kseg import models
from kseg.labels import Labels

LABELS = Labels.named(["one", "two", "three"])


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A folder saved_models/tiny in the current directory."""
    folder = tmp_path / "saved_models" / "tiny"
    folder.mkdir(parents=True)
    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    model.save(folder / "tiny.keras")
    info = {"name": "tiny", "input_size": [32, 48], "labels": LABELS.to_dict()}
    (folder / "tiny.json").write_text(json.dumps(info))
    monkeypatch.chdir(tmp_path)
    return folder, model


def test_a_model_is_found_by_name_folder_and_file(saved):
    folder, model = saved
    image = np.random.default_rng(0).uniform(0, 255, (1, 9, 7, 3)).astype("float32")
    for way in ("tiny", folder, folder / "tiny.keras"):
        loaded = kseg.load(way)
        np.testing.assert_array_equal(
            np.asarray(loaded(image)), np.asarray(model(image))
        )
    assert "tiny" in models.names()


def test_the_classes_come_from_the_file_beside_it(saved):
    folder, _ = saved
    path = models.find("tiny")
    assert models.read_labels(path, 3) == LABELS
    (folder / "tiny.json").unlink()
    assert models.read_labels(path, 3).names == ("class_0", "class_1", "class_2")


def test_a_wrong_name_lists_the_right_ones(saved):
    with pytest.raises(ValueError, match="Did you mean 'tiny'"):
        kseg.load("tinny")


def test_a_lite_file_is_not_a_keras_model(saved):
    folder, _ = saved
    (folder / "tiny_int8.tflite").write_bytes(b"")
    with pytest.raises(ValueError, match="LiteRTModel"):
        kseg.load(folder / "tiny_int8.tflite")
    (folder / "tiny.keras").unlink()
    assert models.find("tiny").name == "tiny_int8.tflite"
