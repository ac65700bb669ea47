"""Optimizers with the poly schedule, losses, and the auxiliary head."""

import keras
import numpy as np
import pytest

import kseg
from kseg.training import parts


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_rate_follows_poly(name):
    optimizer = parts.make_optimizer(100, name, learning_rate=0.2, power=0.9)
    constant = parts.make_optimizer(100, name, learning_rate=0.2, power=0)
    constant.iterations.assign(50)
    assert float(constant.learning_rate) == pytest.approx(0.2)
    for step in (0, 50, 99):
        optimizer.iterations.assign(step)
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        assert rate == pytest.approx(0.2 * (1 - step / 100) ** 0.9, rel=1e-5)


def test_weight_decay_spares_biases_and_batch_norms():
    model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    optimizer = parts.make_optimizer(1, "sgd", 1.0, power=0, weight_decay=0.5)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    zeros = [keras.ops.zeros(v.shape) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    for variable in model.trainable_variables:
        decayed = variable.name not in ("gamma", "beta", "bias")
        np.testing.assert_allclose(variable.numpy(), 0.5 if decayed else 1.0)


def test_an_auxiliary_head_shares_the_network():
    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    both = parts.add_auxiliary(model, "encoder2_relu2", filters=4)
    image = np.random.default_rng(0).uniform(0, 255, (1, 17, 23, 3)).astype("float32")
    outputs = both(image)
    np.testing.assert_array_equal(outputs["logits"], model(image))
    assert outputs["auxiliary"].shape == (1, 17, 23, 3)
    with pytest.raises(ValueError, match="Did you mean 'encoder2_relu2'"):
        parts.add_auxiliary(model, "encoder2_relu3")
    with pytest.raises(ValueError, match="not be negative"):
        parts.add_auxiliary(model, "encoder2_relu2", weight=-1)
