import keras
import numpy as np
import pytest

from kseg.layers import LocalResponseNormalization


def normalise(x, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """Caffe's definition, channel by channel."""
    result = np.empty_like(x, dtype="float64")
    for channel in range(x.shape[-1]):
        first = max(0, channel - size // 2)
        near = x[..., first : channel + size // 2 + 1].astype("float64")
        scale = k + alpha / size * (near**2).sum(-1)
        result[..., channel] = x[..., channel] / scale**beta
    return result


@pytest.mark.parametrize(
    "options",
    [{}, dict(size=3, alpha=0.5), dict(size=1, beta=0.5), dict(size=7, k=2.0, alpha=2)],
)
def test_it_divides_by_the_energy_of_the_channels_around(options):
    x = np.random.default_rng(0).normal(0, 100, (2, 3, 4, 9)).astype("float32")
    result = LocalResponseNormalization(**options)(x)
    np.testing.assert_allclose(result, normalise(x, **options), rtol=1e-5)
    assert result.shape == x.shape


def test_fewer_channels_than_the_window_are_right_too():
    x = np.random.default_rng(1).normal(0, 100, (1, 2, 2, 2)).astype("float32")
    np.testing.assert_allclose(LocalResponseNormalization()(x), normalise(x), rtol=1e-5)


def test_half_precision_does_not_overflow():
    x = np.full((1, 1, 1, 5), 1000, "float16")  # whose square is no float16
    result = LocalResponseNormalization(dtype="float16")(x)
    assert result.dtype == "float16"
    np.testing.assert_allclose(result, normalise(x), rtol=1e-2)


def test_a_saved_layer_is_the_same_layer():
    layer = LocalResponseNormalization(3, 0.1, 0.5, 2.0, name="norm1")
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert restored.get_config() == layer.get_config()
    assert (restored.size, restored.alpha, restored.beta, restored.k) == (
        3,
        0.1,
        0.5,
        2.0,
    )


@pytest.mark.parametrize("size", [0, 4])
def test_an_even_window_is_refused(size):
    with pytest.raises(ValueError, match=f"`size` must be odd. Received: {size}"):
        LocalResponseNormalization(size)
