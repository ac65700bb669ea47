"""Whole pictures: what Pillow reads becomes upright RGB; masks get their colours."""

import numpy as np
import pytest
from PIL import Image

from kseg.labels import Labels
from kseg.raster import read_image, write_mask

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
