"""Checkpoints that hold all of a run, appear whole, and outlive a damaged one."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.metrics import MeanIoU
from kseg.training.average import averaged_weights
from kseg.training.checkpoints import (
    Checkpoints,
    checkpoints,
    is_over,
    load_best,
    read_state,
    restore,
)


def make_model(units=2, ema=False):
    """A model as `fit` compiles one, with dropout and, where asked for, an average."""
    with tf.distribute.OneDeviceStrategy("/cpu:0").scope():
        return compiled(units, ema)


def compiled(units, ema):
    keras.utils.set_random_seed(0)
    image = keras.Input((4,))
    x = keras.layers.Dropout(0.5)(image)
    model = keras.Model(image, keras.layers.Dense(units)(x))
    optimizer = keras.optimizers.Adam(0.1, use_ema=ema, ema_momentum=0.5)
    model.compile(optimizer, "mse", metrics=["mae"], jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def train(model, *keepers, epochs=1):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, model.output_shape[-1]))
    model.fit(x, y, 2, epochs, 0, list(keepers), shuffle=False)


def everything(model):
    variables = model.variables + model.optimizer.variables
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def equal(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_best_the_last_and_the_one_before_it_are_kept(tmp_path):
    model, keeper = make_model(), Checkpoints(tmp_path, "score")
    keeper.set_model(model)
    keeper.set_params({"epochs": 9, "steps": 1})
    for epoch, score in enumerate((0.5, 0.7, 0.6, 0.7)):
        keeper.on_epoch_end(epoch, {"score": score})
    assert [path.name for path in sorted(tmp_path.glob("*.npz"))] == [
        "best-2.npz",
        "checkpoint-000003-00000000.npz",
        "checkpoint-000004-00000000.npz",
    ]
    state = read_state(tmp_path)
    assert (state["epochs"], state["best_epoch"], state["best_score"]) == (4, 2, 0.7)
    assert [row["score"] for row in state["history"]] == [0.5, 0.7, 0.6, 0.7]
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines == ["epoch,score", "1,0.5", "2,0.7", "3,0.6", "4,0.7"]


def test_a_checkpoint_holds_all_that_the_next_step_depends_on(tmp_path):
    """Weights, random numbers, moments, the average, the metrics of half an epoch."""
    model = make_model(ema=True)
    train(model, Checkpoints(tmp_path, "loss", steps=2))
    assert read_state(tmp_path)["epochs"] == 1
    checkpoints(tmp_path)[0].unlink()
    state = read_state(tmp_path)
    assert (state["epochs"], state["step"]) == (0, 2)

    before, other = everything(make_model(ema=True)), make_model(ema=True)
    state = restore(tmp_path, other)
    assert not any(
        np.array_equal(a, b)
        for a, b in zip(before, everything(other), strict=True)
        if a.size > 1 and "int" not in a.dtype.name
    )
    np.testing.assert_array_equal(state["metrics"][1], 4)  # the examples so far


def test_an_epoch_goes_on_where_it_was_left(tmp_path):
    whole = make_model()
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    train(whole, first := Checkpoints(tmp_path / "whole", "loss"))
    train(make_model(), Checkpoints(tmp_path / "parts", "loss", steps=1))
    checkpoints(tmp_path / "parts")[0].unlink()
    model = make_model()
    state = restore(tmp_path / "parts", model)
    assert state["step"] == 2
    keeper = Checkpoints(tmp_path / "parts", "loss", state=state)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    model.fit(x[4:], y[4:], 2, 1, 0, [keeper], shuffle=False)
    assert equal(everything(model), everything(whole))
    assert keeper.state["history"] == first.state["history"]  # metrics of all steps


def test_a_damaged_checkpoint_is_passed_over(tmp_path, capsys):
    model = make_model()
    train(model, Checkpoints(tmp_path, "loss"), epochs=2)
    newest, before = checkpoints(tmp_path)
    data = bytearray(newest.read_bytes())
    for damage in (data[: len(data) // 2], b"", bytes(data[:-9]) + b"?" * 9):
        newest.write_bytes(damage)
        assert restore(tmp_path, make_model())["epochs"] == 1
        assert f"{newest} is damaged" in capsys.readouterr().out
    for position in range(60, len(data), 97):
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        newest.write_bytes(flipped)
        assert read_state(tmp_path)["epochs"] in (1, 2)
    before.write_bytes(b"not a file of arrays")
    newest.write_bytes(b"")
    with pytest.raises(ValueError, match="whose 2 are damaged. Delete the folder"):
        restore(tmp_path, make_model())


def test_a_damaged_checkpoint_is_replaced_within_the_epoch(tmp_path):
    """By name it is newer than what is written after it was passed over."""
    train(make_model(), Checkpoints(tmp_path, "loss"), epochs=2)
    checkpoints(tmp_path)[0].write_bytes(b"")
    model = make_model()
    state = restore(tmp_path, model)
    keeper = Checkpoints(tmp_path, "loss", steps=1, state=state)
    keeper.set_model(model)
    keeper.set_params({"epochs": 9, "steps": 3})
    keeper.on_train_batch_end(0)
    names = [path.name for path in checkpoints(tmp_path)]
    assert names == [f"checkpoint-000001-0000000{step}.npz" for step in (1, 0)]
    assert restore(tmp_path, model)["step"] == 1


def test_a_flipped_bit_in_a_weight_is_found(tmp_path):
    train(make_model(), Checkpoints(tmp_path, "loss"))
    (path,) = checkpoints(tmp_path)
    kernel = np.load(path)["model/0"].tobytes()
    data = bytearray(path.read_bytes())
    data[data.index(kernel) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="whose 1 are damaged"):
        read_state(tmp_path)


def test_a_failed_save_leaves_the_earlier_state(tmp_path, monkeypatch):
    model, keeper = make_model(), Checkpoints(tmp_path, "score")
    keeper.set_model(model)
    keeper.set_params({"epochs": 9, "steps": 1})
    keeper.on_epoch_end(0, {"score": 0.5})
    before = {path.name for path in tmp_path.iterdir()}

    def fail(path, **arrays):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        keeper.on_epoch_end(1, {"score": 0.9})
    assert {path.name for path in tmp_path.iterdir()} == before
    assert read_state(tmp_path)["epochs"] == 1


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    train(make_model(), Checkpoints(tmp_path, "loss"))
    with pytest.raises(ValueError, match=r"kernel \(4, 3\), there \(4, 2\)"):
        restore(tmp_path, make_model(units=3))


def test_the_best_weights_are_the_average_that_was_judged(tmp_path):
    model = make_model(ema=True)
    train(model, keeper := Checkpoints(tmp_path, "loss"))
    restore(tmp_path, model)  # `fit` ends with the average in place
    weights = model.get_weights()
    with averaged_weights(model):
        average = model.get_weights()
    assert equal(weights, model.get_weights()) and not equal(weights, average)
    load_best(tmp_path, keeper.state, model)
    assert equal(average, model.get_weights())


def test_damaged_best_weights_are_an_error(tmp_path):
    model = make_model()
    train(model, keeper := Checkpoints(tmp_path, "loss"))
    (tmp_path / "best-1.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="best-1.npz, which is damaged"):
        load_best(tmp_path, keeper.state, model)


def test_ious_of_the_classes_are_recorded(tmp_path):
    metric = MeanIoU(2, 255)
    metric.update_state([[[0, 0, 1, 1]]], np.eye(2)[[[[0, 0, 1, 0]]]])
    keeper = Checkpoints(tmp_path, "score", metric, ["road", "sky"])
    keeper.set_model(make_model())
    keeper.set_params({"epochs": 9, "steps": 1})
    keeper.on_epoch_end(0, {"score": 0.5})
    table = (tmp_path / "class_iou.csv").read_text().splitlines()
    assert table == ["epoch,road,sky", "1,0.666667,0.5"]
    shown = json.loads((tmp_path / "state.json").read_text())
    assert shown["epochs"] == 1 and "history" not in shown


@pytest.mark.parametrize(
    ("epochs", "best", "patience", "over"),
    [(3, 1, None, False), (3, 1, 2, True), (2, 1, 2, False), (5, 5, 1, True)],
)
def test_a_run_ends_with_its_epochs_or_its_patience(epochs, best, patience, over):
    assert is_over({"epochs": epochs, "best_epoch": best}, 5, patience) is over
    assert not is_over({}, 5, patience)


def test_patience_ends_a_run(tmp_path):
    model = make_model()
    train(model, keeper := Checkpoints(tmp_path, "neg", patience=2), epochs=0)
    keeper.set_model(model)
    keeper.set_params({"epochs": 9, "steps": 1})
    for epoch, score in enumerate((0.5, 0.4, 0.3)):
        assert not model.stop_training
        keeper.on_epoch_end(epoch, {"neg": score})
    assert model.stop_training
