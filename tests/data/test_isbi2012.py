import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from kseg.data import check_source, open_source
from kseg.data.isbi2012 import isbi2012

COUNT = 30


@pytest.fixture(scope="module")
def files(reference, tmp_path_factory):
    """The 30 real slices."""
    archive = reference / "data" / "isbi2012_train.tar"
    if not archive.exists():
        pytest.skip("isbi2012_train.tar is not there")
    path = tmp_path_factory.mktemp("isbi2012")
    with tarfile.open(archive) as file:
        file.extractall(path, filter="data")
    yield path
    shutil.rmtree(path)


def slices(size=(6, 8)):
    """Images whose grey is the slice's number, and masks of 0 and 255."""
    rng = np.random.default_rng(0)
    images = [np.full(size, i, np.uint8) for i in range(COUNT)]
    masks = [255 * rng.integers(0, 2, size).astype(np.uint8) for _ in range(COUNT)]
    return images, masks


def write_folder(path, images, masks, names=("images", "labels")):
    for name, arrays in zip(names, (images, masks), strict=True):
        (path / name).mkdir(parents=True)
        for i, array in enumerate(arrays):
            Image.fromarray(array).save(path / name / f"{i}.png")
    return path


def write_stacks(path, images, masks):
    for name, arrays in (("train-volume", images), ("train-labels", masks)):
        first, *rest = (Image.fromarray(array) for array in arrays)
        first.save(path / f"{name}.tif", save_all=True, append_images=rest)
    return path


def test_the_real_slices_are_membranes_and_cells(files):
    train, val = (open_source("isbi2012", s, path=files) for s in ("train", "val"))
    assert (len(train), len(val)) == (24, 6)
    counts = np.zeros(256)
    for source in (train, val):
        assert source.labels.names == ("membrane", "cell")
        for index in range(len(source)):
            counts += np.bincount(source.mask(index).ravel(), minlength=256)
    # Counted from the files by another program: 21.96 % membrane, the rest cell.
    assert counts[2:].sum() == 0
    assert counts[0] / counts.sum() == pytest.approx(0.2196, abs=5e-5)
    image, mask = val[5]
    assert image.shape == (512, 512, 3) and image.dtype == mask.dtype == np.uint8
    assert (image == image[..., :1]).all()
    with Image.open(files / "images" / "29.png") as picture:
        np.testing.assert_array_equal(image[..., 0], np.asarray(picture))
    # Membranes are dark: image and mask are of one slice, and 0 is the membrane.
    assert image[mask == 0].mean() < image[mask == 1].mean() - 30


@pytest.mark.parametrize("write", [write_folder, write_stacks])
def test_the_splits_are_the_first_24_and_the_last_6(tmp_path, write):
    images, masks = slices()
    path = write(tmp_path, images, masks)
    train, val = isbi2012("train", path), isbi2012("val", str(path))
    assert (len(train), len(val)) == (24, 6)
    for offset, source in ((0, train), (24, val)):
        check_source(source, "slices")
        for index in range(len(source)):
            image, mask = source[index]
            assert source.name(index) == str(offset + index)
            assert image.shape == (6, 8, 3) and (image == offset + index).all()
            np.testing.assert_array_equal(mask, masks[offset + index] // 255)
            np.testing.assert_array_equal(mask, source.mask(index))
            assert mask.dtype == np.uint8


@pytest.mark.parametrize("write", [write_folder, write_stacks])
def test_16_bits_are_scaled_to_8(tmp_path, write):
    images, masks = slices()
    wide = [257 * image.astype(np.uint16) + 100 for image in images]
    path = write(tmp_path, wide, masks)
    source = isbi2012("val", path)
    for index in range(6):
        image, mask = source[index]
        assert image.dtype == np.uint8 and (image == 24 + index).all()
        np.testing.assert_array_equal(mask, masks[24 + index] // 255)


def test_a_folder_may_be_named_in_the_singular(tmp_path):
    path = write_folder(tmp_path, *slices(), ("image", "label"))
    assert [isbi2012("val", path).name(i) for i in (0, 5)] == ["24", "29"]


def test_without_a_path_the_error_says_where_the_data_is():
    with pytest.raises(ValueError, match="downloads.imagej.net.*train-volume.tif"):
        open_source("isbi2012", "train")


def test_a_folder_without_slices_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither train-volume.tif"):
        isbi2012("train", tmp_path)


def test_another_split_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="'train' or 'val'. Received: 'test'"):
        isbi2012("test", tmp_path)


@pytest.mark.parametrize("write", [write_folder, write_stacks])
def test_another_number_of_slices_is_an_error(tmp_path, write):
    images, masks = slices()
    path = write(tmp_path, images[:20], masks[:20])
    with pytest.raises(ValueError, match="must have 30 slices. Received: 20"):
        isbi2012("train", path)


@pytest.mark.parametrize("write", [write_folder, write_stacks])
def test_other_values_are_an_error(tmp_path, write):
    images, masks = slices()
    masks[3][0, 0] = 128
    with pytest.raises(ValueError, match=r"labels.* with \[128\]"):
        isbi2012("train", write(tmp_path, images, masks))[3]


def test_stacks_of_two_sizes_are_an_error(tmp_path):
    images, masks = slices()
    with pytest.raises(ValueError, match=r"\(6, 8\) and train-labels.tif of \(5, 8\)"):
        isbi2012("train", write_stacks(tmp_path, images, [m[:5] for m in masks]))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's, of a TIFF
def test_a_broken_stack_is_an_error(tmp_path):
    path = write_stacks(tmp_path, *slices())
    whole = (path / "train-volume.tif").read_bytes()
    (path / "train-volume.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="whole TIFF.*train-volume.tif"):
        isbi2012("train", path)
