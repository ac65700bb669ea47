"""Whole pictures: what Pillow reads becomes upright RGB; masks get their colours."""

import numpy as np
import pytest
from PIL import Image

from kseg.labels import Labels
from kseg.raster import count_pages, picture_size, read_image, write_mask

THREE = Labels(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))
ID_MAP = np.array([[0, 1, 2, 255], [2, 1, 0, 0]], np.uint8)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def error(function, *arguments):
    with pytest.raises(ValueError) as caught:
        function(*arguments)
    return str(caught.value)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_an_image_is_rgb(tmp_path, photo, ending):
    read = read_image(save(tmp_path / f"i.{ending}", photo))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, photo)


def test_transparency_is_dropped_not_blended(tmp_path, photo):
    alpha = np.random.default_rng(1).integers(0, 256, (20, 30, 1)).astype(np.uint8)
    path = save(tmp_path / "i.png", np.concatenate([photo, alpha], axis=2))
    np.testing.assert_array_equal(read_image(path), photo)


@pytest.mark.parametrize("transparency", [None, 2, b"\x00\x40\x80"])
def test_a_palette_image_is_its_colours(tmp_path, transparency):
    image = Image.fromarray(ID_MAP % 3)
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "i.png", **options)
    expected = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])[ID_MAP % 3]
    np.testing.assert_array_equal(read_image(tmp_path / "i.png"), expected)


def test_grey_images_have_three_equal_channels(tmp_path, photo):
    read = read_image(save(tmp_path / "i.png", photo[..., 0]))
    np.testing.assert_array_equal(read, np.repeat(photo[..., :1], 3, axis=2))


def test_16_bit_grey_is_scaled_to_8(tmp_path):
    grey = np.array([[0, 128, 129], [257 * 250, 65534, 65535]], np.uint16)
    read = read_image(save(tmp_path / "i.png", grey))
    np.testing.assert_array_equal(read[..., 0], [[0, 0, 1], [250, 255, 255]])


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_the_cameras_orientation_is_applied(tmp_path, photo, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "i.png", photo, exif=exif)
    np.testing.assert_array_equal(read_image(path), upright(photo))


def test_a_broken_header_is_an_error_that_names_the_file(tmp_path, photo):
    path = save(tmp_path / "i.png", photo)
    whole = bytearray(path.read_bytes())
    whole[11] = 5  # the length of the header chunk
    path.write_bytes(whole)
    assert "i.png" in error(read_image, path)


def test_what_is_no_picture_is_an_error_that_names_it(tmp_path):
    (tmp_path / "notes.png").write_text("<html>404</html>")
    assert "notes.png" in error(read_image, tmp_path / "notes.png")
    with pytest.raises(FileNotFoundError, match="absent.png"):
        read_image(tmp_path / "absent.png")


def test_a_picture_beyond_pillows_limit_names_the_way_out(tmp_path, photo, monkeypatch):
    path = save(tmp_path / "i.png", photo)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 299)
    message = error(read_image, path)
    assert "i.png" in message and "600 pixels" in message and "tiled TIFF" in message


def test_ids_beyond_a_palette_are_an_error(tmp_path):
    for ids in ([[0, 256]], [[-1, 0]]):
        assert "0 to 255" in error(write_mask, tmp_path / "m.png", np.array(ids), THREE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", [b"the old file", None])
def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, old):
    path = tmp_path / "m.png"
    if old:
        path.write_bytes(old)

    def full_disk(self, file, **options):
        with open(file, "wb") as half:
            half.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_mask(path, ID_MAP, THREE)
    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([old] if old else [])


def test_a_mask_of_floats_is_refused(tmp_path):
    message = error(write_mask, tmp_path / "m.png", ID_MAP / 2, THREE)
    assert "integers. Received: float64" in message


def test_of_more_classes_than_a_palette_holds_the_first_have_colours(tmp_path):
    labels = Labels.numbered(300)
    write_mask(tmp_path / "m.png", ID_MAP, labels)
    with Image.open(tmp_path / "m.png") as mask:
        colors = [c for rgb in labels.colors[:256] for c in rgb]
        assert mask.getpalette() == colors
        np.testing.assert_array_equal(mask, ID_MAP)


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint32"])
def test_numbers_of_32_bits_are_refused(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "i.tif", ID_MAP.astype(dtype))
    mode = "F" if dtype == "float32" else "I"
    message = error(read_image, tmp_path / "i.tif")
    assert "i.tif" in message and f"mode '{mode}'" in message


