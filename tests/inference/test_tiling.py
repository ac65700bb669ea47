"""Tiles give what the whole image gives, and averages do not know up from down."""

import functools

import keras
import numpy as np
import pytest

import kseg
from kseg.inference import (
    predict_averaged,
    predict_probabilities,
    predict_tiled,
)
from kseg.layers import ValidSize


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


@pytest.mark.parametrize("tile", [(96, 96), (128, 97)])
def test_a_same_network_gives_the_whole_image_s_result_in_the_interior(tile):
    network = kseg.build("unet", num_classes=3, filters=3, depth=3)
    image = noise(150, 203)
    whole = predict_probabilities(network, image)
    tiled = predict_tiled(network, image, tile, margin=32)
    assert tiled.shape == whole.shape
    inside = (slice(32, -32), slice(32, -32))
    np.testing.assert_allclose(tiled[inside], whole[inside], atol=1e-5)
    # At the border one sees the mirrored image and the other zeros.
    assert np.abs(tiled - whole).max() > 1e-3


def test_what_is_kept_of_a_tile_are_its_middle_s_pixels():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Rescaling(1 / 25.5)(image))
    picture = noise(85, 40)
    expected = keras.ops.softmax(picture / 25.5)
    for margin in (0, 5, 16):
        tiled = predict_tiled(model, picture, (64, 70), margin)
        np.testing.assert_allclose(tiled, expected, atol=1e-5)


def test_one_logit_is_two_probabilities():
    image = keras.Input((None, None, 3))
    logits = keras.layers.Rescaling(1 / 255)(image[..., :1])
    model = keras.Model(image, logits)
    picture = noise(20, 30)
    np.testing.assert_allclose(
        predict_tiled(model, picture, (64, 64), 16),
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
    for margin in (17, -1):
        with pytest.raises(ValueError, match=r"32 pixels or more.*tile=\(64, 64\)"):
            predict_tiled(same, noise(9, 9), (64, 64), margin)
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


def test_an_average_is_of_what_the_function_returns():
    calls = []

    def predict(model, image):
        calls.append((model, image.shape[:2]))
        return image[..., :2].astype("float32")

    image = noise(4, 6)
    averaged = predict_averaged("model", image, predict)
    np.testing.assert_allclose(averaged, image[..., :2], rtol=1e-6)
    assert calls == [("model", (4, 6) if i // 2 % 2 == 0 else (6, 4)) for i in range(8)]
