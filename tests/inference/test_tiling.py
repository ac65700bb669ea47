"""Tiles, joined or blended, give what the whole image gives."""

import itertools
import tracemalloc

import keras
import numpy as np
import pytest

import kseg
from kseg.inference import predict, predict_probabilities
from kseg.inference.tiling import BLENDS, OVERLAP, default_overlap, lay_tiles
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
        tiled = predict_probabilities(valid, image, tile)
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
    tiled = predict_probabilities(valid, image, tile)
    np.testing.assert_allclose(tiled, expected, atol=1e-5)


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
        predict_probabilities(fixed, image, (108, 124)),
        predict_probabilities(valid, image),
        atol=1e-5,
    )
    with pytest.raises(ValueError, match=r"\(116, 116\), and a model of \(108, 124\)"):
        predict(fixed, image, (116, 116))


@pytest.mark.parametrize("size", [(230, 283), (33, 20)])
@pytest.mark.parametrize(
    ("blend", "overlap"),
    [("none", 64), ("none", 48), ("linear", 128), ("linear", 100), ("gaussian", 128)],
)
def test_a_same_network_gives_what_it_gives_for_the_whole_image(size, blend, overlap):
    network = kseg.build("unet", num_classes=3, filters=3, depth=3)
    image = noise(*size)
    whole = predict_probabilities(network, image)
    assert whole.std(axis=(0, 1)).max() > 0.003
    for tile in ((195, 195), (198, 214)):
        tiled = predict_probabilities(network, image, tile, overlap, blend)
        assert tiled.dtype == np.float32 and tiled.shape == whole.shape
        np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_the_default_overlap_is_enough_for_the_default_depth():
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
    tiled = predict_probabilities(network, image, (256, 256))
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    less = predict_probabilities(network, image, (256, 256), overlap=64)
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
    tiled = predict_probabilities(model, picture, (128, 140), 64)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_a_same_network_of_a_fixed_size_sees_the_image_at_its_own_scale():
    network = kseg.build("unet", num_classes=3, filters=3, depth=3)
    fixed = kseg.build(
        "unet", num_classes=3, filters=3, depth=3, input_shape=(96, 128, 3)
    )
    fixed.set_weights(network.get_weights())
    image = noise(160, 192)
    whole = predict_probabilities(network, image)
    tiled = predict_probabilities(fixed, image, (96, 128), 64)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    # What lacks at the end of another is mirrored.
    image = noise(70, 150)
    mirrored = np.pad(image, ((0, 26), (0, 10), (0, 0)), mode="reflect")
    np.testing.assert_allclose(
        predict_probabilities(fixed, image, (96, 128), 64),
        predict_probabilities(network, mirrored)[:70, :150],
        atol=1e-5,
    )


def test_what_is_kept_of_a_tile_are_its_middle_s_pixels():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Rescaling(1 / 25.5)(image))
    picture = noise(185, 40)
    expected = keras.ops.softmax(picture / 25.5)
    for overlap, blend in itertools.product((0, 10, 64), BLENDS):
        tiled = predict_probabilities(model, picture, (128, 134), overlap, blend)
        np.testing.assert_allclose(tiled, expected, atol=1e-5)


def test_one_logit_is_two_probabilities():
    image = keras.Input((None, None, 3))
    logits = keras.layers.Rescaling(1 / 255)(image[..., :1])
    model = keras.Model(image, logits)
    picture = noise(20, 30)
    np.testing.assert_allclose(
        predict_probabilities(model, picture, (64, 64), 0),
        predict_probabilities(model, picture),
        atol=1e-6,
    )


def test_tiles_that_do_not_fit_are_refused(valid):
    with pytest.raises(ValueError, match="takes heights and widths of"):
        predict(valid, noise(9, 9), (111, 108))


def test_tiles_that_leave_too_little_are_refused():
    same = kseg.build("unet", num_classes=2, filters=2, depth=2)
    for tile, overlap in (((126, 140), 64), ((64, 140), 2), ((128, 128), -1)):
        with pytest.raises(ValueError, match=r"63 pixels or more.*Received: tile=\("):
            predict(same, noise(9, 9), tile, overlap)
    fixed = kseg.build(
        "unet", num_classes=2, filters=2, depth=2, input_shape=(95, 128, 3)
    )
    with pytest.raises(ValueError, match=r"32 pixels.*\(95, 128\), and overlap=64"):
        predict(fixed, noise(9, 9), (95, 128), 64)
    deep = kseg.build("unet", num_classes=2, filters=1, padding="valid")
    with pytest.raises(ValueError, match=r"16 pixels or more.*returns \(4, 20\)"):
        predict(deep, noise(9, 9), (188, 204))
    with pytest.raises(ValueError, match="blend must be one of.*'linear'"):
        predict(same, noise(9, 9), (128, 128), 32, "liner")