def test_16_bits_that_pillow_holds_in_32_are_scaled(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    grey = np.array([[0, 129, 32767]], np.int16)
    tifffile.imwrite(tmp_path / "i.tif", grey)
    assert read_image(tmp_path / "i.tif")[..., 0].tolist() == [[0, 1, 127]]
    tifffile.imwrite(tmp_path / "n.tif", -grey)
    assert "not negative. Received" in error(read_image, tmp_path / "n.tif")
    grey = np.array([[0, 129, 65535]], ">u2")
    (tmp_path / "i.pgm").write_bytes(b"P5\n3 1\n65535\n" + grey.tobytes())
    assert read_image(tmp_path / "i.pgm")[..., 0].tolist() == [[0, 1, 255]]


# Bands, pages and sizes


@pytest.fixture
def tifffile():
    return pytest.importorskip("tifffile")


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_bands_are_chosen_and_scaled(tmp_path, tifffile, planar, dtype):
    bands = np.random.default_rng(0).integers(0, 200, (5, 7, 6)).astype(dtype)
    stored = bands if planar == "contig" else np.moveaxis(bands, -1, 0)
    options = {"photometric": "minisblack", "planarconfig": planar}
    tifffile.imwrite(tmp_path / "i.tif", stored, **options)
    read = read_image(tmp_path / "i.tif", channels=(5, 0, 3), value_range=(50, 150))
    low, high = bands[..., [5, 0, 3]] <= 50, bands[..., [5, 0, 3]] >= 150
    assert (read[low] == 0).all() and (read[high] == 255).all()
    expected = (bands[..., [5, 0, 3]].astype(float) - 50) * 2.55
    assert np.abs(read - np.clip(expected, 0, 255)).max() <= 0.5
    assert "`channels`" in error(read_image, tmp_path / "i.tif")
    assert "6 bands" in error(lambda: read_image(tmp_path / "i.tif", 0, None, (0, 9)))
    assert "from 0" in error(lambda: read_image(tmp_path / "i.tif", channels=(1, 2, 6)))
    assert "lower" in error(
        lambda: read_image(tmp_path / "i.tif", 0, (0, 1, 2), (9, 9))
    )
    if dtype == "float32":
        message = error(lambda: read_image(tmp_path / "i.tif", channels=(0, 1, 2)))
        assert "float32" in message and "`value_range=(low, high)`" in message


def test_a_range_brightens_other_pictures_too(tmp_path, photo):
    path = save(tmp_path / "i.png", photo)
    read = read_image(path, channels=(2, 1, 0), value_range=(0, 51))
    expected = np.clip(photo[..., ::-1].astype(int) * 5, 0, 255)
    np.testing.assert_array_equal(read, expected)
    grey = save(tmp_path / "g.png", photo[..., 0])
    read = read_image(grey, value_range=(0, 255))
    np.testing.assert_array_equal(read, np.repeat(photo[..., :1], 3, axis=2))


def test_what_is_no_number_becomes_0(tmp_path, tifffile):
    tifffile.imwrite(
        tmp_path / "i.tif", np.array([[np.nan, np.inf, -np.inf, 0.5]], "f4")
    )
    read = read_image(tmp_path / "i.tif", value_range=(0, 1))
    assert read[0, :, 0].tolist() == [0, 255, 0, 128]


def test_pages(tmp_path, tifffile):
    stack = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")
    assert count_pages(tmp_path / "s.tif") == 4
    for page in range(4):
        for options in ({}, {"value_range": (0, 255)}):
            read = read_image(tmp_path / "s.tif", page, **options)
            np.testing.assert_array_equal(read[..., 0], stack[page])
    assert "s.tif" in error(lambda: read_image(tmp_path / "s.tif", 4))
    assert count_pages(save(tmp_path / "i.png", stack[0])) == 1
    tifffile.imwrite(
        tmp_path / "b.tif", np.zeros((3, 4, 5, 7)), photometric="minisblack"
    )
    assert count_pages(tmp_path / "b.tif") >= 3


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "LA", "YCbCr", "1"])
def test_other_modes_become_rgb(tmp_path, photo, mode):
    ending = "tif" if mode in ("CMYK", "YCbCr") else "png"
    image = Image.fromarray(photo).convert(mode)
    image.save(tmp_path / f"i.{ending}")
    read = read_image(tmp_path / f"i.{ending}").astype(int)
    grey = np.asarray(Image.fromarray(photo).convert("L"))[..., None]
    expected = grey if mode == "LA" else photo
    if mode == "1":
        expected = 255 * np.asarray(image)[..., None].astype(int)
    assert np.abs(read - expected).max() <= 3


@pytest.mark.parametrize("shape", [(1, 1), (1, 30000), (3, 30000), (30000, 1)])
def test_sizes_at_the_edge(tmp_path, shape):
    grey = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    path = save(tmp_path / "i.png", grey)
    np.testing.assert_array_equal(read_image(path)[..., 1], grey)
    assert picture_size(path) == shape


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_a_size_is_that_of_the_upright_picture(tmp_path, photo, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"i.{ending}", photo, exif=exif)
    assert picture_size(path) == read_image(path).shape[:2]
