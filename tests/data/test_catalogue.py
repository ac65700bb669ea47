import numpy as np
import pytest
from PIL import Image

from kseg.data import names, open_source
from kseg.data.catalogue import option_names


def test_the_names_are_sorted_and_open():
    assert names() == sorted(set(names()))
    assert {"camvid", "folder", "synthetic", "tfds", "voc2012"} < set(names())
    for name in names():
        assert "split" not in option_names(name)


def test_the_options_are_those_of_the_function():
    assert option_names("camvid") == ["path", "url"]
    assert {"path", "classes", "color_map", "values"} <= set(option_names("folder"))


def test_a_data_set_is_opened_by_name_and_options(tmp_path):
    for kind, array in (("images", np.zeros((2, 3, 3))), ("masks", np.ones((2, 3)))):
        (tmp_path / "val" / kind).mkdir(parents=True)
        image = Image.fromarray(array.astype(np.uint8))
        image.save(tmp_path / "val" / kind / "a.png")
    source = open_source("folder", "val", path=tmp_path, classes=["road", "car"])
    assert len(source) == 1 and source.labels.names == ("road", "car")
    assert (source.mask(0) == 1).all()


@pytest.mark.parametrize("function", [option_names, lambda n: open_source(n, "train")])
def test_an_unknown_name_is_an_error_with_the_nearest(function):
    with pytest.raises(ValueError, match=r"\['ade20k', .*'CamVid'.*mean 'camvid'"):
        function("CamVid")
    with pytest.raises(ValueError, match=r"Received: 'imagenet'\.$"):
        function("imagenet")


def test_an_unknown_option_is_an_error_with_the_nearest(tmp_path):
    with pytest.raises(
        ValueError, match="option of data set 'folder' must be"
    ) as caught:
        open_source("folder", "train", path=tmp_path, color_maps={})
    assert "Received: 'color_maps'. Did you mean 'color_map'?" in str(caught.value)
    with pytest.raises(ValueError, match=r"must be one of \['path', 'url'\]"):
        open_source("camvid", "train", classes=11)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    for kind in ("images", "masks"):
        (tmp_path / "set" / "val" / kind).mkdir(parents=True)
        image = Image.fromarray(np.zeros((2, 3), np.uint8))
        image.save(tmp_path / "set" / "val" / kind / "a.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert len(open_source("folder", "val", path="~/set", classes=["road"])) == 1
