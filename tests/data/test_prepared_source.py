import pickle

import numpy as np
import pytest
from array_source import numbered

from kseg.data import Examples, open_source, prepare

pytest.importorskip("tensorflow_datasets")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A prepared folder of two splits; masks of `val` are 10 examples' numbers."""
    path = tmp_path_factory.mktemp("prepared") / "folder"
    prepare({"train": numbered(4), "val": numbered(10)}, path, num_shards=3)
    return path


def numbers(source):
    """Which example of `numbered` each is."""
    return [int(source.mask(index)[0, 0]) for index in range(len(source))]


def test_splits_and_parts_of_splits(folder):
    found = {
        split: numbers(open_source("prepared", split, path=str(folder)))
        for split in ("train", "val", "val[:30%]", "val[7:]")
    }
    assert list(found.values()) == [
        [*range(4)],
        [*range(10)],
        [0, 1, 2],
        [7, 8, 9],
    ]


def test_a_mask_does_not_decode_the_image(folder, monkeypatch):
    source = open_source("prepared", "val", path=folder)
    record = {**source.records[3], "image": b"no picture"}
    monkeypatch.setattr(type(source), "_record", lambda self, index: record)
    assert (source.mask(3) == 3).all() and source.name(3) == "3"


def test_another_process_gets_it_by_pickle(folder):
    source = pickle.loads(pickle.dumps(open_source("prepared", "val", path=folder)))
    assert numbers(source) == list(range(10))


def test_it_feeds(folder):
    source = open_source("prepared", "val", path=folder)
    expected = Examples(numbered(10), (8, 10), 4)
    for step in range(3):
        for one, two in zip(
            Examples(source, (8, 10), 4).batch(step), expected.batch(step), strict=True
        ):
            np.testing.assert_array_equal(one, two)


def test_a_missing_split_is_an_error_with_those_there(folder):
    for split in ("test", "val[:x]", "train+test"):
        with pytest.raises(ValueError, match=r"has \['train', 'val'\]") as caught:
            open_source("prepared", split, path=folder)
        assert f"Received: {split!r}" in str(caught.value)


def test_another_folder_is_an_error(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="without dataset_info.json"):
        open_source("prepared", "val", path=tmp_path / "nowhere")
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="without labels.json"):
        open_source("prepared", "val", path=tmp_path)


def test_tfrecords_are_for_others(tmp_path):
    pytest.importorskip("tensorflow")
    prepare({"val": numbered(2)}, tmp_path / "out", "tfrecord")
    with pytest.raises(ValueError, match="of tfrecord. Prepare it with `--format arr"):
        open_source("prepared", "val", path=tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 70_000])
def test_a_broken_file_is_an_error_that_names_it(tmp_path, keep):
    prepare({"val": numbered(3)}, tmp_path / "out")
    (file,) = (tmp_path / "out").glob("*.array_record-*")
    data = bytearray(file.read_bytes())
    data[100:400] = bytes(300)
    file.write_bytes(data[: keep or len(data)])
    source = open_source("prepared", "val", path=tmp_path / "out")
    with pytest.raises(ValueError, match="record 0 in val of .*/out, of which"):
        source[0]
