"""Tiles give what the whole image gives, and averages do not know up from down."""

import functools
import tracemalloc

import keras
import numpy as np
import pytest

import kseg
from kseg.inference import (
    predict_averaged,
    predict_probabilities,
    predict_tiled,
)
from kseg.layers import CropLike, ValidSize


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module", params=[2, 3, 4])
def valid(request):
    return kseg.build(
        "unet", num_classes=3, filters=3, depth=request.param, padding="valid"
    )


def tile_of(network, *more):
    """The smallest tile that a network takes, and so many steps of sizes more."""
    (layer,) = (v for v in network.layers if isinstance(v, ValidSize))
    return tuple(layer.smallest + layer.step * each for each in more)


@pytest.mark.parametrize("size", [(60, 43), (24, 24), (7, 50), (1, 1)])
def test_a_valid_network_gives_what_it_gives_for_the_whole_image(valid, size):
    image = noise(*size)
    whole = predict_probabilities(valid, image)
    assert whole.std(axis=(0, 1)).max() > 0.003 or size == (1, 1)
    # With four levels these return 20 and 28 pixels, and the step is 8.
    for tile in (tile_of(valid, 2, 3), tile_of(valid, 9, 2)):
        tiled = predict_tiled(valid, image, tile)
        assert tiled.dtype == np.float32 and tiled.shape == (*size, 3)
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_the_image_is_mirrored_more_than_once_if_need_be(valid):
    image = noise(6, 3)
    (layer,) = (v for v in valid.layers if isinstance(v, ValidSize))
    tile = tile_of(valid, 5, 3)
    pads = (
        (layer.border, tile[0] - 6 - layer.border),
        (layer.border, tile[1] - 3 - layer.border),
    )
    padded = np.pad(image, (*pads, (0, 0)), mode="reflect")
    logits = np.asarray(valid(padded[None].astype("float32"), training=False))
    expected = keras.ops.softmax(logits[0, :6, :3])
    np.testing.assert_allclose(predict_tiled(valid, image, tile), expected, atol=1e-5)


def test_a_network_of_a_fixed_size_sees_the_image_at_its_own_scale(valid):
    (layer,) = (v for v in valid.layers if isinstance(v, ValidSize))
    fixed = kseg.build(
        "unet",
        num_classes=3,
        filters=3,
        depth=layer.depth,
        padding="valid",
        input_shape=(108, 124, 3),
    )
    fixed.set_weights(valid.get_weights())
    image = noise(70, 41)
    np.testing.assert_allclose(
        predict_tiled(fixed, image), predict_probabilities(valid, image), atol=1e-5
    )
    with pytest.raises(
        ValueError, match=r"\(116, 116\), and a network of \(108, 124\)"
    ):
        predict_tiled(fixed, image, (116, 116))


@pytest.mark.parametrize("size", [(150, 203), (160, 97), (40, 231), (33, 20)])
@pytest.mark.parametrize("margin", [32, 17])
def test_a_same_network_gives_what_it_gives_for_the_whole_image(size, margin):
    network = kseg.build("unet", num_classes=3, filters=3, depth=3)
    image = noise(*size)
    whole = predict_probabilities(network, image)
    assert whole.std(axis=(0, 1)).max() > 0.003
    for tile in ((127, 127), (130, 150)):
        tiled = predict_tiled(network, image, tile, margin)
        assert tiled.dtype == np.float32 and tiled.shape == whole.shape
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_the_default_margin_is_enough_for_the_default_depth():
    network = kseg.build("unet", num_classes=2, filters=2)
    # The normalised maps of a fresh network hardly depend on what lies far away.
    rng = np.random.default_rng(0)
    network.set_weights(
        [
            rng.normal(0, (np.prod(w.shape[:-1]) / 2) ** -0.5, w.shape)
            if w.ndim == 4
            else w
            for w in network.get_weights()
        ]
    )
    image = noise(20, 330)
    whole = predict_probabilities(network, image)
    tiled = predict_tiled(network, image, (256, 256))
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    less = predict_tiled(network, image, (256, 256), margin=32)
    assert np.abs(less - whole).max() > 1e-4


@pytest.mark.parametrize("size", [(150, 203), (161, 226), (64, 192)])
def test_strided_convolutions_fall_on_the_pixels_of_the_whole_image(size):
    # Keras pads an odd side before and after, and an even one only after.
    image = x = keras.Input((None, None, 3))
    for filters in (4, 4, 4):
        x = keras.layers.Conv2D(filters, 3, 2, padding="same")(x)
    x = keras.layers.UpSampling2D(8)(x)
    model = keras.Model(image, CropLike("start")(x, image))
    picture = noise(*size)
    whole = predict_probabilities(model, picture)
    assert whole.std(axis=(0, 1)).max() > 0.003
    tiled = predict_tiled(model, picture, (128, 140), 32)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_a_same_network_of_a_fixed_size_sees_the_image_at_its_own_scale():
    network = kseg.build("unet", num_classes=3, filters=3, depth=3)
    fixed = kseg.build(
        "unet", num_classes=3, filters=3, depth=3, input_shape=(96, 128, 3)
    )
    fixed.set_weights(network.get_weights())
    image = noise(160, 192)
    whole = predict_probabilities(network, image)
    np.testing.assert_allclose(predict_tiled(fixed, image, None, 32), whole, atol=1e-5)
    # What lacks at the end of another is mirrored.
    image = noise(70, 150)
    mirrored = np.pad(image, ((0, 26), (0, 10), (0, 0)), mode="reflect")
    np.testing.assert_allclose(
        predict_tiled(fixed, image, None, 32),
        predict_probabilities(network, mirrored)[:70, :150],
        atol=1e-5,
    )


