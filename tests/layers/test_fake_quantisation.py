import keras
import numpy as np
import pytest
from keras import layers, ops

from kseg.layers.fake_quantisation import (
    FakeQuantisation,
    QuantisedKernel,
    fake_quantise,
    fake_quantise_kernel,
)


def gradient(function, x):
    """The gradient of the sum of what a function gives, by the backend."""
    x = np.asarray(x, "float32")
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda v: ops.sum(function(v)))(x))
    import tensorflow as tf

    value = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(value)
        total = ops.sum(function(value))
    return tape.gradient(total, value).numpy()


def test_activations_take_the_values_of_bytes():
    x = np.random.default_rng(0).uniform(-2, 6, 5000).astype("float32")
    result = np.asarray(fake_quantise(x, -1.0, 4.0))
    scale = 5 / 255
    stored = result / scale
    np.testing.assert_allclose(stored, np.round(stored), atol=1e-3)
    assert 250 < len(np.unique(np.round(stored))) <= 256
    inside = (x > -1) & (x < 4)
    assert np.abs(result - x)[inside].max() <= scale * 1.01
    assert result.min() == pytest.approx(-1, abs=scale)
    assert result.max() == pytest.approx(4, abs=scale)
    assert np.asarray(fake_quantise(np.zeros(1, "float32"), -1.0, 4.0)) == 0


def test_the_range_holds_zero():
    x = np.array([0.0, 1.0, 3.0], "float32")
    np.testing.assert_allclose(fake_quantise(x, 1.0, 3.0), x, atol=0.01)
    np.testing.assert_allclose(fake_quantise(-x, -3.0, -1.0), -x, atol=0.01)


def test_the_gradient_goes_straight_through_within_the_range():
    x = [-1.5, -0.9, 0.013, 3.9, 4.5]
    found = gradient(lambda v: fake_quantise(v, -1.0, 4.0), x)
    np.testing.assert_array_equal(found, [0, 1, 1, 1, 0])
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5))
    found = gradient(lambda v: fake_quantise_kernel(v, (3,)), kernel)
    np.testing.assert_allclose(found, np.ones_like(found), atol=1e-6)


def test_each_channel_of_a_kernel_has_its_scale():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype("float32")
    kernel *= np.array([1e-3, 0.1, 1, 10, 0], "float32")
    result = np.asarray(fake_quantise_kernel(kernel, (3,)))
    for channel in range(4):
        scale = np.abs(kernel[..., channel]).max() / 127
        stored = result[..., channel] / scale
        np.testing.assert_allclose(stored, np.round(stored), atol=1e-3)
        assert np.abs(stored).max() == pytest.approx(127)
        assert np.abs(result - kernel)[..., channel].max() <= scale / 2 * 1.001
    assert (result[..., 4] == 0).all()


def test_many_bits_change_nothing():
    x = np.random.default_rng(0).normal(size=1000).astype("float32")
    np.testing.assert_allclose(fake_quantise(x, -5.0, 5.0, bits=16), x, atol=1e-4)
    kernel = x.reshape(10, 100)
    np.testing.assert_allclose(
        fake_quantise_kernel(kernel, (1,), 16), kernel, atol=1e-4
    )


def test_a_range_is_the_moving_average_of_those_of_batches():
    layer = FakeQuantisation(momentum=0.7)
    batches = np.random.default_rng(0).normal(size=(6, 2, 4, 4, 3)).astype("float32")
    np.testing.assert_array_equal(layer(batches[0]), batches[0])  # it knows nothing
    low = 0.0
    for i, batch in enumerate(batches):
        layer(batch, training=True)
        keep = min(0.7, 1 - 1 / (i + 1))
        low = keep * low + (1 - keep) * batch.min()
        assert float(layer.low) == pytest.approx(low, rel=1e-5)
    before = float(layer.high)
    result = np.asarray(layer(100 * batches[0]))
    assert float(layer.high) == before
    assert result.max() == pytest.approx(before, rel=0.01)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_with_a_quantised_kernel_folds_its_norm_and_trains_its_variables(bias):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    conv, norm = layers.Conv2D(4, 3, use_bias=bias), layers.BatchNormalization()
    image = keras.Input(x.shape[1:])
    plain = keras.Model(image, norm(conv(image)))
    rng = np.random.default_rng(1)
    for weight in norm.weights:
        weight.assign(rng.uniform(0.5, 2, weight.shape))
    expected = np.asarray(plain(x, training=False))
    exact = np.asarray(QuantisedKernel(conv, norm, bits=16)(x))
    np.testing.assert_allclose(exact, expected, atol=1e-3)
    layer = QuantisedKernel(conv, norm)
    rounded = np.asarray(layer(x))
    assert 1e-4 < np.abs(rounded - expected).max() < 0.1
    assert {id(v) for v in layer.trainable_variables} == {
        id(v) for v in plain.trainable_variables
    }
    model = keras.Sequential([layer])
    model.compile("sgd", "mse", jit_compile=False)
    before = [np.array(v) for v in plain.weights]
    model.fit(x, np.zeros_like(expected), verbose=0)
    for variable, value in zip(plain.weights, before, strict=True):
        # Statistics stay.
        assert (np.array(variable) != value).any() == variable.trainable


def test_layers_are_saved_and_loaded(tmp_path):
    image = keras.Input((5, 6, 3))
    x = QuantisedKernel(layers.Conv2D(4, 3), layers.BatchNormalization())(image)
    model = keras.Model(image, FakeQuantisation(bits=7)(x))
    batch = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    model(batch, training=True)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(loaded(batch), model(batch), atol=1e-6)
