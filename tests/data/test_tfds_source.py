import numpy as np
import pytest

from kseg.data import Examples, open_source
from kseg.labels import Labels

tfds = pytest.importorskip("tensorflow_datasets")

OPTIONS = {"dataset": "kseg_tiny_scenes", "classes": 3}
COUNTS = {"train": 8, "validation": 3, "extra": 2}


def image(number):
    return np.random.default_rng(number).integers(0, 256, (6, 9, 3)).astype(np.uint8)


def mask(number):
    ids = np.random.default_rng(100 + number).integers(1, 4, (6, 9))
    return ids.astype(np.uint8)


class KsegTinyScenes(tfds.core.GeneratorBasedBuilder):
    """Pictures of noise whose masks hold 1, 2 and 3, as oxford_iiit_pet's do."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        picture = tfds.features.Image
        features = {
            "image": picture(shape=(None, None, 3)),
            "segmentation_mask": picture(shape=(None, None, 1)),
            "grey": picture(shape=(None, None, 1)),
            "number": np.int64,
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        splits = COUNTS.items()
        return {name: self._generate_examples(10 * len(name), n) for name, n in splits}

    def _generate_examples(self, first, count):
        for number in range(first, first + count):
            example = {
                "image": image(number),
                "segmentation_mask": mask(number)[..., None],
                "grey": image(number)[..., :1],
                "number": number,
            }
            yield number, example


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder that the data set is prepared in, without the network."""
    folder = str(tmp_path_factory.mktemp("tfds"))
    open_source("tfds", "train", values={1: 0, 2: 1, 3: 2}, data_dir=folder, **OPTIONS)
    return folder


def open_tiny(data_dir, split="train", **options):
    options = {"values": {1: 0, 2: 1, 3: 2}, **OPTIONS, **options}
    return open_source("tfds", split, data_dir=data_dir, **options)


def numbers(source):
    """Which picture each example of a source is."""
    known = {image(n).tobytes(): n for n in range(120)}
    return [known[source[index][0].tobytes()] for index in range(len(source))]


def test_a_split_is_read_by_random_access(data_dir):
    source = open_tiny(data_dir)
    assert len(source) == 8
    order = numbers(source)
    assert sorted(order) == list(range(50, 58))
    for index in (7, 0, 3, 3):
        picture, ids = source[index]
        np.testing.assert_array_equal(picture, image(order[index]))
        np.testing.assert_array_equal(ids, mask(order[index]) - 1)
        np.testing.assert_array_equal(source.mask(index), ids)
        assert ids.dtype == np.uint8
    assert source.name(7) == "000007"


def test_val_is_called_validation(data_dir):
    assert sorted(numbers(open_tiny(data_dir, "val"))) == [100, 101, 102]


def test_other_splits_and_parts_of_splits(data_dir):
    assert sorted(numbers(open_tiny(data_dir, "extra"))) == [50, 51]
    splits = {"train": "train[:75%]", "val": "train[75%:]", "all": "train+validation"}
    train, val = (open_tiny(data_dir, s, splits=splits) for s in ("train", "val"))
    assert (len(train), len(val)) == (6, 2)
    assert sorted(numbers(train) + numbers(val)) == list(range(50, 58))
    assert len(open_tiny(data_dir, "all", splits=splits)) == 11


def test_the_classes_by_name_and_number(data_dir):
    assert open_tiny(data_dir).labels == Labels.numbered(3)
    names = ["pet", "background", "outline"]
    source = open_tiny(data_dir, classes=names, ignore_class=77)
    assert source.labels == Labels.named(names, 77)


def test_values_make_void_and_may_come_from_json(data_dir):
    values = {"1": 1, "2": 0, "3": 255}
    source = open_tiny(data_dir, classes=2, values=values)
    expected = np.array([0, 1, 0, 255])[mask(numbers(source)[5])]
    np.testing.assert_array_equal(source.mask(5), expected)


def test_without_values_the_numbers_must_be_ids(data_dir):
    assert set(np.unique(open_tiny(data_dir, values=None, classes=4).mask(0))) == {
        1, 2, 3,
    }  # fmt: skip
    with pytest.raises(ValueError, match="000000, with 3 in"):
        open_tiny(data_dir, values=None).mask(0)
    with pytest.raises(ValueError, match=r"000000, with \[2\]"):
        open_tiny(data_dir, values={1: 0, 3: 1}).mask(0)


def test_other_features(data_dir):
    source = open_tiny(data_dir, image_key="grey")
    number = numbers(open_tiny(data_dir))[2]
    expected = np.repeat(image(number)[..., :1], 3, axis=2)
    np.testing.assert_array_equal(source[2][0], expected)


@pytest.mark.parametrize("key", ["image_key", "mask_key"])
def test_a_missing_feature_is_an_error(data_dir, key):
    known = r"\['grey', 'image', 'number', 'segmentation_mask'\]"
    with pytest.raises(ValueError, match=f"'depth'; it has {known}"):
        open_tiny(data_dir, **{key: "depth"})


@pytest.mark.parametrize("split", ["test", "train[:50%]+test", "train[:x]"])
def test_a_missing_split_is_an_error(data_dir, split):
    with pytest.raises(ValueError, match=r"it has \['extra', 'train', 'val.*splits="):
        open_tiny(data_dir, split)


def test_an_unknown_data_set_is_an_error(data_dir):
    with pytest.raises(ValueError, match="kseg_tiny_scene not found"):
        open_tiny(data_dir, dataset="kseg_tiny_scene")


def test_a_prepared_data_set_is_not_prepared_again(data_dir, monkeypatch):
    monkeypatch.setattr(KsegTinyScenes, "_generate_examples", None)
    assert len(open_tiny(data_dir)) == 8


def test_it_feeds(data_dir):
    images, masks = Examples(open_tiny(data_dir, "val"), (6, 9), 2).batch(1)
    assert images.shape == (2, 6, 9, 3)
    assert (masks[0] < 3).all() and (masks[1] == 255).all()
