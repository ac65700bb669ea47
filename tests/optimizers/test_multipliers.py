import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kseg.optimizers import SGD, AdamW, LearningRateMultipliers

REPOSITORY = Path(__file__).parents[2]
MULTIPLIERS = {"first/kernel": 0.0, "first": 3.0, "second/bias": 2.0, "third*": 0.5}
FACTORS = [0.0, 3.0, 1.0, 2.0, 0.5, 0.5]
RATE, MOMENTUM, DECAY, STEPS = 0.05, 0.9, 0.1, 4


def make_model():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(3, name=n) for n in ("first", "second", "third")]
    for layer in layers:
        layer.bias_initializer = keras.initializers.Constant(0.3)
    return keras.Sequential([keras.Input((3,)), *layers])


def data(seed=0, count=8):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 3)), rng.normal(size=(count, 3))


def values(model):
    return [np.array(v, "float64") for v in model.trainable_variables]


def gradients(weights, x, y):
    """Of the mean squared error of three dense layers, written out."""
    activations = [x]
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        activations.append(activations[-1] @ kernel + bias)
    slope = 2 * (activations[-1] - y) / y.size
    found = []
    for kernel, below in zip(weights[-2::-2], activations[-2::-1], strict=True):
        found = [below.T @ slope, slope.sum(0), *found]
        slope = slope @ kernel.T
    return found


def sgd(weights, x, y, steps=STEPS, factors=FACTORS, decay=DECAY, clip=None):
    """Momentum as in Caffe, with a local rate; the decay is decoupled."""
    weights = [np.copy(w) for w in weights]
    velocity = [np.zeros_like(w) for w in weights]
    for _ in range(steps):
        slopes = gradients(weights, x, y)
        norm = np.sqrt(sum((s**2).sum() for s in slopes))
        shrink = 1 if clip is None else min(1, clip / norm)
        for i, factor in enumerate(factors):
            rate = RATE * factor
            velocity[i] = MOMENTUM * velocity[i] - rate * shrink * slopes[i]
            weights[i] = weights[i] * (1 - rate * decay) + velocity[i]
    return weights


def averaged_sgd(weights):
    """The moving average of what `sgd` passes, which begins with the first step."""
    average = sgd(weights, *data(), steps=1)
    for step in range(2, STEPS + 1):
        after = sgd(weights, *data(), steps=step)
        average = [(a + w) / 2 for a, w in zip(average, after, strict=True)]
    return average


def make_sgd(**options):
    options = dict(weight_decay=DECAY, multipliers=MULTIPLIERS) | options
    return SGD(RATE, momentum=MOMENTUM, **options)


def train(optimizer, steps=STEPS, run_eagerly=False):
    """Returns the weights before and after some steps on one batch."""
    model = make_model()
    before = values(model)
    model.compile(optimizer, "mse", run_eagerly=run_eagerly, jit_compile=False)
    for _ in range(steps):
        model.train_on_batch(*data())
    return before, values(model)


def assert_close(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_every_variable_has_its_own_rate_and_decay(run_eagerly):
    before, after = train(make_sgd(), run_eagerly=run_eagerly)
    assert_close(after, sgd(before, *data()))
    assert np.all(before[0] == after[0])
    for one, other in zip(before[1:], after[1:], strict=True):
        assert np.all(np.abs(one - other) > 1e-4)


def test_without_multipliers_it_is_keras_optimizer():
    _, expected = train(keras.optimizers.SGD(RATE, MOMENTUM, weight_decay=DECAY))
    assert_close(train(make_sgd(multipliers=None))[1], expected)
    _, expected = train(keras.optimizers.AdamW(RATE, weight_decay=DECAY))
    assert_close(train(AdamW(RATE, weight_decay=DECAY))[1], expected)


def test_adamw_scales_what_adamw_does():
    """In the first step Adam moves every weight by its rate, whatever the slope."""
    before, after = train(AdamW(RATE, weight_decay=DECAY, multipliers=MULTIPLIERS), 1)
    slopes = gradients(before, *data())
    for one, other, slope, factor in zip(before, after, slopes, FACTORS, strict=True):
        expected = one * (1 - RATE * factor * DECAY) - RATE * factor * np.sign(slope)
        np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-5)


