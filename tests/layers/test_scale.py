import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from interpolation import cells_enlarged, resized

from kseg.layers import Shrink, enlarge_cells


def noise(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("factor", [0.5, 0.75, 0.7, 1])
@pytest.mark.parametrize("size", [(1, 1), (8, 10), (33, 47)])
def test_it_interpolates_to_the_share_of_the_pixels(factor, size):
    x = noise(2, *size, 3)
    wanted = [math.ceil(round(factor * side, 6)) for side in size]
    expected = resized(x, wanted)
    actual = Shrink(factor)(x)
    assert actual.shape == (2, *wanted, 3)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert Shrink(factor)(keras.Input((*size, 3))).shape == (None, *wanted, 3)


def test_one_model_shrinks_any_size():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, Shrink(0.75)(image))
    assert model.output_shape == (None, None, None, 3)
    run = tf.function(model, reduce_retracing=True)
    for size in ((8, 12), (5, 7), (1, 1)):
        x = noise(1, *size, 3)
        wanted = [-(-3 * side // 4) for side in size]
        np.testing.assert_allclose(run(x), resized(x, wanted), atol=1e-5)


@pytest.mark.parametrize("factor", [0, -0.5, 1.1, float("nan")])
def test_other_factors_are_refused(factor):
    with pytest.raises(ValueError, match=r"from 0.001 to 1. Received: "):
        Shrink(factor)


def test_a_saved_layer_is_the_same_layer():
    layer = Shrink(0.75, dtype="float32", name="shrink75")
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert restored.get_config() == layer.get_config()
    x = noise(1, 9, 10, 3)
    np.testing.assert_array_equal(restored(x), layer(x))


def test_the_result_has_the_compute_dtype():
    layer = Shrink(0.5, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(noise(1, 4, 4, 3)).dtype) == "bfloat16"


@pytest.mark.parametrize("stride", [2, 8])
@pytest.mark.parametrize("size", [(1, 1), (9, 16), (17, 33), (20, 31)])
def test_cells_keep_their_pixels(stride, size):
    cells = [-(-side // stride) for side in size]
    x = noise(2, *cells, 3)
    expected = cells_enlarged(x, stride, size)
    np.testing.assert_array_equal(expected[:, ::stride, ::stride], x)

    scores, image = keras.Input((None, None, 3)), keras.Input((None, None, 1))
    result = enlarge_cells(scores, image, stride, kernel_name="up", name="logits")
    model = keras.Model([scores, image], result)
    actual = model([x, np.zeros((2, *size, 1), "float32")])
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert model.trainable_variables == []
