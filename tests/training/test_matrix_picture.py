"""The picture of a confusion matrix, read back from its pixels."""

import numpy as np
import pytest
from PIL import Image

from kseg.training.matrix_picture import matrix_picture, shares

MATRIX = np.array([[6, 2, 0], [0, 0, 0], [0, 0, 5]])


def test_rows_are_divided_by_the_true_pixels():
    np.testing.assert_allclose(shares(MATRIX)[[0, 2]], [[0.75, 0.25, 0], [0, 0, 1]])
    assert np.isnan(shares(MATRIX)[1]).all()


@pytest.mark.parametrize("count", [3, 45])
def test_a_cell_is_as_dark_as_its_share(count):
    matrix = np.zeros((count, count), int)
    matrix[:3, :3] = MATRIX
    picture = matrix_picture(matrix, [f"class {i}" for i in range(count)])
    assert picture.mode == "RGB" and picture.width == picture.height
    cell = 36 if count == 3 else 12
    margin = picture.width - count * cell
    assert margin > 0
    # Beside the numbers, which stand in the middle.
    pixels = np.asarray(picture)[margin + 3 :: cell, margin + 3 :: cell].astype(int)
    red = pixels[:3, :3, 0]
    np.testing.assert_allclose(
        red[0], [255 - 0.75 * 247, 255 - 0.25 * 247, 255], atol=1
    )
    assert tuple(pixels[2, 2]) == (8, 48, 107)
    assert (pixels[1] == 225).all()


def test_names_stand_beside_and_above():
    blank = np.asarray(matrix_picture(np.eye(2, dtype=int), [" ", "  "]))
    named = matrix_picture(np.eye(2, dtype=int), ["road", "a" * 200])
    margin = named.width - 2 * 36
    assert margin < 24 * 12  # long names are cut
    left = np.asarray(named)[margin : margin + 36, :margin]
    above = np.asarray(named)[:margin, margin : margin + 36]
    assert (left < 128).any() and (above < 128).any()
    # The name above reads from below to above: turned back it is that on the left.
    turned = np.asarray(Image.fromarray(above).transpose(Image.Transpose.ROTATE_270))
    assert (turned < 128).sum() == pytest.approx((left < 128).sum(), rel=0.05)
    assert blank.shape[0] < named.width