def test_what_is_kept_of_a_tile_are_its_middle_s_pixels():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Rescaling(1 / 25.5)(image))
    picture = noise(185, 40)
    expected = keras.ops.softmax(picture / 25.5)
    for margin in (0, 5, 32):
        tiled = predict_tiled(model, picture, (128, 134), margin)
        np.testing.assert_allclose(tiled, expected, atol=1e-5)


def test_one_logit_is_two_probabilities():
    image = keras.Input((None, None, 3))
    logits = keras.layers.Rescaling(1 / 255)(image[..., :1])
    model = keras.Model(image, logits)
    picture = noise(20, 30)
    np.testing.assert_allclose(
        predict_tiled(model, picture, (64, 64), 0),
        predict_probabilities(model, picture),
        atol=1e-6,
    )


def test_tiles_that_do_not_fit_are_refused(valid):
    with pytest.raises(ValueError, match="`tile` must be the height and width"):
        predict_tiled(valid, noise(9, 9))
    with pytest.raises(ValueError, match="takes heights and widths of"):
        predict_tiled(valid, noise(9, 9), (111, 108))


def test_tiles_that_leave_too_little_are_refused():
    same = kseg.build("unet", num_classes=2, filters=2, depth=2)
    for tile, margin in (((126, 140), 32), ((126, 140), 1), ((128, 128), -1)):
        with pytest.raises(ValueError, match=r"63 pixels or more.*Received: tile=\(12"):
            predict_tiled(same, noise(9, 9), tile, margin)
    fixed = kseg.build(
        "unet", num_classes=2, filters=2, depth=2, input_shape=(95, 128, 3)
    )
    with pytest.raises(ValueError, match=r"32 pixels.*margin=17, of which \(31, 64\)"):
        predict_tiled(fixed, noise(9, 9), None, 17)
    deep = kseg.build("unet", num_classes=2, filters=1, padding="valid")
    with pytest.raises(ValueError, match=r"16 pixels or more.*of which \(4, 20\)"):
        predict_tiled(deep, noise(9, 9), (188, 204))
    with pytest.raises(ValueError, match=r"uint8 array \(height, width, 3\)"):
        predict_tiled(same, np.zeros((9, 9), np.uint8), (64, 64))


# predict_averaged


def square_symmetries(array):
    for turns in range(4):
        yield np.rot90(array, turns)
        yield np.rot90(array[:, ::-1], turns)


def test_an_average_is_the_mean_over_the_eight_symmetries():
    network = kseg.build("unet", num_classes=3, filters=3, depth=2)
    image = noise(21, 34)
    averaged = predict_averaged(network, image)
    assert averaged.shape == (21, 34, 3) and averaged.dtype == np.float32
    np.testing.assert_allclose(averaged.sum(-1), 1, rtol=1e-5)
    single = predict_probabilities(network, image)
    assert np.abs(averaged - single).max() > 1e-3
    # So a turned image has the turned average, which one prediction has not.
    for turned, expected in zip(
        square_symmetries(image), square_symmetries(averaged), strict=True
    ):
        actual = predict_averaged(network, np.ascontiguousarray(turned))
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    turned = predict_probabilities(network, np.ascontiguousarray(image[::-1]))
    assert np.abs(turned[::-1] - single).max() > 1e-3


def test_a_network_of_single_pixels_has_its_prediction_for_average():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Rescaling(1 / 50)(image))
    picture = noise(5, 8)
    np.testing.assert_allclose(
        predict_averaged(model, picture),
        predict_probabilities(model, picture),
        atol=1e-6,
    )


def test_an_average_may_be_of_tiles(valid):
    image = noise(50, 31)
    whole = predict_averaged(valid, image)
    tiles = functools.partial(predict_tiled, tile=tile_of(valid, 6, 8))
    np.testing.assert_allclose(predict_averaged(valid, image, tiles), whole, atol=1e-5)


def test_memory_is_that_of_one_map_of_probabilities():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(40, 1)(image))
    picture = noise(500, 480)
    one_map = 500 * 480 * 40 * 4

    def predict(model, image):
        return np.zeros((*image.shape[:2], 40), np.float32)

    for function, maps in (
        (functools.partial(predict_tiled, tile=(96, 96), margin=0), 1.5),
        (functools.partial(predict_averaged, predict=predict), 4.5),
    ):
        tracemalloc.start()
        function(model, picture)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < maps * one_map


def test_an_average_is_of_what_the_function_returns():
    calls = []

    def predict(model, image):
        calls.append((model, image.shape[:2]))
        return image[..., :2].astype("float32")

    image = noise(4, 6)
    averaged = predict_averaged("model", image, predict)
    np.testing.assert_allclose(averaged, image[..., :2], rtol=1e-6)
    assert calls == [("model", (4, 6) if i // 2 % 2 == 0 else (6, 4)) for i in range(8)]
