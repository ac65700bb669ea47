import base64
import io

import numpy as np
import pytest
from PIL import Image

from kseg.data.label_tools.bitmaps import (
    decode_text,
    encode_text,
    from_base64,
    from_png,
    from_runs,
    to_runs,
)


def masks():
    rng = np.random.default_rng(0)
    for share in (0, 0.02, 0.5, 0.98, 1):
        for size in ((1, 1), (7, 3), (60, 90)):
            yield rng.random(size) < share


def test_the_identity_is_as_pycocotools_writes_it():
    mask, text = np.eye(5, 7, dtype=bool), "01500000005"  # of version 2.0.11
    assert encode_text(to_runs(mask.T)) == text
    np.testing.assert_array_equal(from_runs(decode_text(text), 7, 5).T, mask)


def test_masks_are_as_pycocotools_writes_them():
    official = pytest.importorskip("pycocotools.mask")
    for mask in masks():
        code = official.encode(np.asfortranarray(mask.astype(np.uint8)))
        runs = to_runs(mask.T)
        assert encode_text(runs) == code["counts"].decode()
        assert decode_text(code["counts"].decode()) == runs


def test_runs_and_text_come_back():
    for mask in masks():
        runs = to_runs(mask)
        assert all(run > 0 for run in runs[1:]) and sum(runs) == mask.size
        np.testing.assert_array_equal(from_runs(runs, *mask.shape), mask)
        assert decode_text(encode_text(runs)) == runs


def test_runs_of_the_documentation_of_cvat():
    text = (
        "3, 5, 7, 7, 5, 9, 3, 11, 2, 11, 2, 12, 1, 12, 1, 26, 1, 12, 1, 12, 2, 11, 3, "
        "9, 5, 7, 7, 5, 3"
    )
    runs = [int(run) for run in text.split(",")]
    disc = from_runs(runs, 15, 13)
    # A disc: one run in every row and in every column.
    for mask in (disc, disc.T):
        changes = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(int), axis=1)
        assert (np.abs(changes).sum(axis=1) == 2).all()
    assert disc[7].all() and disc[0].tolist() == [0] * 3 + [1] * 5 + [0] * 5
    assert from_runs([2, 3, 1], 2, 3).tolist() == [[0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize("runs", [[4, 5], [5, -1, 6], [11], []])
def test_runs_of_another_sum_are_an_error(runs):
    with pytest.raises(ValueError, match="sum to 2 x 5"):
        from_runs(runs, 2, 5)


@pytest.mark.parametrize("text", ["01 5", "é", "0\x7f"])
def test_another_character_is_an_error(text):
    with pytest.raises(ValueError, match="characters '0' to 'o'"):
        decode_text(text)


def test_a_text_that_ends_within_a_number_is_an_error():
    assert decode_text("b2") == [82]
    with pytest.raises(ValueError, match="whole number"):
        decode_text("b")


def png(image, **options):
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "P", "P transparent", "RGBA", "RGB"])
def test_a_png_is_read_in_the_forms_that_tools_write(mode):
    bits = np.array([[0, 1, 1], [1, 0, 0]], bool)
    options = {}
    if mode == "1":
        image = Image.fromarray(bits)
    elif mode == "L":
        image = Image.fromarray(bits.astype(np.uint8))
    elif mode.startswith("P"):
        image = Image.fromarray(bits.astype(np.uint8))
        image.putpalette([0, 0, 0, 255, 255, 255])
        options = {"transparency": 0} if "transparent" in mode else {}
    elif mode == "RGB":
        image = Image.fromarray(np.repeat(bits[..., None] * np.uint8(255), 3, axis=2))
    else:  # black, and opaque where it is inside
        image = Image.fromarray(bits[..., None] * np.array([0, 0, 0, 255], np.uint8))
    np.testing.assert_array_equal(from_png(png(image, **options)), bits)


def test_broken_codes_are_errors():
    with pytest.raises(ValueError, match="base64 code is broken"):
        from_base64("iVBOR*")
    whole = png(Image.new("L", (20, 20), 1))
    assert from_base64(base64.b64encode(whole).decode()) == whole
    for data in (b"", whole[:40], b"GIF89a"):
        with pytest.raises(ValueError, match="PNG is broken"):
            from_png(data)
