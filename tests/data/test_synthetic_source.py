import numpy as np
import pytest

from kseg.data import Examples, open_source

pytest.importorskip("tensorflow_datasets")

from kseg.data import synthetic_builder
from kseg.data.synthetic import LABELS, scene

TINY = {"num_train": 3, "num_val": 2, "size": (48, 64), "scene_seed": 5}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A cache folder in which the tiny data set is prepared."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("KSEG_HOME", str(folder))
        open_source("synthetic", "train", **TINY)
        yield folder


@pytest.mark.parametrize(
    ("split", "drawn", "count"), [("train", "train", 3), ("val", "validation", 2)]
)
def test_the_examples_are_the_scenes(home, split, drawn, count):
    source = open_source("synthetic", split, **TINY)
    assert len(source) == count and source.labels == LABELS
    for index in reversed(range(count)):
        image, mask = source[index]
        expected_image, expected_mask = scene(index, drawn, seed=5, size=(48, 64))
        np.testing.assert_array_equal(image, expected_image)
        np.testing.assert_array_equal(mask, expected_mask)
        np.testing.assert_array_equal(source.mask(index), expected_mask)
        assert mask.shape == (48, 64) and mask.dtype == np.uint8


def test_the_scenes_are_drawn_once(home, monkeypatch):
    monkeypatch.setattr(synthetic_builder, "scene", None)
    assert len(open_source("synthetic", "val", **TINY)) == 2


def test_other_options_are_other_scenes(home):
    options = {**TINY, "num_train": 1, "num_val": 1, "scene_seed": 6}
    other = open_source("synthetic", "train", **options)
    assert len(other) == 1
    first = open_source("synthetic", "train", **TINY)[0][0]
    assert not np.array_equal(other[0][0], first)


def test_the_cache_is_ksegs_or_the_one_given(home, tmp_path):
    assert list((home / "tfds").iterdir())
    source = open_source(
        "synthetic", "val", num_train=1, num_val=1, size=[48, 64], data_dir=tmp_path
    )
    assert len(source) == 1 and list(tmp_path.iterdir())


def test_there_is_no_test_split(home):
    with pytest.raises(ValueError, match="must be 'train' or 'val'. Received: 'test'"):
        open_source("synthetic", "test", **TINY)


def test_it_feeds(home):
    images, masks = Examples(
        open_source("synthetic", "val", **TINY), (40, 64), 2
    ).batch(0)
    assert images.shape == (2, 40, 64, 3)
    assert set(np.unique(masks)) <= {*range(9), 255}
