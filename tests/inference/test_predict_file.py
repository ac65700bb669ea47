"""From file to file by blocks: what `predict` gives in memory."""

import sys

import keras
import numpy as np
import pytest
from PIL import Image

import kseg
from kseg.inference import CRF_PARAMETERS, dense_crf, predict, predict_file
from kseg.inference.crf_options import crf_arguments, crf_halo
from kseg.labels import Labels

tifffile = pytest.importorskip("tifffile")
# The function of this name hides it.
module = sys.modules["kseg.inference.predict_file"]


@pytest.fixture(scope="module")
def network():
    """A network whose classes all occur, far from ties."""
    keras.utils.set_random_seed(0)
    network = kseg.build("unet", num_classes=3, filters=3, depth=2)
    kernel, bias = network.trainable_variables[-2:]
    kernel.assign(10 * kernel)
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (1, 64, 64, 3)).astype("float32")
    bias.assign(-np.asarray(network(image)).mean((0, 1, 2)))
    return network


@pytest.fixture
def photo():
    """Smooth patches and noise, as photographs have."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    smooth = np.asarray(coarse.resize((331, 270), Image.Resampling.NEAREST))
    return (smooth // 2 + rng.integers(0, 99, smooth.shape)).astype(np.uint8)


def read(path):
    return np.load(path) if path.suffix == ".npy" else tifffile.imread(path)


def assert_same(actual, expected):
    """Rounding may decide where two classes are as good as equal."""
    actual = np.asarray(actual)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    assert np.count_nonzero(actual != expected) <= 1e-4 * expected.size


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(blend="gaussian"),
        dict(blend="linear", scales=(0.5, 1, 1.3), flip=True),
        dict(scales=(0.75,), turns=True),
    ],
)
@pytest.mark.parametrize("block", [70, 150, 1000])
def test_ids_are_those_of_memory(network, photo, tmp_path, options, block):
    options = dict(tile=(128, 160), overlap=64, **options)
    expected = predict(network, photo, **options)
    assert np.bincount(expected.ravel(), minlength=3).min() > 500
    tifffile.imwrite(tmp_path / "i.tif", photo, tile=(64, 64), compression="zlib")
    predict_file(
        network, tmp_path / "i.tif", tmp_path / "o.tif", block=block, **options
    )
    assert_same(read(tmp_path / "o.tif"), expected)


@pytest.mark.parametrize("source", ["strips.tif", "flat.tif", "i.npy", "i.png"])
def test_every_kind_of_file_goes_in_and_out(network, photo, tmp_path, source):
    path = tmp_path / source
    if source == "strips.tif":
        tifffile.imwrite(path, photo, rowsperstrip=7, compression="zlib")
    elif source == "flat.tif":
        tifffile.imwrite(path, photo)
    elif source == "i.npy":
        np.save(path, photo)
    else:
        Image.fromarray(photo).save(path)
    labels = Labels(("a", "b", "c"), ((1, 2, 3), (40, 50, 60), (255, 0, 7)))
    expected = predict(network, photo, tile=(512, 512))
    for ending in ("tif", "npy", "png"):
        output = tmp_path / f"ids.{ending}"
        predict_file(network, path, output, labels)
        if ending != "npy":
            with Image.open(output) as picture:
                assert_same(picture, expected)
                assert picture.getpalette()[:9] == [1, 2, 3, 40, 50, 60, 255, 0, 7]
        else:
            assert_same(np.load(output), expected)


def test_valid_and_fixed_networks_have_tiles_of_their_own(photo, tmp_path):
    np.save(tmp_path / "i.npy", photo)
    options = dict(num_classes=2, filters=2, depth=2)
    valid = kseg.build("unet", padding="valid", **options)
    fixed = kseg.build("unet", input_shape=(256, 288, 3), **options)
    for model, expected in (
        (valid, predict(valid, photo)),
        (fixed, predict(fixed, photo, tile=(256, 288))),
    ):
        predict_file(model, tmp_path / "i.npy", tmp_path / "o.npy", block=100)
        assert_same(read(tmp_path / "o.npy"), expected)


def test_the_crf_of_one_block_is_that_of_memory(network, photo, tmp_path):
    np.save(tmp_path / "i.npy", photo)
    crf = dict(s_alpha=10, s_beta=30)
    options = dict(tile=(128, 160), overlap=64, crf=crf)
    expected = predict(network, photo, **options)
    without = predict(network, photo, **options | dict(crf=None))
    assert (expected != without).mean() > 0.02
    for block, agreement in ((1000, 1), (100, 0.99)):
        predict_file(
            network, tmp_path / "i.npy", tmp_path / "o.npy", block=block, **options
        )
        assert (read(tmp_path / "o.npy") == expected).mean() >= agreement


def test_no_tile_runs_twice_without_blending(network, photo, tmp_path, monkeypatch):
    np.save(tmp_path / "i.npy", photo)
    seen = []
    run = type(network).predict_on_batch

    def count(self, batch):
        seen.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(type(network), "predict_on_batch", count)
    predict(network, photo, tile=(128, 160), overlap=64)
    expected, seen[:] = sum(seen), []
    for block in (1, 130, 1000):
        predict_file(
            network,
            tmp_path / "i.npy",
            tmp_path / "o.npy",
            tile=(128, 160),
            overlap=64,
            block=block,
        )
        assert sum(seen) == expected
        seen.clear()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(output="o.jpg", path="none.tif"), r"\.tif.*o\.jpg"),
        (dict(output="none/o.tif", path="none.tif"), "in a folder.*none"),
        (dict(block=0), "`block` must be 1 or more"),
        (dict(scales=()), "`scales`"),
        (dict(crf="deeplabv8"), "deeplabv8"),
        (dict(tile=(62, 62)), "63 pixels"),
        (dict(tile=()), "`tile`"),
        (dict(crf=dict(s_alpha=80)), r"`block`.*21 pixels.*160 pixels.*270x331"),
        (dict(labels=Labels.numbered(7)), "7 labels for 3 classes"),
        (dict(path="notes.txt"), "whole file.*notes.txt"),
    ],
)
def test_what_cannot_be_is_refused_before_the_model_runs(
    network, photo, tmp_path, monkeypatch, options, words
):
    np.save(tmp_path / "i.npy", photo)
    (tmp_path / "notes.txt").write_text("no picture")
    monkeypatch.setattr(type(network), "predict_on_batch", None)
    monkeypatch.setattr(module, "_CRF_PIXELS", 64 * 64)
    options = dict(path="i.npy", output="o.npy") | options
    path, output = (tmp_path / options.pop(name) for name in ("path", "output"))
    with pytest.raises(ValueError, match=words):
        predict_file(network, path, output, **options)
    assert not output.exists()


@pytest.mark.parametrize("crf", [None, *CRF_PARAMETERS, dict(s_alpha=170)])
@pytest.mark.parametrize("num_classes", [2, 21, 150])
def test_blocks_fit_into_memory_by_default(crf, num_classes):
    arguments = None if crf is None else crf_arguments(crf, num_classes)
    side = module._block_side((30000, 30000), num_classes, arguments)
    assert 300 < side and side**2 * num_classes * 4 <= 64 << 20
    if arguments is None:
        assert (side + 1) ** 2 * num_classes * 4 > 64 << 20
    else:
        assert (side + 2 * crf_halo(arguments)) ** 2 <= 1 << 20


@pytest.mark.parametrize("deviation", [171, 340, 1000, 1e9])
def test_a_crf_that_looks_too_far_is_refused_unless_the_image_is_small(deviation):
    arguments = crf_arguments(dict(s_alpha=deviation), 2)
    with pytest.raises(ValueError, match="Give `block`"):
        module._block_side((1024, 1025), 2, arguments)
    assert module._block_side((2048, 512), 2, arguments) > 2048


def test_the_crf_sees_no_more_than_it_has_memory_for(
    network, photo, tmp_path, monkeypatch
):
    np.save(tmp_path / "i.npy", photo)
    seen = []

    def count(image, scores, **arguments):
        seen.append(image.shape[0] * image.shape[1])
        return dense_crf(image, scores, **arguments)

    monkeypatch.setattr(module, "dense_crf", count)
    monkeypatch.setattr(module, "_CRF_PIXELS", 140 * 140)
    options = dict(tile=(128, 128), overlap=64, crf=dict(s_alpha=10, s_beta=30))
    predict_file(network, tmp_path / "i.npy", tmp_path / "o.npy", **options)
    assert len(seen) > 4 and max(seen) <= 140 * 140


def test_a_small_fixed_model_needs_no_options(photo, tmp_path):
    np.save(tmp_path / "i.npy", photo)
    fixed = kseg.build(
        "unet", num_classes=2, filters=2, depth=2, input_shape=(96, 128, 3)
    )
    predict_file(fixed, tmp_path / "i.npy", tmp_path / "o.npy")
    assert_same(read(tmp_path / "o.npy"), predict(fixed, photo, (96, 128), 48))
