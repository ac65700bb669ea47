import keras
import numpy as np
import pytest

from kseg.layers import BilinearKernel, bilinear_transposed


def enlarge(x, factor, **options):
    """Applies the layer; returns the result and the layer."""
    inputs = keras.Input((None, None, x.shape[-1]))
    model = keras.Model(inputs, bilinear_transposed(inputs, factor, **options))
    return keras.ops.convert_to_numpy(model(x)), model.layers[-1]


def half_pixel(x, factor):
    """Interpolates along both axes; cell i has its centre at `factor (i + 0.5)`."""
    for axis in (1, 2):
        size = x.shape[axis]
        at = (np.arange(size * factor) + 0.5) / factor - 0.5
        x = np.apply_along_axis(
            lambda v, at=at: np.interp(at, range(len(v)), v), axis, x
        )
    return x


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8, 32])
def test_the_interior_is_interpolated_with_half_pixel_centres(factor):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype("float32")
    result, _ = enlarge(x, factor, name="up")
    kernel = 2 * factor - factor % 2
    assert result.shape == (2, 3 * factor + kernel, 4 * factor + kernel, 3)
    begin = factor // 2  # where the first cell begins
    result = result[:, begin : begin + 4 * factor, begin : begin + 5 * factor]
    inner = slice(factor, -factor)
    expected = half_pixel(x, factor)[:, inner, inner]
    np.testing.assert_allclose(result[:, inner, inner], expected, atol=1e-5)


@pytest.mark.parametrize("size", [3, 4, 63, 64])
def test_a_cell_is_a_tent_around_its_place(size):
    """FCN-AlexNet enlarges 32 times with a kernel of 63, where 64 is the rule."""
    kernel = np.asarray(BilinearKernel()((size, size, 2, 2)))
    factor, centre = (size + 1) // 2, (size - 1) / 2
    tent = [max(0, 1 - abs(y - centre) / factor) for y in range(size)]
    for channel in (0, 1):
        np.testing.assert_allclose(
            kernel[:, :, channel, channel], np.outer(tent, tent), atol=1e-6
        )
    assert not kernel[:, :, 0, 1].any() and not kernel[:, :, 1, 0].any()


def test_a_fixed_kernel_is_not_trained():
    x = np.ones((1, 2, 2, 3), "float32")
    _, fixed = enlarge(x, 2, name="up", trainable=False)
    _, learned = enlarge(x, 2, name="up", dtype="mixed_bfloat16")
    assert fixed.name == learned.name == "up"
    assert len(fixed.weights) == len(learned.trainable_weights) == 1  # no bias
    assert fixed.trainable_weights == []
    assert learned.compute_dtype == "bfloat16"


def test_a_saved_kernel_is_restored_and_not_made_anew(tmp_path):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, bilinear_transposed(inputs, 2, name="up"))
    model.layers[-1].kernel.assign(2 * model.layers[-1].kernel)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    x = np.ones((1, 3, 3, 2), "float32")
    np.testing.assert_array_equal(restored(x), model(x))
    assert isinstance(restored.layers[-1].kernel_initializer, BilinearKernel)
