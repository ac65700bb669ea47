"""Optimizers, their schedules, and what averages their weights."""

import keras
import numpy as np
import pytest

import kseg
from kseg.training.optimizer import make_optimizer


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_rate_follows_poly(name):
    optimizer = make_optimizer(100, name, learning_rate=0.2, power=0.9)
    constant = make_optimizer(100, name, learning_rate=0.2, power=0)
    constant.iterations.assign(50)
    assert float(constant.learning_rate) == pytest.approx(0.2)
    for step in (0, 50, 99):
        optimizer.iterations.assign(step)
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        assert rate == pytest.approx(0.2 * (1 - step / 100) ** 0.9, rel=1e-5)


def test_the_rate_drops_to_a_tenth():
    optimizer = make_optimizer(100, "sgd", learning_rate=0.2, drop_every=10)
    for step, expected in ((0, 0.2), (9, 0.2), (10, 0.02), (29, 0.002)):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_layer_has_its_own_rate(name):
    model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    optimizer = make_optimizer(
        1, name, 0.1, power=0, weight_decay=0, multipliers={"classifier": 10.0}
    )
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    ones = [keras.ops.ones(v.shape) for v in model.trainable_variables]
    optimizer.apply(ones, model.trainable_variables)
    for variable, value in zip(model.trainable_variables, before, strict=True):
        moved = value - keras.ops.convert_to_numpy(variable)
        expected = 1.0 if "classifier" in variable.path else 0.1
        np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_weight_decay_spares_biases_and_batch_norms():
    model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    optimizer = make_optimizer(1, "sgd", 1.0, power=0, weight_decay=0.5)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    zeros = [keras.ops.zeros(v.shape) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        decayed = variable.name not in ("gamma", "beta", "bias")
        np.testing.assert_allclose(variable.numpy(), 0.5 if decayed else 1.0)