def test_clipping_sees_the_gradient_without_multipliers():
    before, after = train(make_sgd(global_clipnorm=0.1))
    assert_close(after, sgd(before, *data(), clip=0.1))


def test_a_schedule_is_the_global_rate():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [RATE, 0.0])
    optimizer = SGD(schedule, MOMENTUM, weight_decay=DECAY, multipliers=MULTIPLIERS)
    before, after = train(optimizer, steps=1)
    assert_close(after, sgd(before, *data(), steps=1))


def test_variables_left_out_of_the_decay_stay_out():
    optimizer = make_sgd()
    optimizer.exclude_from_weight_decay(var_names=["kernel", "bias"])
    before, after = train(optimizer)
    assert_close(after, sgd(before, *data(), decay=0))


def test_the_moving_average_follows_the_weights():
    model = make_model()
    model.compile(make_sgd(use_ema=True, ema_momentum=0.5), "mse", jit_compile=False)
    before = values(model)
    for _ in range(STEPS):
        model.train_on_batch(*data())
    assert_close(values(model), sgd(before, *data()))
    model.optimizer.finalize_variable_values(model.trainable_variables)
    assert_close(values(model), averaged_sgd(before))


def test_loss_scaling_keeps_the_rates():
    optimizer = keras.optimizers.LossScaleOptimizer(make_sgd(), initial_scale=8.0)
    before, after = train(optimizer)
    assert_close(after, sgd(before, *data()))


def test_accumulated_gradients_keep_the_rates():
    before, after = train(make_sgd(gradient_accumulation_steps=2), steps=2 * STEPS)
    assert_close(after, sgd(before, *data()))


def test_a_saved_run_goes_on(tmp_path):
    model = make_model()
    before = values(model)
    model.compile(make_sgd(), "mse", jit_compile=False)
    model.train_on_batch(*data())
    model.train_on_batch(*data())
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert type(restored.optimizer) is SGD
    assert list(restored.optimizer.multipliers.items()) == list(MULTIPLIERS.items())
    assert restored.optimizer.get_config() == model.optimizer.get_config()
    restored.train_on_batch(*data())
    restored.train_on_batch(*data())
    assert_close(values(restored), sgd(before, *data()))


@keras.saving.register_keras_serializable(package="tests")
class RMSprop(LearningRateMultipliers, keras.optimizers.RMSprop):
    pass


def test_any_optimizer_takes_them():
    plain = keras.optimizers.RMSprop(RATE)
    before, moved = train(plain, steps=1)
    _, after = train(RMSprop(RATE, multipliers=MULTIPLIERS), steps=1)
    for one, other, whole, factor in zip(before, after, moved, FACTORS, strict=True):
        np.testing.assert_allclose(other - one, factor * (whole - one), atol=1e-6)
    restored = keras.optimizers.deserialize(
        keras.optimizers.serialize(RMSprop(RATE, multipliers=MULTIPLIERS))
    )
    assert restored.multipliers == MULTIPLIERS


@pytest.mark.parametrize(
    ("multipliers", "expected"),
    [
        ({"kernel": 5.0}, [5, 1, 5, 1, 5, 1]),
        ({"second": 5.0}, [1, 1, 5, 5, 1, 1]),
        ({"first/bias": 5.0, "*": 2.0}, [2, 5, 2, 2, 2, 2]),
        ({"[ft]*": 5.0}, [5, 5, 1, 1, 5, 5]),
        ({"f*s": 5.0}, [1, 5, 1, 1, 1, 1]),
    ],
)
def test_patterns_fit_parts_of_a_path(multipliers, expected):
    before, after = train(SGD(RATE, multipliers=multipliers), steps=1)
    slopes = gradients(before, *data())
    moved = [
        ((one - other) / (RATE * slope)).mean()
        for one, other, slope in zip(before, after, slopes, strict=True)
    ]
    np.testing.assert_allclose(moved, expected, rtol=1e-3)


