"""Augmentations of colour and of quality, beside their definitions."""

import colorsys
import io
import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from kseg.data import augment
from kseg.data.geometry import Example


def example(height=40, width=50, seed=0):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    image = image.astype(np.uint8)
    return Example(image, np.zeros((height, width), np.uint8))


def flat(level, size=64):
    image = np.full((size, size, 3), level, np.uint8)
    return Example(image, np.zeros((size, size), np.uint8))


def test_photometric_distortion_is_the_four_in_their_order():
    seen = set()
    distort = augment.PhotometricDistortion()
    for seed in range(40):
        shown = distort(example(6, 7), np.random.default_rng(seed)).image
        rng = np.random.default_rng(seed)
        chosen = rng.random(4) < 0.5
        shift = rng.uniform(-32, 32) if chosen[0] else 0
        contrast = rng.uniform(0.5, 1.5) if chosen[1] else 1
        saturation = rng.uniform(0.5, 1.5) if chosen[2] else 1
        turn = rng.uniform(-36, 36) if chosen[3] else 0
        first = rng.random() < 0.5
        expected = np.clip(example(6, 7).image + float(shift), 0, 255)
        if first:
            expected = np.clip(expected * contrast, 0, 255)
        for pixel in np.ndindex(6, 7):
            hue, strength, value = colorsys.rgb_to_hsv(*expected[pixel] / 255)
            hue, strength = (hue + turn / 360) % 1, min(strength * saturation, 1)
            expected[pixel] = 255 * np.array(colorsys.hsv_to_rgb(hue, strength, value))
        if not first:
            expected = np.clip(expected * contrast, 0, 255)
        # Hues are whole steps of 2 degrees, 8.5 levels; all else is rounded.
        limit = 20 if chosen[3] or chosen[2] else 2
        difference = np.abs(shown - expected)
        assert difference.max() <= limit and difference.mean() <= limit / 5
        seen.add((*chosen.tolist(), first))
    assert len(seen) > 15


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.2])
def test_gamma_is_a_power(gamma):
    image = example().image
    moved = augment.RandomGamma((gamma, gamma))(example(), np.random.default_rng(0))
    expected = 255 * (image / 255) ** gamma
    np.testing.assert_allclose(moved.image, expected, atol=0.501)


def test_grayscale_is_luma_in_three_channels():
    grey = augment.RandomGrayscale(1.0)(example(), np.random.default_rng(0)).image
    luma = example().image @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey, np.stack([luma] * 3, -1), atol=0.6)
    same = augment.RandomGrayscale(0.0)(example(), np.random.default_rng(0))
    np.testing.assert_array_equal(same.image, example().image)


def test_clahe_spreads_a_narrow_range_and_keeps_the_hue():
    ramp = np.tile(np.linspace(110, 140, 128).astype(np.uint8), (128, 1))
    image = np.stack([ramp] * 3, axis=-1)
    moved = augment.RandomClahe((4, 4))(Example(image, ramp), np.random.default_rng(0))
    assert moved.image.std() > 1.15 * image.std()
    assert np.ptp(moved.image.astype(int), axis=-1).max() <= 4


