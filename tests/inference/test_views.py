"""Scales, mirror images and turns: means of what each view alone gives."""

import keras
import numpy as np
import pytest
from PIL import Image

import kseg
from kseg.inference import predict_probabilities
from kseg.inference.views import _interpolate, _Interpolation, view_probabilities


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return kseg.build("unet", num_classes=3, filters=3, depth=2)


def resized(array, size):
    axes = [
        _Interpolation(have, want, slice(0, want))
        for have, want in zip(array.shape[:2], size, strict=True)
    ]
    return _interpolate(array.astype("float32"), *axes)


@pytest.mark.parametrize("size", [(20, 31), (41, 62), (10, 15), (7, 50), (1, 1)])
def test_resizing_is_pillows(size):
    array = np.random.default_rng(0).uniform(0, 1, (20, 31)).astype("float32")
    shape = (size[1], size[0])
    expected = Image.fromarray(array).resize(shape, Image.Resampling.BILINEAR)
    actual = resized(array[..., np.newaxis], size)[..., 0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_scales_are_means_of_probabilities_resized_back(network):
    image = noise(30, 44)
    scales = (0.5, 1, 1.75)
    expected = 0
    for scale in scales:
        size = (round(30 * scale), round(44 * scale))
        seen = np.rint(resized(image, size)).astype("uint8")
        expected += resized(predict_probabilities(network, seen), (30, 44)) / 3
    actual = predict_probabilities(network, image, scales=scales)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    np.testing.assert_allclose(actual.sum(-1), 1, atol=1e-5)
    single = predict_probabilities(network, image)
    assert np.abs(actual - single).max() > 1e-3


def test_a_flip_is_the_mean_with_the_mirror_image(network):
    image = noise(21, 34)
    mirrored = predict_probabilities(network, np.ascontiguousarray(image[:, ::-1]))
    expected = (predict_probabilities(network, image) + mirrored[:, ::-1]) / 2
    actual = predict_probabilities(network, image, flip=True)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def square_symmetries(array):
    for turns in range(4):
        yield np.rot90(array, turns)
        yield np.rot90(array[:, ::-1], turns)


def test_flips_and_turns_are_the_mean_over_the_eight_symmetries(network):
    image = noise(21, 34)
    averaged = predict_probabilities(network, image, flip=True, turns=True)
    assert averaged.shape == (21, 34, 3) and averaged.dtype == np.float32
    np.testing.assert_allclose(averaged.sum(-1), 1, rtol=1e-5)
    single = predict_probabilities(network, image)
    assert np.abs(averaged - single).max() > 1e-3
    # So a turned image has the turned average, which one prediction has not.
    for turned, expected in zip(
        square_symmetries(image), square_symmetries(averaged), strict=True
    ):
        turned = np.ascontiguousarray(turned)
        actual = predict_probabilities(network, turned, flip=True, turns=True)
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    turned = predict_probabilities(network, np.ascontiguousarray(image[::-1]))
    assert np.abs(turned[::-1] - single).max() > 1e-3


def test_turns_alone_do_not_mirror(network):
    image = noise(9, 14)
    views = [np.ascontiguousarray(np.rot90(image, k)) for k in range(4)]
    expected = sum(
        np.rot90(predict_probabilities(network, view), -k)
        for k, view in enumerate(views)
    )
    actual = predict_probabilities(network, image, turns=True)
    np.testing.assert_allclose(actual, expected / 4, atol=1e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_every_view_goes_through_the_tiles(padding):
    network = kseg.build("unet", num_classes=3, filters=3, depth=2, padding=padding)
    image = noise(70, 131)
    options = dict(scales=(0.75, 1.5), flip=True, turns=True)
    whole = predict_probabilities(network, image, **options)
    tiled = predict_probabilities(network, image, (100, 100), 34, **options)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        dict(scales=(1,)),
        dict(scales=(0.5, 1.3), flip=True, turns=True),
        dict(scales=(0.77, 2), blend="gaussian"),
    ],
)
def test_a_window_is_what_the_whole_image_has_there(network, options):
    image = noise(150, 171)
    options = dict(blend="none", flip=False, turns=False) | options
    options |= dict(tile=(100, 100), overlap=34)
    whole = predict_probabilities(network, image, **options)
    windows = (0, 33, 0, 171), (17, 90, 60, 61), (149, 150, 3, 171), (0, 150, 0, 171)
    for top, bottom, left, right in windows:
        rows, columns = slice(top, bottom), slice(left, right)
        part = view_probabilities(network, image, rows, columns, **options)
        np.testing.assert_allclose(part, whole[rows, columns], atol=1e-5)


def test_a_network_of_single_pixels_has_its_prediction_for_average():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Rescaling(1 / 50)(image))
    picture = noise(5, 8)
    np.testing.assert_allclose(
        predict_probabilities(model, picture, flip=True, turns=True),
        predict_probabilities(model, picture),
        atol=1e-6,
    )
