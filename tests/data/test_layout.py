import pytest

from kseg.data.camvid import CARD as CAMVID
from kseg.data.isbi2012 import CARD as ISBI
from kseg.data.layout import check_counts, check_split, complete, find_root, read_list


def test_the_nearest_folder_with_the_marker_is_the_root(tmp_path):
    (tmp_path / "kit" / "set" / "lists").mkdir(parents=True)
    below = ("set", "kit/set")
    for given in ("", "kit", "kit/set"):
        root = find_root(CAMVID, tmp_path / given, "lists", below)
        assert root == tmp_path / "kit" / "set"
    (tmp_path / "lists").mkdir()
    assert find_root(CAMVID, str(tmp_path), "lists", below) == tmp_path


def test_without_the_marker_the_error_says_how_to_get_the_data_set(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        find_root(CAMVID, tmp_path, "lists", ("set",))
    assert str(tmp_path) in str(caught.value)
    assert "lists or set/lists. Without `path` it is downloaded." in str(caught.value)
    with pytest.raises(FileNotFoundError, match="downloads.imagej.net"):
        find_root(ISBI, tmp_path, "lists")
    with pytest.raises(ValueError, match="Received: None. .*downloads.imagej.net"):
        find_root(ISBI, None, "lists")


def test_a_split_is_one_of_the_cards():
    check_split(CAMVID, "val")
    with pytest.raises(ValueError, match=r"\['train', 'val'\]. Received: 'Val'"):
        check_split(CAMVID, "Val")


def test_a_list_is_read_by_words(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"# name id\r\n\r\na_1 3\r\n  b_2\t4 \r\n")
    assert read_list(path) == [["a_1", "3"], ["b_2", "4"]]
    with pytest.raises(FileNotFoundError, match="list of a split.*train.txt"):
        read_list(tmp_path / "train.txt")


def test_pairs_are_complete_or_the_missing_named(tmp_path):
    pairs = [(tmp_path / f"{i}.jpg", tmp_path / f"{i}.png") for i in range(5)]
    for pair in pairs:
        for path in pair:
            path.write_bytes(b"")
    assert complete(pairs) == pairs
    pairs[3][1].unlink()
    with pytest.raises(ValueError, match="5 pairs, of which 1 files.*3.png"):
        complete(pairs)
    with pytest.raises(ValueError, match="0 pairs"):
        complete([])


def test_counts_are_those_published():
    def open_split(split):
        if split == "test":
            raise FileNotFoundError
        return range({"train": 3, "val": 2}[split])

    check_counts("The set", {"train": 3, "val": 2}, open_split)
    for wrong in ({"train": 3, "val": 1}, {"train": 3, "test": 1}):
        with pytest.raises(ValueError, match="The set must hold {'train': 3.*'train'"):
            check_counts("The set", wrong, open_split)
