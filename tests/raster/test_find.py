"""Which images a command line names."""

import pytest

from kseg.raster import find_images


def test_files_and_the_images_of_folders_in_order(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    other = tmp_path / "other.dat"
    other.touch()
    assert [p.name for p in find_images([other, tmp_path])] == [
        "other.dat",
        "a.jpg",
        "b.PNG",
    ]


def test_what_cannot_be_named_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must exist\. Received: .*nowhere"):
        find_images([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match=r"\.webp\)\. Received: .*which holds none"):
        find_images([tmp_path])
    for name in ("a.png", "a.jpg", "b.png"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"1 names that come twice, such as \['a'\]"):
        find_images([tmp_path])
