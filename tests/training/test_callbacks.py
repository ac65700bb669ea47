"""Checkpoints that are whole, and rows that are written once."""

import json

import keras
import numpy as np
import pytest

from kseg.labels import Labels
from kseg.losses import CrossEntropy
from kseg.metrics import MeanIoU
from kseg.training import callbacks


@pytest.fixture
def model():
    image = keras.Input((2,))
    return keras.Model(image, keras.layers.Dense(1)(image))


def test_the_best_and_the_last_are_kept_and_nothing_else(model, tmp_path):
    keeper = callbacks.Checkpoints(tmp_path, "score")
    keeper.set_model(model)
    for epoch, score in enumerate((0.5, 0.7, 0.6, 0.7)):
        keeper.on_epoch_end(epoch, {"score": score})
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"state.json", "last-4.weights.h5", "best-2.weights.h5"}
    state = callbacks.read_state(tmp_path)
    assert (state["epochs"], state["best_epoch"], state["best_score"]) == (4, 2, 0.7)


def test_a_failed_save_leaves_the_earlier_state(model, tmp_path, monkeypatch):
    keeper = callbacks.Checkpoints(tmp_path, "score")
    keeper.set_model(model)
    keeper.on_epoch_end(0, {"score": 0.5})
    before = {path.name for path in tmp_path.iterdir()}

    def fail(path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save_weights", fail)
    with pytest.raises(OSError, match="disk full"):
        keeper.on_epoch_end(1, {"score": 0.9})
    assert {path.name for path in tmp_path.iterdir()} == before
    assert callbacks.read_state(tmp_path)["epochs"] == 1


def test_a_new_run_of_checkpoints_goes_on_from_the_state(model, tmp_path):
    for epoch, score in enumerate((0.5, 0.4)):
        keeper = callbacks.Checkpoints(tmp_path, "score")
        keeper.set_model(model)
        keeper.on_epoch_end(epoch, {"score": score})
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["best"] == "best-1.weights.h5"


def test_rows_have_one_header(tmp_path):
    log = callbacks.Log(tmp_path / "log.csv")
    for epoch in range(2):
        log.on_epoch_end(epoch, {"loss": 0.25, "score": np.float32(0.5)})
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines == ["epoch,loss,score", "1,0.25,0.5", "2,0.25,0.5"]


# Collapse

NAMES = Labels.named(["sky", "road", "sign"])


def scores_of(path, predictions, masks):
    """Runs the callback over epochs whose validation predicts the given ids."""
    metric = MeanIoU(3, 255)
    callback = callbacks.ClassScores(metric, NAMES, path / "scores.csv")
    for epoch, ids in enumerate(predictions):
        metric.reset_state()
        metric.update_state(masks, np.eye(3, dtype="float32")[ids % 3])
        callback.on_epoch_end(epoch)


def test_it_says_which_class_since_when_and_what_to_do(tmp_path, capsys):
    rng = np.random.default_rng(0)
    masks = rng.choice(3, (2, 20, 20), p=[0.25, 0.5, 0.25])
    masks[:, :2] = 255
    road = np.ones_like(masks)
    nearly = np.where(rng.random(masks.shape) < 0.003, (masks + 1) % 3, 1)
    half = np.where(rng.random(masks.shape) < 0.5, masks, 1)
    scores_of(tmp_path, [half, road, nearly, half, 0 * road], masks)
    epochs = capsys.readouterr().out.split("IoU %: ")[1:]
    told = [e.split("\n", 1)[1] for e in epochs]
    assert told[0] == told[3] == ""
    assert told[1].startswith("Collapsed since epoch 2: 100.0% of the validation")
    share = (masks == 1).sum() / (masks != 255).sum()
    assert f"called 'road', which {share:.1%} are" in told[1]
    assert "loss.class_weights=median_frequency" in told[1]
    assert told[2].startswith("Collapsed since epoch 2: 99.")
    assert told[4].startswith("Collapsed since epoch 5: 100.0%") and "'sky'" in told[4]


def test_a_rare_class_that_is_found_is_no_collapse():
    """Of 10,000 pixels 20 are rare, and half of them are found."""
    assert callbacks.collapsed_class(np.array([[9975, 5], [10, 10]])) is None
    assert callbacks.collapsed_class(np.array([[9980, 0], [20, 0]])) == 0
    assert callbacks.collapsed_class(np.array([[9980, 0], [0, 0]])) is None
    assert callbacks.collapsed_class(np.zeros((3, 3), int)) is None


def test_a_model_that_collapses_is_told_of(tmp_path, capsys):
    """Trained on the frequent class alone, it calls everything that."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    masks = rng.choice(3, (4, 8, 8), p=[0.2, 0.7, 0.1])
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(3)(image))
    metric = MeanIoU(3, 255)
    loss = CrossEntropy(class_weights=[0, 1, 0])
    model.compile(keras.optimizers.SGD(1.0), loss, metrics=[metric], jit_compile=False)
    callback = callbacks.ClassScores(metric, NAMES, tmp_path / "scores.csv")
    model.fit(images, masks, 1, 9, 0, [callback], validation_data=(images, masks))
    told = capsys.readouterr().out
    assert "of the validation pixels are called 'road'" in told
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 10
