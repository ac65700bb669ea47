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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Gives a process a file at a time, and of the registry's tests a network.

    Only with `-n`: what a module builds once, such as a network, is then built once.
    """
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        network = given.get("name", given.get("model"))
        shared = item.path.stem.startswith("test_every_") and isinstance(network, str)
        group = f"{item.path}-{network}" if shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
