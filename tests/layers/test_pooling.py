import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kseg.layers import DilatedMaxPooling2D


def noise(*size):
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")


@pytest.mark.parametrize("rate", [1, 2, 4, 9])
@pytest.mark.parametrize("size", [(1, 1), (3, 8), (7, 12)])
def test_it_takes_the_largest_of_the_four_taps_that_are_there(size, rate):
    x = noise(*size)
    expected = np.empty_like(x)
    for row in range(size[0]):
        for column in range(size[1]):
            taps = x[:, row : row + rate + 1 : rate, column : column + rate + 1 : rate]
            expected[:, row, column] = taps.max((1, 2))
    np.testing.assert_array_equal(DilatedMaxPooling2D(rate)(x), expected)


def test_it_holds_the_strided_pooling_and_the_next_one_twice_as_far():
    """Two poolings of stride 2 are every fourth of two dilated ones."""
    x = noise(13, 18)
    pool = layers.MaxPooling2D(2, padding="same")
    strided = pool(pool(x))
    dilated = DilatedMaxPooling2D(2)(DilatedMaxPooling2D(1)(x))
    np.testing.assert_array_equal(dilated[:, ::4, ::4], strided)
    wrong = DilatedMaxPooling2D(1)(DilatedMaxPooling2D(1)(x))
    assert np.any(np.asarray(wrong)[:, ::4, ::4] != np.asarray(strided))


def test_one_graph_pools_any_size():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, DilatedMaxPooling2D(2)(inputs))
    assert model.output_shape == (None, None, None, 3)
    run = tf.function(model, reduce_retracing=True)
    for size in ((9, 4), (5, 6), (1, 1)):
        np.testing.assert_array_equal(run(noise(*size)), model(noise(*size)))


def test_a_saved_layer_is_the_same_layer():
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(DilatedMaxPooling2D(4, name="pool4"))
    )
    assert (restored.dilation_rate, restored.name) == (4, "pool4")
