import numpy as np
import pytest
from array_source import ArraySource

from kseg.data import FileSource, open_source, prepare, write_folder
from kseg.labels import Labels

pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Forty files, more than a worker reads at a time."""
    pytest.importorskip("apache_beam")
    rng = np.random.default_rng(0)
    pairs = [
        (
            rng.integers(0, 256, (5, 4 + i, 3)).astype(np.uint8),
            rng.choice([0, 1, 2, 255], (5, 4 + i)).astype(np.uint8),
        )
        for i in range(40)
    ]
    path = tmp_path_factory.mktemp("beam")
    write_folder(path, "train", ArraySource(pairs, Labels.numbered(3)))
    return open_source("folder", "train", path=path)


def contents(folder):
    """The files of a folder by name, without the sizes that TFDS notes."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name != "dataset_info.json"
    }


def test_beam_writes_what_one_process_writes(source, tmp_path):
    sources = {"train": source, "val": FileSource(source.pairs[:3], source.labels)}
    prepare(sources, tmp_path / "one", num_shards=1)
    written = prepare(sources, tmp_path / "beam", num_shards=1, beam_options=[])
    assert contents(tmp_path / "beam") == contents(tmp_path / "one")
    assert (written["train"].examples, written["val"].examples) == (40, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beam", "one"]


def test_beam_keeps_the_order_over_many_files(source, tmp_path):
    options = ["runner=DirectRunner", "direct_num_workers=1"]
    prepare({"train": source}, tmp_path / "out", num_shards=7, beam_options=options)
    assert len(list((tmp_path / "out").glob("*.array_record-*"))) == 7
    found = open_source("prepared", "train", path=tmp_path / "out")
    assert [found.name(i) for i in range(40)] == [source.name(i) for i in range(40)]
    for index in range(40):
        for one, two in zip(found[index], source[index], strict=True):
            np.testing.assert_array_equal(one, two)


def test_an_example_that_is_broken_stops_beam_by_name(source, tmp_path):
    broken = FileSource(
        [*source.pairs[:2], (tmp_path / "none.png", source.pairs[2][1])], source.labels
    )
    with pytest.raises((OSError, ValueError), match="'none', example 2 of train"):
        prepare({"train": broken}, tmp_path / "out", beam_options=[])
    assert list(tmp_path.iterdir()) == []
