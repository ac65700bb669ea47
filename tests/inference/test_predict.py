"""Predictions at the image's own size, whatever the model's."""

import keras
import numpy as np
import pytest
from keras import layers

import kseg
from kseg.inference import predict, predict_logits, predict_probabilities


@pytest.fixture(scope="module")
def network():
    return kseg.build("unet", num_classes=3, filters=4, depth=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 47), (64, 64)])
def test_any_size_comes_back_at_its_size(network, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    ids = predict(network, image)
    assert ids.shape == size and ids.dtype == np.uint8
    logits = network(image[np.newaxis].astype("float32"), training=False)
    np.testing.assert_array_equal(ids, np.asarray(logits)[0].argmax(-1))


def test_probabilities_sum_to_one_and_agree_with_the_ids(network):
    image = np.random.default_rng(1).integers(0, 256, (20, 31, 3), np.uint8)
    probabilities = predict_probabilities(network, image)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(-1), predict(network, image))


def test_a_valid_network_sees_mirrored_borders():
    network = kseg.build("unet", num_classes=2, filters=2, depth=2, padding="valid")
    image = np.random.default_rng(2).integers(0, 256, (31, 44, 3), np.uint8)
    logits = predict_logits(network, image)
    assert logits.shape == (31, 44, 2)
    # 8 pixels are lost at every side; the sizes that fit are 20 + 2 m.
    padded = np.pad(image, ((8, 9), (8, 8), (0, 0)), mode="reflect")
    whole = network(padded[np.newaxis].astype("float32"), training=False)
    np.testing.assert_allclose(logits, np.asarray(whole)[0, :31], rtol=1e-4, atol=1e-5)


def test_a_model_of_a_fixed_size_sees_the_image_resized():
    image = keras.Input((16, 16, 3))
    left_or_right = layers.Conv2D(2, 1, use_bias=False)
    model = keras.Model(image, left_or_right(image))
    left_or_right.set_weights([np.array([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])])
    picture = np.zeros((30, 50, 3), np.uint8)
    picture[:, :25, 0] = picture[:, 25:, 1] = 255
    ids = predict(model, picture)
    assert (ids[:, :23] == 0).all() and (ids[:, 27:] == 1).all()


def test_a_fixed_valid_network_gives_what_the_open_one_does():
    options = {"num_classes": 2, "filters": 2, "depth": 2, "padding": "valid"}
    network = kseg.build("unet", **options)
    fixed = kseg.build("unet", input_shape=(44, 44, 3), **options)
    fixed.set_weights(network.get_weights())
    image = np.random.default_rng(3).integers(0, 256, (28, 28, 3), np.uint8)
    np.testing.assert_array_equal(predict(fixed, image), predict(network, image))


def test_one_logit_is_that_of_class_1_against_0():
    image = keras.Input((None, None, 3))
    red = layers.Conv2D(1, 1, bias_initializer=keras.initializers.Constant(-100.0))
    model = keras.Model(image, red(image))
    red.kernel.assign([[[[1.0], [0.0], [0.0]]]])
    picture = np.random.default_rng(4).integers(95, 106, (9, 12, 3), np.uint8)
    logits = predict_logits(model, picture)
    np.testing.assert_array_equal(logits[..., 0], picture[..., 0] - 100.0)
    ids = predict(model, picture)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, picture[..., 0] > 100)
    probabilities = predict_probabilities(model, picture)
    expected = 1 / (1 + np.exp(-logits[..., 0]))
    assert probabilities.shape == (9, 12, 2) and probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities[..., 1], expected, rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        "photo.jpg",
    ],
)
def test_anything_but_an_image_is_refused(network, image):
    with pytest.raises(ValueError, match=r"uint8 array \(height, width, 3\)"):
        predict(network, image)
