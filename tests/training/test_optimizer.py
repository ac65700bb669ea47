"""Optimizers, their schedules, and what averages their weights."""

import keras
import numpy as np
import pytest

import kseg
from kseg.optimizers import WarmUp, layer_decay
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


def rates(optimizer, batches):
    """The rates of some batches."""
    found = []
    for batch in batches:
        optimizer._iterations.assign(batch)
        found.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return found


def test_the_rate_warms_up_to_its_schedule():
    optimizer = make_optimizer(100, learning_rate=0.2, warmup_steps=10)
    poly = [0.2 * (1 - step / 100) ** 0.9 for step in (0, 4, 9, 50)]
    expected = [poly[0] / 10, poly[1] / 2, poly[2], poly[3]]
    assert rates(optimizer, (0, 4, 9, 50)) == pytest.approx(expected, rel=1e-5)


def test_the_rate_follows_half_a_wave():
    optimizer = make_optimizer(100, learning_rate=0.2, schedule="cosine")
    expected = [0.2, 0.1 * (1 + np.cos(np.pi / 4)), 0.1, 0.0]
    assert rates(optimizer, (0, 25, 50, 100)) == pytest.approx(expected, abs=1e-6)


def test_schedules_count_steps_of_several_batches():
    """Two steps of warm-up are six batches; the end is that of the run."""
    optimizer = make_optimizer(60, learning_rate=0.2, warmup_steps=2, accumulate=3)
    found = rates(optimizer, (0, 2, 5, 30))
    expected = [(1 - b / 60) ** 0.9 * 0.2 for b in (0, 2, 5, 30)]
    expected[0] /= 6
    expected[1] /= 2
    assert found == pytest.approx(expected, rel=1e-5)
    dropped = make_optimizer(60, learning_rate=0.2, drop_every=4, accumulate=3)
    assert rates(dropped, (11, 12)) == pytest.approx([0.2, 0.02], rel=1e-5)


def test_gradients_of_several_batches_make_one_step():
    """As one step with their mean, after both."""
    variable = keras.Variable([1.0, 2.0])
    optimizer = make_optimizer(
        9, learning_rate=0.5, schedule="constant", weight_decay=0, accumulate=2
    )
    optimizer.apply([keras.ops.array([1.0, 0.0])], [variable])
    np.testing.assert_array_equal(variable.numpy(), [1, 2])
    optimizer.apply([keras.ops.array([3.0, -1.0])], [variable])
    np.testing.assert_allclose(variable.numpy(), [1 - 0.5 * 2, 2 + 0.5 * 0.5])


def test_the_average_is_that_of_the_definition():
    variable = keras.Variable([8.0])
    optimizer = make_optimizer(
        9,
        learning_rate=1.0,
        schedule="constant",
        momentum=0.0,
        weight_decay=0.0,
        ema=0.75,
    )
    for _ in range(3):
        optimizer.apply([keras.ops.array([1.0])], [variable])
    optimizer.finalize_variable_values([variable])
    average = 7.0  # the first step begins it
    for value in (6.0, 5.0):
        average = 0.75 * average + 0.25 * value
    assert float(variable.numpy()[0]) == pytest.approx(average)


def test_rates_decay_from_layer_to_layer():
    """A short cut does not count where there is a longer way."""
    image = keras.Input((8, 8, 3))
    first = keras.layers.Conv2D(4, 1, name="first")(image)
    second = keras.layers.Conv2D(4, 1, name="second")(first)
    both = keras.layers.Add()([first, second])
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="last")(both))
    optimizer = make_optimizer(9, decay_per_layer=0.5, model=model)
    assert optimizer.multipliers == {"first": 0.25, "second": 0.5, "last": 1.0}
    network = kseg.build("fcn8s", num_classes=2)
    factors = layer_decay(network, 0.9)
    assert factors["block1_conv1"] == pytest.approx(0.9**15)  # fc6, fc7 and score_fr
    assert factors["score_fr"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "step"}, "must be one of .*cosine"),
        ({"schedule": "drop"}, "needs `drop_every`"),
        ({"warmup_steps": -1}, "`warmup_steps` must not be negative"),
        ({"accumulate": 0}, "`accumulate` must be 1 or more"),
        ({"ema": 1.0}, "`ema` must be between 0 and 1"),
        ({"decay_per_layer": 0.5, "multipliers": {"a": 2.0}}, "both say"),
        ({"name": "adam"}, "adamw"),
    ],
)
def test_wrong_options_are_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        make_optimizer(9, **options)


def test_a_warm_up_outlives_saving():
    rate = WarmUp(keras.optimizers.schedules.CosineDecay(0.5, 10), 4)
    saved = keras.saving.serialize_keras_object(rate)
    again = keras.saving.deserialize_keras_object(saved)
    assert [float(again(s)) for s in range(9)] == [float(rate(s)) for s in range(9)]
