"""Windows of images as sources: objects and proposals."""

import numpy as np
import pytest
from array_source import ArraySource

from kseg.data import Examples, ObjectCrops, WindowCrops, open_source
from kseg.labels import Labels

# Class 1 in two regions, the first of which is held together by a corner; class 2,
# with void beside it; class 3 in two corners.
MASK = np.array(
    [
        [3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0, 0, 1, 1],
        [0, 0, 0, 0, 0, 0, 2, 2, 1, 1],
        [0, 0, 0, 0, 0, 9, 2, 2, 0, 0],
        [3, 3, 0, 0, 0, 9, 2, 2, 0, 0],
    ],
    np.uint8,
)


@pytest.fixture
def source():
    """The mask above, an empty one, and the first mirrored; images count pixels."""
    image = np.arange(210, dtype=np.uint8).reshape(7, 10, 3)
    pairs = [
        (image, MASK),
        (image + 1, np.zeros_like(MASK)),
        (image + 2, MASK[:, ::-1].copy()),
    ]
    return ArraySource(pairs, Labels.numbered(4, ignore_class=9))


def test_there_is_one_example_for_each_object(source):
    crops = ObjectCrops(source)
    assert source.reads == 0  # the objects were found in the masks alone
    per_image = ["1_1", "1_2", "2_1", "3_1", "3_2"]
    expected = [f"{i}_{name}" for i in (0, 2) for name in per_image]
    assert [crops.name(i) for i in range(len(crops))] == expected
    assert crops.labels is source.labels


def test_a_window_holds_one_object_and_background_and_void(source):
    crops = ObjectCrops(source, context=2.0)
    image, mask = crops[2]  # class 2 at rows 4 to 6 and columns 6 to 7
    window = np.s_[2:7, 5:9]  # by 1.5 pixels, rounded to even, and by 1
    np.testing.assert_array_equal(image, source.pairs[0][0][window])
    expected = np.zeros((5, 4), np.uint8)
    expected[2:, 1:3] = 2
    expected[3:, 0] = 9
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(crops.mask(2), mask)
    assert mask.dtype == np.uint8


def test_other_objects_of_the_class_are_background(source):
    crops = ObjectCrops(source, context=100.0, background=0)
    for index in range(5):
        image, mask = crops[index]
        assert image.shape == (7, 10, 3) and mask.shape == (7, 10)
        _, identity, number = crops.name(index).split("_")
        assert set(np.unique(mask)) == {0, int(identity), 9}
    assert np.argwhere(crops.mask(3) == 3).tolist() == [[0, 0]]
    assert np.argwhere(crops.mask(4) == 3).tolist() == [[6, 0], [6, 1]]
    assert (crops.mask(0) == 1).sum() == 5 and (crops.mask(1) == 1).sum() == 4


def test_the_window_is_larger_than_the_object_by_the_context():
    mask = np.zeros((100, 100), np.uint8)
    mask[40:60, 20:70] = 1
    source = ArraySource(
        [(np.zeros((100, 100, 3), np.uint8), mask)], Labels.numbered(2)
    )
    assert ObjectCrops(source).mask(0).shape == (24, 60)  # 1.2 times
    tight = ObjectCrops(source, context=1.0).mask(0)
    assert tight.shape == (20, 50) and tight.all()


def test_another_class_may_be_the_background(source):
    crops = ObjectCrops(source, background=1)
    identities = {crops.name(i).split("_")[1] for i in range(len(crops))}
    assert identities == {"0", "2", "3"}
    for index in range(len(crops)):
        assert crops.mask(index).size > 0


def test_small_regions_are_no_objects(source):
    crops = ObjectCrops(source, least_pixels=4)
    names = [crops.name(i) for i in range(len(crops))]
    assert names == [f"{i}_{name}" for i in (0, 2) for name in ("1_1", "1_2", "2_1")]
    sizes = [(crops.mask(i) == int(n[2])).sum() for i, n in enumerate(names)]
    assert min(sizes) >= 4


def test_classes_are_balanced_by_repetition(source):
    crops = ObjectCrops(source, balanced=True)
    names = [crops.name(i) for i in range(len(crops))]
    counts = np.bincount([int(name.split("_")[1]) for name in names])
    assert counts.tolist() == [0, 4, 4, 4]
    assert set(names) == {ObjectCrops(source).name(i) for i in range(10)}


def test_windows_keep_their_whole_masks(source):
    windows = [[(0, 0, 7, 10), (3, 4, 6, 9)], [], [(1, 2, 4, 8)]]
    crops = WindowCrops(source, windows)
    assert len(crops) == 3 and source.reads == 0
    image, mask = crops[1]
    np.testing.assert_array_equal(mask, MASK[3:6, 4:9])
    np.testing.assert_array_equal(image, source.pairs[0][0][3:6, 4:9])
    np.testing.assert_array_equal(crops.mask(2), MASK[:, ::-1][1:4, 2:8])
    assert [crops.name(i) for i in range(3)] == ["0_0_0_7_10", "0_3_4_6_9", "2_1_2_4_8"]


def test_crops_feed_a_training(scenes):
    source = open_source("folder", "train", path=scenes)
    crops = ObjectCrops(source, least_pixels=20)
    images, masks = Examples(crops, (32, 32), batch_size=4).batch(0)
    assert images.shape == (4, 32, 32, 3) and masks.shape == (4, 32, 32)
    for mask in masks:
        inside = set(np.unique(mask).tolist()) - {crops.labels.ignore_class}
        assert 1 <= len(inside - {0}) <= 1


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(context=0.9), "`context` must be 1 or more. Received: 0.9"),
        (dict(background=4), "0 to 3. Received: 4"),
        (dict(background=9), "0 to 3. Received: 9"),
        (dict(least_pixels=50), "of 50 pixels or more. Received: none in 3 masks"),
    ],
)
def test_wrong_options_of_objects_are_refused(source, argument, message):
    with pytest.raises(ValueError, match=message):
        ObjectCrops(source, **argument)


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ([[], []], "2 lists for 3 images"),
        ([[], [], []], "one window or more. Received: none"),
        ([[], [(3, 4, 3, 9)], []], r"in order. Received: \(3, 4, 3, 9\) for 1"),
        ([[(-1, 0, 3, 9)], [], []], r"Received: \(-1, 0, 3, 9\) for 0"),
    ],
)
def test_wrong_windows_are_refused(source, windows, message):
    with pytest.raises(ValueError, match=message):
        WindowCrops(source, windows)


def test_a_window_outside_its_image_is_refused_when_it_is_read(source):
    height, width = source.mask(0).shape
    crops = WindowCrops(
        source, [[(0, 0, height, width + 1)]] + [[]] * (len(source) - 1)
    )
    for read in (lambda: crops[0], lambda: crops.mask(0)):
        with pytest.raises(ValueError, match=f"in its image.*{height}x{width} pixels"):
            read()
