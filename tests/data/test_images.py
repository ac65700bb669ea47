import io
import re

import numpy as np
import pytest
from PIL import Image

from kseg.data import images
from kseg.data.images import read_image, read_mask, write_mask
from kseg.labels import Labels

THREE = Labels(("road", "car", "sky"), ((128, 64, 128), (0, 0, 142), (70, 130, 180)))
ID_MAP = np.array([[0, 1, 2, 255], [2, 1, 0, 0]], np.uint8)
COLORS = {(128, 64, 128): 0, (0, 0, 142): 1, (70, 130, 180): 2, (0, 0, 0): 255}


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def colored(ids=ID_MAP):
    """The mask in the colours of `COLORS`."""
    rgb = np.zeros((*ids.shape, 3), np.uint8)
    for color, identity in COLORS.items():
        rgb[ids == identity] = color
    return rgb


def mode_of(path):
    with Image.open(path) as image:
        return image.mode


def error(function, *arguments, **options):
    with pytest.raises(ValueError) as caught:
        function(*arguments, **options)
    return str(caught.value)


# Masks


def test_a_grey_mask_is_its_values(tmp_path):
    ids = read_mask(save(tmp_path / "m.png", ID_MAP), THREE)
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, ID_MAP)


@pytest.mark.parametrize("transparency", [None, 0, b"\x00\x80"])
def test_a_palette_mask_is_its_indices(tmp_path, transparency):
    image = Image.fromarray(ID_MAP)
    # Colours that would be other ids, were they read as grey.
    image.putpalette([2, 2, 2, 0, 0, 0, 1, 1, 1] + [9, 9, 9] * 253)
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "m.png", **options)
    assert mode_of(tmp_path / "m.png") == "P"
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", THREE), ID_MAP)


def test_a_mask_of_one_bit_is_0_and_1(tmp_path):
    bits = ID_MAP == 1
    Image.fromarray(bits).save(tmp_path / "m.png")
    assert mode_of(tmp_path / "m.png") == "1"
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", THREE), bits)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_16_bit_mask_is_its_values(tmp_path, ending):
    path = save(tmp_path / f"m.{ending}", ID_MAP.astype(np.uint16))
    assert mode_of(path).startswith("I")
    np.testing.assert_array_equal(read_mask(path, THREE), ID_MAP)


def test_more_than_255_classes_are_16_bit(tmp_path):
    labels = Labels.numbered(300, ignore_class=65535)
    ids = np.array([[0, 255, 256], [299, 65535, 7]], np.uint16)
    read = read_mask(save(tmp_path / "m.png", ids), labels)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, ids)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_mask_in_colour_needs_a_colour_map(tmp_path, mode):
    Image.fromarray(colored()).convert(mode).save(tmp_path / "m.png")
    message = error(read_mask, tmp_path / "m.png", THREE)
    assert "needs a colour map" in message
    assert str(tmp_path / "m.png") in message
    assert "4 colours" in message and "(0, 0, 142)" in message
    assert "color_map={class name: [red, green, blue]}" in message


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_colour_map_makes_colours_ids(tmp_path, mode):
    image = Image.fromarray(colored())
    if mode == "P":  # as a program that saves space would write it
        image = image.quantize(8)
        assert (np.asarray(image) != ID_MAP).any()
    image.convert(mode).save(tmp_path / "m.png")
    read = read_mask(tmp_path / "m.png", THREE, COLORS)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, ID_MAP)


def test_a_colour_map_holds_for_grey_masks(tmp_path):
    path = save(tmp_path / "m.png", np.array([[0, 255]], np.uint8))
    color_map = {(0, 0, 0): 0, (255, 255, 255): 1}
    np.testing.assert_array_equal(read_mask(path, THREE, color_map), [[0, 1]])


def test_blended_colours_are_an_error_that_names_them(tmp_path):
    small = Image.fromarray(np.repeat(np.repeat(colored(), 8, 0), 8, 1))
    small.resize((19, 9), Image.Resampling.BILINEAR).save(tmp_path / "m.png")
    message = error(read_mask, tmp_path / "m.png", THREE, COLORS)
    blended = read_image(tmp_path / "m.png").reshape(-1, 3)
    blended = {tuple(color) for color in blended.tolist()} - set(COLORS)
    named = re.findall(r"\((\d+), (\d+), (\d+)\)", message)
    named = {tuple(int(v) for v in color) for color in named}
    assert named and named <= blended
    assert f"{len(blended)} others" in message
    assert "resized or saved as JPEG" in message and "m.png" in message


