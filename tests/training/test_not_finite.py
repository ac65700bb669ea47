"""A loss that is not finite: the run stops, names the layer, and keeps the weights."""

import keras
import numpy as np
import pytest

from kseg.training.not_finite import StopOnNaN, first_fault, guarded


@keras.saving.register_keras_serializable(package="tests")
class Overflow(keras.layers.Layer):
    """Is infinite where its input is over a hundred."""

    def call(self, x):
        return x * keras.ops.where(x > 100.0, float("inf"), 1.0)


def make_model(rate=0.01, **options):
    image = keras.Input((3,))
    x = keras.layers.Dense(3, name="first", kernel_initializer="identity")(image)
    x = Overflow(name="overflow")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    model = keras.Model(image, keras.layers.Dense(1, name="last")(x))
    model.compile(guarded(keras.optimizers.SGD(rate, **options)), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_the_layer_and_the_batch_are_named_and_the_weights_kept():
    model = make_model()
    x = np.ones((6, 3), "float32")
    x[3, 1] = 1e5
    batches = [(x[i : i + 2], [f"{i}.png", f"{i + 1}.png"]) for i in (0, 2, 4)]
    stop = StopOnNaN(lambda step: batches[step - 7], first_step=7)
    with pytest.raises(FloatingPointError) as error:
        model.fit(x, np.ones((6, 1)), 2, 1, 0, [stop], shuffle=False)
    message = str(error.value)
    assert "nan at batch 2 of this epoch, 2.png, 3.png, at" in message
    assert "whose output is not finite is 'overflow' (Overflow)" in message
    for variable in model.trainable_variables:
        assert np.isfinite(variable.numpy()).all(), variable.path


def test_what_is_wrong_is_told_apart():
    model = make_model()
    x = np.ones((2, 3), "float32")
    assert "it is the loss itself" in first_fault(model, x)
    assert "images themselves" in first_fault(model, x * np.nan)
    assert "'overflow'" in first_fault(model, x * 1e5, at_once=1)
    kernel = model.get_layer("last").kernel
    kernel.assign(kernel * np.nan)
    assert "the weights 'last/kernel' are not finite" in first_fault(model, x)


def test_a_step_with_an_infinite_gradient_is_left_out(capsys):
    """The loss, the root of nothing, is 0; its slope is infinite."""
    model = make_model()
    model.compile(model.optimizer, lambda y, x: keras.ops.sqrt(keras.ops.relu(y * x)))
    x, y = np.ones((6, 3), "float32"), np.zeros((6, 1), "float32")
    before = model.get_layer("last").kernel.numpy()
    model.fit(x, y, 2, 1, 0, [StopOnNaN(lambda step: (x, []))], shuffle=False)
    assert "3 of 3 steps of this epoch were left out" in capsys.readouterr().out
    np.testing.assert_array_equal(model.get_layer("last").kernel.numpy(), before)


@pytest.mark.parametrize("every", [None, 2])
def test_steps_that_are_made_are_not_said_to_be_left_out(every, capsys):
    model = make_model(gradient_accumulation_steps=every)
    x = np.ones((6, 3), "float32")
    model.fit(x, x[:, :1], 2, 2, 0, [StopOnNaN(lambda step: (x, []))])
    assert "left out" not in capsys.readouterr().out


def test_the_guard_changes_nothing():
    """The same weights as without, bit for bit."""
    weights = []
    for wrap in (guarded, lambda optimizer: optimizer):
        keras.utils.set_random_seed(1)
        model = make_model()
        model.compile(wrap(keras.optimizers.Adam(0.1)), "mse")
        x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
        model.fit(x, x[:, :1], 2, 2, 0, shuffle=False)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
