import io
import random

import numpy as np
import pytest
from PIL import Image

from kseg.raster import SUFFIXES, read_image
from kseg.raster.encoded import FORMATS, TooManyPixels, decode_image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)
ROOM = 10_000


def encoded(picture, form="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format=form, **options)
    return file.getvalue()


def colour(size=(9, 6)):
    return Image.fromarray(PIXELS).resize(size)


def turned():
    """A JPEG whose tag says that it lies on its side."""
    exif = Image.Exif()
    exif[274] = 6
    return encoded(colour(), "JPEG", exif=exif)


WHOLE = {
    "png": encoded(colour()),
    "bmp": encoded(colour(), "BMP"),
    "webp": encoded(colour(), "WEBP"),
    "tiff": encoded(colour(), "TIFF"),
    "jpeg": encoded(colour(), "JPEG"),
    "turned": turned(),
    "cmyk": encoded(colour().convert("CMYK"), "JPEG"),
    "grey16": encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)),
    "transparent": encoded(colour().convert("RGBA")),
    "palette": encoded(colour().convert("P")),
    "one": encoded(colour((1, 1))),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_bytes_are_read_as_a_file_is(kind, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(WHOLE[kind])
    found = decode_image(WHOLE[kind], ROOM)
    np.testing.assert_array_equal(found, read_image(path))
    assert found.shape == {"turned": (9, 6, 3), "one": (1, 1, 3)}.get(kind, (6, 9, 3))
    if kind == "png":
        np.testing.assert_array_equal(found, PIXELS)


def several(form):
    return encoded(colour(), form, save_all=True, append_images=[colour().rotate(180)])


def grey32():
    return encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32)), "TIFF")


BAD = {
    "nothing": (b"", "one of BMP, JPEG"),
    "text": (b"GET / HTTP/1.1", "begin with b'GET / HT'"),
    "gif": (encoded(colour(), "GIF"), "one of BMP"),
    "animated png": (several("PNG"), "several"),
    "animated webp": (several("WEBP"), "several"),
    "pages": (several("TIFF"), "several"),
    "cut png": (WHOLE["png"][:-30], "whole"),
    "cut jpeg": (WHOLE["jpeg"][:-30], "whole"),
    "cut tiff": (WHOLE["tiff"][:-10], "whole"),
    "no pixel": (WHOLE["bmp"][:18] + bytes(8) + WHOLE["bmp"][26:], "one of BMP"),
    "floats": (grey32(), "8 or 16 bits"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_bytes_are_named(kind):
    data, words = BAD[kind]
    with pytest.raises(ValueError, match=words):
        decode_image(data, ROOM)


def test_a_bomb_is_known_by_its_header():
    header = bytearray(WHOLE["bmp"])
    for size in (60_000, 2_000_000_000):  # for us, and for Pillow
        header[18:26] = size.to_bytes(4, "little") * 2
        with pytest.raises(TooManyPixels, match=r"at most 10000 pixels.*\d"):
            decode_image(bytes(header), ROOM)
    with pytest.raises(TooManyPixels, match="6x9, which is 54"):
        decode_image(WHOLE["png"], 53)
    assert decode_image(WHOLE["png"], 54).shape == (6, 9, 3)


def test_previews_in_a_jpeg_are_no_further_pictures():
    data = encoded(colour(), "MPO", save_all=True, append_images=[colour((4, 4))])
    assert decode_image(data, ROOM).shape == (6, 9, 3)


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what is broken
def test_any_bytes_give_an_image_or_a_sentence():
    rng = random.Random(0)
    refused = 0
    for _ in range(600):
        data = bytearray(rng.choice(list(WHOLE.values())))
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        try:
            image = decode_image(data, ROOM)
        except ValueError as error:
            refused += 1
            assert str(error).startswith("A picture must")
        else:
            assert image.dtype == np.uint8 and 0 < image[..., 0].size <= ROOM
    assert 100 < refused < 600


def test_the_formats_are_those_of_files():
    known = Image.registered_extensions()
    assert {known[suffix] for suffix in SUFFIXES} == set(FORMATS)