def test_values_that_are_no_class_are_an_error_that_names_all(tmp_path):
    ids = np.array([[0, 1, 2, 3], [255, 3, 77, 0]], np.uint8)
    message = error(read_mask, save(tmp_path / "bad.png", ids), THREE)
    assert "bad.png" in message and "3, 77 in 37.50%" in message
    assert "['road', 'car', 'sky']" in message
    assert "0 to 2 or the ignore class 255" in message and "values=" in message


def test_only_the_first_of_many_wrong_values_are_shown(tmp_path):
    ids = np.arange(100, dtype=np.uint8)[None]
    message = error(read_mask, save(tmp_path / "m.png", ids), THREE)
    assert "3, 4, 5, 6, 7, 8, 9, 10, ... in 97.00%" in message


def test_another_ignore_class_makes_255_an_error(tmp_path):
    labels = Labels(THREE.names, THREE.colors, ignore_class=11)
    path = save(tmp_path / "m.png", np.array([[0, 11]], np.uint8))
    np.testing.assert_array_equal(read_mask(path, labels), [[0, 11]])
    assert "255 in 50.00%" in error(
        read_mask, save(tmp_path / "n.png", np.array([[0, 255]], np.uint8)), labels
    )


def test_values_translate_also_where_they_overlap(tmp_path):
    path = save(tmp_path / "m.png", np.array([[1, 2, 3, 3], [2, 0, 1, 3]], np.uint8))
    read = read_mask(path, THREE, values={0: 255, 1: 0, 2: 1, 3: 2})
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, [[0, 1, 2, 2], [1, 255, 0, 2]])


def test_values_must_name_every_value(tmp_path):
    path = save(tmp_path / "m.png", np.array([[1, 2, 9]], np.uint8))
    message = error(read_mask, path, THREE, values={1: 0, 2: 1})
    assert "[9] beside {1: 0, 2: 1}" in message and "m.png" in message


def test_a_mask_of_another_mode_is_an_error(tmp_path):
    Image.new("CMYK", (3, 2)).save(tmp_path / "m.tif")
    assert "'CMYK'" in error(read_mask, tmp_path / "m.tif", THREE)


# Images


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


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@pytest.mark.parametrize("read", [read_image, lambda path: read_mask(path, THREE)])
@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp"])
def test_a_truncated_picture_is_an_error_that_names_it(tmp_path, photo, ending, read):
    path = tmp_path / f"cut.{ending}"
    whole = save(path, photo[..., 0] % 3).read_bytes()
    for length in (0, 5, 20, len(whole) // 2, len(whole) - len(whole) // 8):
        path.write_bytes(whole[:length])
        message = error(read, path)
        assert f"cut.{ending}" in message and "whole file" in message


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


# Writing


def test_a_written_mask_reads_back_and_shows_its_colours(tmp_path):
    write_mask(tmp_path / "m.png", ID_MAP.astype(np.int64), THREE)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", THREE), ID_MAP)
    shown = read_image(tmp_path / "m.png")
    np.testing.assert_array_equal(shown[0, :3], THREE.colors)
    np.testing.assert_array_equal(shown[0, 3], [255, 255, 255])
    assert [file.name for file in tmp_path.iterdir()] == ["m.png"]


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

    monkeypatch.setattr(images.Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_mask(path, ID_MAP, THREE)
    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([old] if old else [])


def test_a_mask_survives_every_lossless_format(tmp_path):
    for ending in ("png", "bmp", "tif"):
        buffer = io.BytesIO()
        Image.fromarray(ID_MAP).save(buffer, {"tif": "TIFF"}.get(ending, ending))
        (tmp_path / f"m.{ending}").write_bytes(buffer.getvalue())
        read = read_mask(tmp_path / f"m.{ending}", THREE)
        np.testing.assert_array_equal(read, ID_MAP)
