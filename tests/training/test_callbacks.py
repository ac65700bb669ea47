"""Checkpoints that are whole, and rows that are written once."""

import json

import keras
import numpy as np
import pytest

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
