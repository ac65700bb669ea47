"""Class ids written band by band read back as they are."""

import numpy as np
import pytest
from PIL import Image

from kseg.labels import Labels
from kseg.raster import check_output, write_bands

THREE = Labels(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))


def bands(ids, *heights):
    return iter(np.split(ids, np.cumsum(heights)[:-1]))


def read(path):
    if path.suffix == ".npy":
        return np.load(path)
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("ending", ["tif", "tiff", "npy", "png"])
@pytest.mark.parametrize("heights", [(600,), (1, 255, 256, 88), (100, 500), (599, 1)])
def test_ids_read_back(tmp_path, ending, heights):
    ids = np.random.default_rng(0).integers(0, 3, (600, 301), np.uint8)
    path = tmp_path / f"ids.{ending}"
    write_bands(path, bands(ids, *heights), (600, 301), THREE)
    assert read(path).dtype == np.uint8
    np.testing.assert_array_equal(read(path), ids)
    if ending != "npy":
        with Image.open(path) as picture:
            assert picture.getpalette()[:9] == [c for rgb in THREE.colors for c in rgb]
            assert picture.getpalette()[255 * 3 :] == [255, 255, 255]


def test_a_tiff_has_tiles_and_is_deflated(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    ids = np.zeros((600, 301), np.uint8)
    write_bands(tmp_path / "i.tif", [ids], ids.shape, THREE)
    with tifffile.TiffFile(tmp_path / "i.tif") as file:
        assert file.pages[0].is_tiled and file.pages[0].tilewidth == 256
        assert "DEFLATE" in file.pages[0].compression.name
    assert (tmp_path / "i.tif").stat().st_size < 10_000


@pytest.mark.parametrize("ending", ["tif", "npy"])
def test_more_than_256_classes_are_16_bit(tmp_path, ending):
    ids = np.random.default_rng(0).integers(0, 300, (70, 80), np.uint16)
    path = tmp_path / f"i.{ending}"
    labels = Labels.numbered(300)
    write_bands(path, [ids], ids.shape, labels)
    np.testing.assert_array_equal(read(path), ids)


@pytest.mark.parametrize("ending", ["tif", "npy", "png"])
@pytest.mark.parametrize("old", [b"the old file", None])
def test_a_failed_prediction_leaves_what_was_there(tmp_path, ending, old):
    path = tmp_path / f"i.{ending}"
    if old:
        path.write_bytes(old)

    def failing():
        yield np.zeros((300, 80), np.uint8)
        raise RuntimeError("the model failed")

    with pytest.raises(RuntimeError, match="the model failed"):
        write_bands(path, failing(), (600, 80), THREE)
    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([old] if old else [])


def test_what_a_file_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"\.tif, \.tiff, \.npy or \.png.*ids\.jpg"):
        check_output("ids.jpg", (3, 3), 2)
    with pytest.raises(ValueError, match=r"20000x20000 with 2 classes.*Write a .tif"):
        check_output("ids.png", (20000, 20000), 2)
    with pytest.raises(ValueError, match="300 classes"):
        check_output("ids.png", (3, 3), 300)
    check_output("ids.tif", (20000, 20000), 300)
    check_output("ids.png", None, 2)


def test_a_place_that_is_no_file_of_a_folder_is_refused(tmp_path):
    (tmp_path / "folder.tif").mkdir()
    for path in (tmp_path / "none" / "i.tif", tmp_path / "folder.tif"):
        with pytest.raises(ValueError, match=f"in a folder that is there.*{path.name}"):
            check_output(path, None, 2)


@pytest.mark.parametrize("ending", ["tif", "npy", "png"])
@pytest.mark.parametrize("heights", [(), (100,), (256, 255), (256, 257), (512, 1)])
def test_other_rows_than_said_leave_no_file(tmp_path, ending, heights):
    bands = [np.zeros((rows, 30), np.uint8) for rows in heights]
    with pytest.raises(ValueError, match=r"512 rows.*Received: (at least )?\d+\."):
        write_bands(tmp_path / f"i.{ending}", bands, (512, 30), THREE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["tif", "npy", "png"])
@pytest.mark.parametrize(
    ("band", "words"),
    [
        (np.zeros((2, 4)), r"integers.*float64 \(2, 4\)"),
        (np.zeros((2, 5), int), r"integers \(rows, 4\).*\(2, 5\)"),
        (np.full((2, 4), 256), "256 to 256"),
        (np.full((2, 4), -1), "-1 to -1"),
    ],
)
def test_what_are_no_ids_is_refused(tmp_path, ending, band, words):
    with pytest.raises(ValueError, match=words):
        write_bands(tmp_path / f"i.{ending}", [band], (2, 4), THREE)
    assert list(tmp_path.iterdir()) == []
