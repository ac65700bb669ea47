import keras
import numpy as np

from kseg.backbones.normalise import subtract_mean


def test_the_mean_of_imagenet_becomes_zero():
    """RGB, of Caffe's ImageNet mean, as in `keras.applications`, which wants BGR."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 2, 3, 3)).astype("float32")
    expected = keras.applications.vgg16.preprocess_input(image.copy())[..., ::-1]
    actual = subtract_mean(keras.ops.convert_to_tensor(image))
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_it_is_exact_in_half_precision():
    """Bytes above 128 have no exact bfloat16 behind a mean that was rounded."""
    layer_input = keras.Input((None, None, 3))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = keras.Model(layer_input, subtract_mean(layer_input))
    finally:
        keras.config.set_dtype_policy("float32")
    image = np.full((1, 1, 1, 3), 255.0, "float32")
    expected = subtract_mean(keras.ops.convert_to_tensor(image))
    np.testing.assert_array_equal(model(image), expected)