@pytest.mark.parametrize(
    ("made", "pillow"),
    [
        (augment.AutoContrast(), ImageOps.autocontrast),
        (augment.RandomPosterize((3, 3)), lambda i: ImageOps.posterize(i, 3)),
        (augment.RandomSolarize((100, 100)), lambda i: ImageOps.solarize(i, 100)),
        (
            augment.RandomSharpness((1.7, 1.7)),
            lambda i: ImageEnhance.Sharpness(i).enhance(1.7),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tones_are_those_of_pillow(made, pillow):
    blurred = augment.GaussianBlur((2, 2))(example(80, 90), np.random.default_rng(0))
    image = (blurred.image * 0.6 + 20).astype(np.uint8)
    moved = made(Example(image, image[..., 0]), np.random.default_rng(0)).image
    expected = np.asarray(pillow(Image.fromarray(image))).astype(int)
    difference = np.abs(moved - expected)[1:-1, 1:-1]  # borders are their own
    assert difference.mean() < 1 and difference.max() <= 4
    assert (moved != image).any()


def test_equalized_levels_are_equally_frequent():
    blurred = augment.GaussianBlur((2, 2))(example(80, 90), np.random.default_rng(0))
    equal = augment.Equalize()(blurred, np.random.default_rng(0)).image
    for channel in range(3):
        levels = np.sort(equal[..., channel].ravel())
        uniform = np.linspace(0, 255, levels.size)
        assert np.abs(levels - uniform).max() < 12
        # The order of the levels stays.
        old, new = blurred.image[..., channel].ravel(), equal[..., channel].ravel()
        order = np.argsort(old, kind="stable")
        assert (np.diff(new[order].astype(int)) >= 0).all()


@pytest.mark.parametrize("sigma", [0.8, 2.0])
def test_a_gaussian_blur_has_its_variance(sigma):
    image = np.zeros((41, 41, 3), np.uint8)
    image[20, 20] = 255
    image[5, :] = 200
    point = Example(image, image[..., 0])
    blurred = augment.GaussianBlur((sigma, sigma))(point, np.random.default_rng(0))
    line = blurred.image[:14, 20, 0].astype(float)
    rows = np.arange(14)
    mean = (line * rows).sum() / line.sum()
    variance = (line * (rows - mean) ** 2).sum() / line.sum()
    assert mean == pytest.approx(5, abs=0.05)
    assert variance == pytest.approx(sigma**2, rel=0.1)


@pytest.mark.parametrize("length", [1, 4, 9])
def test_motion_blurs_along_one_line_and_moves_nothing(length):
    image = np.zeros((31, 31, 3), np.uint8)
    image[15, 15] = 255
    point = Example(image, image[..., 0])
    for seed in range(10):
        blurred = augment.MotionBlur((length, length))(
            point, np.random.default_rng(seed)
        ).image[..., 0]
        weights = blurred.ravel() / blurred.sum()
        places = np.stack(np.unravel_index(np.arange(31 * 31), (31, 31)), -1)
        mean = weights @ places
        np.testing.assert_allclose(mean, 15, atol=0.1)
        along = (places - mean).T * weights @ (places - mean)
        thin, thick = np.linalg.eigvalsh(along)
        assert thin < 0.35 and thick == pytest.approx(
            (length - 1) ** 2 / 12 + 0.2, abs=0.6
        )
        assert float(blurred.sum()) == pytest.approx(255, rel=0.05)
    with pytest.raises(ValueError, match="in order, 1 or more. Received: "):
        augment.MotionBlur((5, 2))


@pytest.mark.parametrize("sigma", [2.0, 10.0])
def test_noise_is_normal_and_its_own_everywhere(sigma):
    noisy = augment.GaussianNoise((sigma, sigma))(flat(128), np.random.default_rng(0))
    noise = noisy.image.astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.05 * sigma)
    assert noise.std() == pytest.approx(np.hypot(sigma, 1 / np.sqrt(12)), rel=0.02)
    expected = math.erf((sigma + 0.5) / sigma / math.sqrt(2))
    assert np.mean(np.abs(noise) <= sigma) == pytest.approx(expected, abs=0.02)
    planes = noise.reshape(-1, 3).T
    assert np.abs(np.corrcoef(planes) - np.eye(3)).max() < 0.05
    assert abs(np.corrcoef(noise[1:, :, 0].ravel(), noise[:-1, :, 0].ravel())[0, 1]) < (
        0.05
    )


@pytest.mark.parametrize("quality", [20, 90])
def test_jpeg_is_what_a_file_would_be(quality):
    smooth = augment.GaussianBlur((3, 3))(example(64, 80), np.random.default_rng(0))
    smooth.image[:32] = smooth.image[:32] // 2 + [120, 0, 0]  # red is not blue
    jpeg = augment.JpegCompression((quality, quality))(smooth, np.random.default_rng(0))
    file = io.BytesIO()
    Image.fromarray(smooth.image).save(file, "jpeg", quality=quality)
    expected = np.asarray(Image.open(file)).astype(int)
    assert np.abs(jpeg.image - expected).mean() < 1.5
    lost = np.abs(jpeg.image.astype(int) - smooth.image).mean()
    assert 0 < lost < 12
    with pytest.raises(ValueError, match="in order, 1 to 100. Received: "):
        augment.JpegCompression((0, 50))


@pytest.mark.parametrize(
    ("made", "options"),
    [
        (augment.RandomGamma, {"gamma": (0, 1)}),
        (augment.RandomPosterize, {"bits": (0, 4)}),
        (augment.Cutout, {"sides": (0.5, 0.2)}),
        (augment.Cutout, {"count": (3, 1)}),
    ],
)
def test_ranges_that_are_wrong_are_an_error(made, options):
    with pytest.raises(ValueError, match="Received: "):
        made(**options)
