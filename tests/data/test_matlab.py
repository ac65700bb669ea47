import numpy as np
import pytest
import scipy.io

from kseg.data.matlab import read_matlab


def take(file):
    return file["truth"][0]["mask"][0]


def read(path):
    return read_matlab(path, take, "`truth` with a `mask`")


def test_an_array_in_a_structure_is_read(tmp_path):
    mask = np.arange(6, dtype=np.uint8).reshape(2, 3)
    scipy.io.savemat(tmp_path / "a.mat", {"truth": {"mask": mask}})
    np.testing.assert_array_equal(read(tmp_path / "a.mat"), mask)


def test_another_structure_is_an_error_and_a_missing_file_another(tmp_path):
    path = tmp_path / "a.mat"
    with pytest.raises(FileNotFoundError):
        read(path)
    for content in ({"other": 1}, {"truth": 1}, {"truth": {"other": 1}}):
        scipy.io.savemat(path, content)
        with pytest.raises(ValueError, match="hold `truth` with a `mask`.*a.mat"):
            read(path)
    whole = path.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], b"MATLAB 7.3 MAT-file" + bytes(200)):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="a.mat, of which SciPy says"):
            read(path)
