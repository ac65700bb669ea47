import numpy as np
import pytest
from PIL import Image

from kseg.data.pairing import pair_files
from kseg.data.sources import FileSource, TfdsSource
from kseg.labels import Labels

LABELS = Labels.named(["road", "car", "sky"])


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)
    return path


def save_pair(root, name, value=0, image_ending="png", size=(4, 6)):
    save(root / "images" / f"{name}.{image_ending}", np.full((*size, 3), 9 * value))
    save(root / "masks" / f"{name}.png", np.full(size, value))


# FileSource


def test_a_file_source_reads_any_pair(tmp_path):
    for value, name in enumerate(("a", "b", "c")):
        save_pair(tmp_path, name, value)
    source = FileSource(pair_files(tmp_path / "images", tmp_path / "masks"), LABELS)
    assert len(source) == 3
    for index in (2, 0, 1):
        image, mask = source[index]
        assert image.shape == (4, 6, 3) and mask.shape == (4, 6)
        assert (image == 9 * index).all() and (mask == index).all()
        np.testing.assert_array_equal(source.mask(index), mask)
        assert source.name(index) == "abc"[index]


def test_a_mask_is_read_without_its_image(tmp_path):
    mask = save(tmp_path / "m.png", [[0, 1], [2, 255]])
    source = FileSource([(tmp_path / "absent.png", mask)], LABELS)
    np.testing.assert_array_equal(source.mask(0), [[0, 1], [2, 255]])


def test_image_and_mask_of_different_size_are_an_error(tmp_path):
    image = save(tmp_path / "i.png", np.zeros((4, 6, 3)))
    mask = save(tmp_path / "m.png", np.zeros((6, 4)))
    source = FileSource([(image, mask)], LABELS)
    with pytest.raises(
        ValueError, match=r"i\.png of \(4, 6\) and .*m\.png of \(6, 4\)"
    ):
        source[0]


def test_a_file_source_hands_on_colours_and_values(tmp_path):
    image = save(tmp_path / "i.png", np.zeros((1, 2, 3)))
    colored = save(tmp_path / "c.png", [[[1, 2, 3], [4, 5, 6]]])
    source = FileSource([(image, colored)], LABELS, {(1, 2, 3): 2, (4, 5, 6): 255})
    np.testing.assert_array_equal(source[0][1], [[2, 255]])
    other = save(tmp_path / "v.png", [[100, 200]])
    source = FileSource([(image, other)], LABELS, values={100: 1, 200: 0})
    np.testing.assert_array_equal(source[0][1], [[1, 0]])


# TfdsSource


def examples(mask, channels=3):
    image = np.arange(6 * channels, dtype=np.uint8).reshape(2, 3, channels)
    return [{"picture": image, "classes": np.asarray(mask)}]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [(), (1,)])
def test_a_tfds_source_gives_rgb_and_ids(channels, depth):
    ids = np.array([[0, 1, 2], [255, 2, 1]], np.int64)
    found = examples(ids.reshape(2, 3, *depth), channels)
    source = TfdsSource(found, LABELS, "picture", "classes")
    image, mask = source[0]
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, ids)
    np.testing.assert_array_equal(source.mask(0), ids)
    np.testing.assert_array_equal(
        image, np.broadcast_to(found[0]["picture"], (2, 3, 3))
    )
    assert len(source) == 1 and source.name(0) == "000000"


def test_a_tfds_source_translates_all_values_or_none():
    found = examples([[1, 2, 3], [3, 2, 1]])
    source = TfdsSource(found, LABELS, "picture", "classes", {1: 0, 2: 1, 3: 2})
    np.testing.assert_array_equal(source.mask(0), [[0, 1, 2], [2, 1, 0]])
    # A value that is not named must not pass for the class of its number.
    found = examples([[0, 1, 2], [0, 2, 1]])
    source = TfdsSource(found, LABELS, "picture", "classes", {1: 0, 2: 1, 3: 2})
    with pytest.raises(ValueError, match=r"000000, with \[0\]"):
        source.mask(0)


def test_a_tfds_source_checks_its_ids():
    source = TfdsSource(examples([[0, 1, 3], [0, 0, 0]]), LABELS, "picture", "classes")
    with pytest.raises(ValueError, match="000000, with 3 in 16.67%"):
        source[0]