def pixelwise():
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Rescaling(1.0)(image))


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("overlap", [0, 1, 40, 96, 130])
def test_weights_sum_to_one_and_are_none_near_an_inner_border(blend, overlap):
    model = pixelwise()
    for have in (1, 100, 192, 193, 224, 601, 1024):
        tiles = lay_tiles(model, (have, 9), (193, 193), overlap, blend)
        side, total = tiles.size[0], np.zeros(have)
        cut = overlap // (2 if blend == "none" else 4)
        cut = cut if cut < 32 else cut // 32 * 32
        for span in tiles.down:
            assert span.seen % 32 == 0 and 0 <= span.seen <= max(have - side, 0)
            assert (span.weights > 0).all()
            total[span.kept] += span.weights
            assert span.kept.start == 0 or span.kept.start >= span.seen + cut
            assert span.kept.stop == have or span.kept.stop <= span.seen + side - cut
        np.testing.assert_allclose(total, 1, atol=1e-6)
        assert (have - side) % 32 == 0 and side <= 193
        for one, other in itertools.pairwise(tiles.down):
            assert one.seen + side - other.seen >= overlap


def test_linear_weights_are_a_ramp():
    first, second = lay_tiles(pixelwise(), (192, 9), (128, 128), 64, "linear").down
    assert (first.kept, second.kept) == (slice(0, 112), slice(80, 192))
    np.testing.assert_allclose(first.weights[:80], 1)
    np.testing.assert_allclose(second.weights[:32], (np.arange(32) + 0.5) / 32)
    assert lay_tiles(pixelwise(), (192, 9), (128, 128), 64).down[1].kept.start == 96


def test_blending_hides_that_tiles_disagree():
    image = keras.Input((None, None, 3))
    # What a pixel gets depends on the whole tile.
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    logits = keras.layers.Rescaling(1 / 50)(keras.layers.Add()([image, mean, mean]))
    model = keras.Model(image, logits)
    picture = np.full((64, 448, 3), 100, np.uint8)
    picture[..., 0] = np.linspace(50, 150, 448)
    steps = {}
    for blend in BLENDS:
        scores = predict_probabilities(model, picture, (192, 192), 128, blend)
        steps[blend] = np.abs(np.diff(scores[0, :, 0])).max()
    assert 3 * max(steps["linear"], steps["gaussian"]) < steps["none"]


def test_tiles_run_together_give_what_they_give_alone(monkeypatch):
    network = kseg.build("unet", num_classes=3, filters=3, depth=2)
    image, found = noise(200, 230), {}
    for pixels in (1, 10**6):
        monkeypatch.setattr("kseg.inference.tiling._BATCH_PIXELS", pixels)
        found[pixels] = predict_probabilities(network, image, (96, 96), 32)
    np.testing.assert_allclose(found[1], found[10**6], atol=1e-6)


def test_memory_is_that_of_one_map_of_probabilities():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(40, 1)(image))
    picture = noise(700, 780)
    one_map = 700 * 780 * 40 * 4
    predict_probabilities(model, picture[:200], (96, 96), 0)  # compiles
    tracemalloc.start()
    predict_probabilities(model, picture, (96, 96), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * one_map


def test_neighbours_share_the_default_overlap():
    spans = lay_tiles(pixelwise(), (600, 600), (256, 256)).down
    assert spans[0].seen + 256 - spans[1].seen >= OVERLAP == 192


def test_the_default_overlap_is_what_the_tile_allows():
    for tile, expected in (
        ((256, 256), 192),
        ((255, 900), 192),
        ((254, 900), 127),
        ((128, 128), 64),
        ((90, 128), 27),
        ((63, 63), 0),
    ):
        assert default_overlap(pixelwise(), tile) == expected
        found, same = (
            lay_tiles(pixelwise(), (500, 500), tile, overlap)
            for overlap in (None, expected)
        )
        assert [s.kept for s in found.down] == [s.kept for s in same.down]
    with pytest.raises(ValueError, match="63 pixels"):
        lay_tiles(pixelwise(), (500, 500), (62, 62))
    options = dict(num_classes=2, filters=2, depth=2)
    for side, expected in ((224, 192), (223, 111), (96, 48), (32, 0)):
        fixed = kseg.build("unet", input_shape=(side, side, 3), **options)
        assert default_overlap(fixed, (side, side)) == expected
        ids = predict(fixed, noise(70, 90), (side, side))
        assert ids.shape == (70, 90)
    valid = kseg.build("unet", padding="valid", **options)
    assert default_overlap(valid, tile_of(valid, 20, 20)) == 0
