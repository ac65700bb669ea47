"""What tests share: the reference data beside the repository, and a tiny data set."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def reference():
    """The folder of reference data and weights; tests that want it skip without."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the reference data (../shared/data) is not there")
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """A folder of six training and three validation street scenes of 48x64."""
    from kseg.data.synthetic import write_folder

    path = tmp_path_factory.mktemp("data") / "scenes"
    write_folder(path, num_train=6, num_validation=3, size=(48, 64))
    return path
