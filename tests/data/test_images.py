import io
import re

import numpy as np
import pytest
from PIL import Image

from kseg.data.images import read_mask, translate
from kseg.labels import Labels
from kseg.raster import read_image, write_mask

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


def test_a_colour_map_is_the_one_that_was_given(tmp_path):
    """Tables are kept: another map of the same colours must not get this one's."""
    path = save(tmp_path / "m.png", colored())
    for turn in range(3):
        ids = {color: (i + turn) % 3 if i < 255 else 255 for color, i in COLORS.items()}
        expected = np.where(ID_MAP == 255, 255, (ID_MAP.astype(int) + turn) % 3)
        np.testing.assert_array_equal(read_mask(path, THREE, ids), expected)
        np.testing.assert_array_equal(read_mask(path, THREE, COLORS), ID_MAP)


def test_colours_are_read_without_sorting_pixels(tmp_path, monkeypatch):
    path = save(tmp_path / "m.png", colored())
    monkeypatch.setattr(np, "unique", None)
    np.testing.assert_array_equal(read_mask(path, THREE, COLORS), ID_MAP)


def test_every_corner_of_the_colours_is_told_apart(tmp_path):
    """The same three values in another order are another colour."""
    values = np.array([0, 1, 255], np.uint8)
    colors = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(-1, 3)
    color_map = {tuple(color): i for i, color in enumerate(colors.tolist())}
    path = save(tmp_path / "m.png", colors[None])
    ids = read_mask(path, Labels.numbered(27), color_map)
    np.testing.assert_array_equal(ids, np.arange(27)[None])


@pytest.mark.parametrize("color", [(0, 0, 256), (-1, 0, 0)])
def test_a_colour_that_is_none_is_an_error(tmp_path, color):
    path = save(tmp_path / "m.png", colored())
    assert str(color) in error(read_mask, path, THREE, {**COLORS, color: 1})


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


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("shape", [(40,), (6, 7), (9, 30, 20)])
def test_values_translate_arrays_of_any_type_and_shape(dtype, shape):
    ids = np.random.default_rng(0).integers(0, 4, shape)[..., ::2].astype(dtype)
    values = {0: 300, 1: 0, 2: 1, 3: 2, 999: 7}
    found = translate(ids, values, "a mask")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.array([300, 0, 1, 2])[ids.astype(int)])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_translated_values_must_be_named(dtype):
    ids = np.array([[0, 5], [3, 3]], dtype)
    message = error(translate, ids, {0: 1, 4: 2}, "a mask")
    assert "a mask, with [3, 5] beside {0: 1, 4: 2}" in message


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


# Writing


def test_a_written_mask_reads_back_and_shows_its_colours(tmp_path):
    write_mask(tmp_path / "m.png", ID_MAP.astype(np.int64), THREE)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", THREE), ID_MAP)
    shown = read_image(tmp_path / "m.png")
    np.testing.assert_array_equal(shown[0, :3], THREE.colors)
    np.testing.assert_array_equal(shown[0, 3], [255, 255, 255])
    assert [file.name for file in tmp_path.iterdir()] == ["m.png"]


def test_a_mask_survives_every_lossless_format(tmp_path):
    for ending in ("png", "bmp", "tif"):
        buffer = io.BytesIO()
        Image.fromarray(ID_MAP).save(buffer, {"tif": "TIFF"}.get(ending, ending))
        (tmp_path / f"m.{ending}").write_bytes(buffer.getvalue())
        read = read_mask(tmp_path / f"m.{ending}", THREE)
        np.testing.assert_array_equal(read, ID_MAP)
