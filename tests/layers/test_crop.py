import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.layers import CropLike


def image(height, width):
    return np.arange(height * width * 2, dtype="float32").reshape(1, height, width, 2)


@pytest.mark.parametrize(
    ("anchor", "rows", "columns"),
    [
        ("start", slice(0, 5), slice(0, 4)),
        ("centre", slice(2, 7), slice(3, 7)),
        (0, slice(0, 5), slice(0, 4)),
        (3, slice(3, 8), slice(3, 7)),
    ],
)
def test_the_anchor_says_which_part_stays(anchor, rows, columns):
    x = image(9, 10)
    result = CropLike(anchor)(x, np.zeros((1, 5, 4, 7)))
    np.testing.assert_array_equal(result, x[:, rows, columns])


def test_the_odd_row_of_a_centre_crop_goes_at_the_end():
    x = image(6, 4)
    result = CropLike("centre")(x, np.zeros((1, 3, 4, 1)))
    np.testing.assert_array_equal(result, x[:, 1:4])


@pytest.mark.parametrize("anchor", ["start", "centre"])
def test_equal_sizes_stay(anchor):
    x = image(3, 5)
    np.testing.assert_array_equal(CropLike(anchor)(x, x), x)


@pytest.mark.parametrize(("anchor", "first"), [("start", 0), (2, 2)])
def test_one_model_crops_to_any_size(anchor, first):
    x, reference = keras.Input((None, None, 2)), keras.Input((None, None, 3))
    model = keras.Model([x, reference], CropLike(anchor)(x, reference))
    assert model.output_shape == (None, None, None, 2)
    run = tf.function(model, reduce_retracing=True)
    for height, width in ((8, 9), (5, 7), (1, 1)):
        whole = image(10, 11)
        result = run([whole, tf.zeros((1, height, width, 3))])
        expected = whole[:, first : first + height, first : first + width]
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("anchor", ["centre", 19])
def test_a_saved_layer_is_the_same_layer(anchor):
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(CropLike(anchor, name="crop1"))
    )
    assert (restored.anchor, restored.name) == (anchor, "crop1")


@pytest.mark.parametrize("anchor", ["center", -1, 1.5, None])
def test_another_anchor_is_refused(anchor):
    with pytest.raises(ValueError, match=f"Received: {anchor!r}"):
        CropLike(anchor)