def test_layers_inside_of_models_are_found():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="deep")])
    model = keras.Sequential([keras.Input((3,)), inner, keras.layers.Dense(3)])
    model.compile(SGD(RATE, multipliers={"deep/kernel": 0.0}), "mse")
    before = values(model)
    model.train_on_batch(*data())
    still = [np.all(a == b) for a, b in zip(before, values(model), strict=True)]
    assert still == [True, False, False, False]


@pytest.mark.parametrize(
    ("multipliers", "message"),
    [
        ({"frst/kernel": 2.0}, r"Received: 'frst/kernel'. Did you mean 'first/kernel'"),
        ({"first_*": 2.0}, "Did you mean 'first'"),
        ({"first": 2.0, "first/bias": 4.0}, "'first/bias', whose variables all fit"),
    ],
)
def test_a_pattern_that_decides_nothing_is_an_error(multipliers, message):
    optimizer = SGD(RATE, multipliers=multipliers)
    for _ in range(2):  # and the optimizer does not pass for built
        with pytest.raises(ValueError, match=message):
            optimizer.build(make_model().trainable_variables)


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_a_factor_is_finite_and_not_negative(factor):
    with pytest.raises(ValueError, match="not negative. Received: .* for 'first'"):
        SGD(RATE, multipliers={"first": factor})


# Elsewhere: another process imports this file and calls one of its functions.


def on_two_devices():
    """Two replicas train as one, each on half of the batch."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, devices)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = make_model()
        optimizer = make_sgd(use_ema=True, ema_momentum=0.5)
        model.compile(optimizer, "mse", jit_compile=False)
    before = values(model)
    batches = tf.data.Dataset.from_tensors(data()).repeat(STEPS)
    model.fit(batches, epochs=1, verbose=0)  # leaves the average
    assert_close(values(model), averaged_sgd(before))


def on_jax():
    """`fit` calls `stateless_apply` there, in a compiled function."""
    assert keras.backend.backend() == "jax"
    assert "tensorflow" not in sys.modules
    before, after = train(make_sgd(global_clipnorm=0.1))
    assert_close(after, sgd(before, *data(), clip=0.1))

    model, optimizer = make_model(), make_sgd(global_clipnorm=0.1)
    optimizer.build(model.trainable_variables)
    weights = [v.value for v in model.trainable_variables]
    state = [v.value for v in optimizer.variables]
    for _ in range(STEPS):
        slopes = gradients([np.asarray(w) for w in weights], *data())
        slopes = [keras.ops.convert_to_tensor(s, "float32") for s in slopes]
        weights, state = optimizer.stateless_apply(state, slopes, weights)
    assert_close(weights, after)


def run(function, python=sys.executable, **environment):
    """Calls a function of this file in a process of its own."""
    result = subprocess.run(
        [python, "-c", f"import {Path(__file__).stem} as t; t.{function.__name__}()"],
        env={
            **os.environ,
            **environment,
            "PYTHONPATH": os.pathsep.join(
                map(str, (REPOSITORY, Path(__file__).parent))
            ),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def python_with_jax():
    """Returns an interpreter that has JAX: this one, or that of `make test-jax`."""
    if importlib.util.find_spec("jax"):
        return sys.executable
    other = REPOSITORY / ".venv-jax" / "bin" / "python"
    return str(other) if other.is_file() else None


def test_replicas_train_as_one_device():
    run(on_two_devices)


@pytest.mark.skipif(python_with_jax() is None, reason="JAX is not installed")
def test_jax_trains_as_numpy():
    run(on_jax, python_with_jax(), KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
