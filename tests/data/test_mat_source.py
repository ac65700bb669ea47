import numpy as np
import pytest
import scipy.io
from PIL import Image

from kseg.data.mat_source import MatSource, read_whole_numbers
from kseg.labels import Labels


@pytest.fixture
def source(tmp_path):
    Image.fromarray(np.full((2, 3, 3), 9, np.uint8)).save(tmp_path / "a.png")
    scipy.io.savemat(tmp_path / "a.mat", {"S": [[1.0, 2, 0], [-1, 2, 1]], "other": 3})
    values = {-1: 255, 0: 255, 1: 0, 2: 1}
    pairs = [(tmp_path / "a.png", tmp_path / "a.mat")]
    return MatSource(pairs, Labels.numbered(2), "S", values)


def test_values_become_ids(source):
    image, mask = source[0]
    assert len(source) == 1 and source.name(0) == "a"
    assert image.shape == (2, 3, 3) and (image == 9).all()
    np.testing.assert_array_equal(mask, [[0, 1, 255], [255, 1, 0]])
    np.testing.assert_array_equal(mask, source.mask(0))
    assert mask.dtype == np.uint8


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ([[1, 2, 3], [0, 0, 0]], r"a\.mat, with \[3\]"),
        ([[1, 2], [0, 0]], r"\(2, 3\).*\(2, 2\)"),
        ([[1, 2.5, 0], [0, 0, 0]], "whole numbers"),
    ],
)
def test_other_arrays_are_errors(source, array, message):
    scipy.io.savemat(source.pairs[0][1], {"S": array})
    with pytest.raises(ValueError, match=message):
        source[0]


def test_broken_files_are_named(source):
    path = source.pairs[0][1]
    scipy.io.savemat(path, {"S": np.arange(900).reshape(30, 30)}, do_compression=True)
    whole = path.read_bytes()
    for content in (b"", b"no MATLAB file at all", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"hold `S`.*a\.mat"):
            source.mask(0)
    scipy.io.savemat(path, {"other": 1})
    with pytest.raises(ValueError, match="hold `S`.*KeyError"):
        read_whole_numbers(path, "S")
