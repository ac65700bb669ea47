import base64
import io

import numpy as np
import pytest
from PIL import Image

from kseg.inference.report.pictures import class_map, error_map, photograph
from kseg.labels import Labels


def opened(uri):
    head, text = uri.split(",")
    picture = Image.open(io.BytesIO(base64.b64decode(text)))
    assert head == f"data:image/{picture.format.lower()};base64"
    return picture


@pytest.mark.parametrize("count", [2, 150, 400])
def test_a_map_has_the_colours_of_its_classes_and_void_none(count):
    labels = Labels.numbered(count)
    ids = np.random.default_rng(0).integers(0, count, (50, 60)).astype(np.uint16)
    ids[:5] = labels.ignore_class
    found = np.asarray(opened(class_map(ids, labels)).convert("RGBA"))
    assert (found[:5, :, 3] == 0).all() and (found[5:, :, 3] == 255).all()
    np.testing.assert_array_equal(found[5:, :, :3], np.array(labels.colors)[ids[5:]])


def test_a_map_of_few_classes_is_small():
    ids = np.kron(np.arange(12).reshape(3, 4) % 3, np.ones((120, 160), int))
    picture = opened(class_map(ids, Labels.numbered(3)))
    assert picture.mode == "P" and picture.size == (640, 360)
    assert len(class_map(ids, Labels.numbered(3))) < 2000


def test_right_wrong_and_void_differ_by_more_than_colour():
    mask = np.zeros((60, 90), np.uint8)
    ids = np.zeros_like(mask)
    ids[20:40] = 1
    mask[40:] = 255
    picture = opened(error_map(mask, ids, 255))
    colors = np.asarray(picture.convert("RGB"))
    for rows, color in ((0, (0, 114, 178)), (20, (230, 159, 0)), (40, (128,) * 3)):
        assert (colors[rows : rows + 20] == color).all(axis=-1).mean() > 0.6
    found = np.asarray(picture.convert("L")).astype(int)
    right, wrong, void = found[:20], found[20:40], found[40:]
    assert right.std() == 0 and wrong.std() > 20 and void.std() > 10
    assert np.unique(right).size == 1 and np.unique(wrong).size == 2
    assert abs(right.max() - wrong.max()) > 50  # also for those who see no colour


@pytest.mark.parametrize(
    ("shape", "size"),
    [((480, 1280), (640, 240)), ((5, 3), (3, 5)), ((5000, 10), (3, 1280))],
)
def test_pictures_of_an_image_have_one_size(shape, size):
    image = np.zeros((*shape, 3), np.uint8)
    uri, told = photograph(image)
    assert told == size == opened(uri).size
    assert opened(class_map(image[..., 0], Labels.numbered(2))).size == size
    assert opened(error_map(image[..., 0], image[..., 0], 255)).size == size
