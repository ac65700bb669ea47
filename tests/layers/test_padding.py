import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.layers import PadToLeast


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (7, 7), (8, 6), (20, 7)])
def test_small_maps_are_filled_up_with_zeros(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 4)).astype("float32")
    missing = [max(7 - side, 0) for side in size]
    expected = np.pad(x, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    np.testing.assert_array_equal(PadToLeast(7)(x), expected)

    image = keras.Input((None, None, 4))
    model = keras.Model(image, PadToLeast(7)(image))
    run = tf.function(
        lambda x: model(x), input_signature=[tf.TensorSpec((None, None, None, 4))]
    )
    np.testing.assert_array_equal(run(x), expected)


def test_the_symbolic_shape_is_the_real_one():
    assert PadToLeast(7)(keras.Input((3, None, 4))).shape == (None, 7, None, 4)
    assert PadToLeast(7)(keras.Input((9, 7, 4))).shape == (None, 9, 7, 4)


def test_a_saved_layer_is_the_same_layer():
    layer = PadToLeast(5, name="pad")
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert restored.get_config() == layer.get_config()
    assert restored(np.zeros((1, 2, 6, 1))).shape == (1, 5, 6, 1)
