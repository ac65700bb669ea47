import numpy as np
import pytest
from array_source import ArraySource

from kseg.data.statistics import class_frequencies, class_weights, pixels_by_image
from kseg.labels import Labels


@pytest.fixture
def source():
    """Three masks of 4 classes, of which class 2 never occurs."""
    masks = [
        np.uint8([[0, 0, 0, 1], [0, 0, 1, 1]]),
        np.uint8([[0, 255, 255, 255]]),
        np.uint8([[3, 3, 0, 0, 0, 255]]),
    ]
    return ArraySource([(None, mask) for mask in masks], Labels.numbered(4))


def test_pixels_of_a_class_and_of_the_images_that_hold_it(source):
    pixels, of = class_frequencies(source)
    assert pixels.tolist() == [9, 3, 0, 2]
    assert of.tolist() == [8 + 4 + 6, 8, 0, 6]
    assert source.reads == 0  # no image was read


def test_pixels_of_every_image_and_its_void_last(source):
    pixels = pixels_by_image(source)
    assert pixels.tolist() == [[5, 3, 0, 0, 0], [1, 0, 0, 0, 3], [3, 0, 0, 2, 1]]
    assert pixels.dtype == np.int64 and source.reads == 0


def test_median_frequency_weights(source):
    # The frequencies are 9/18, 3/8 and 2/6, their median 3/8.
    weights = class_weights(source, "median_frequency")
    assert isinstance(weights, list)
    assert weights == pytest.approx([(3 / 8) / (9 / 18), 1, 0, (3 / 8) / (2 / 6)])


def test_another_ignore_class_is_ignored_and_255_counts():
    labels = Labels.numbered(300, ignore_class=500)
    mask = np.uint16([[299, 255, 255, 500]])
    pixels, of = class_frequencies(ArraySource([(None, mask)], labels))
    assert pixels[[255, 299]].tolist() == [2, 1] and pixels.sum() == 3
    assert of[[255, 299]].tolist() == [4, 4] and of.sum() == 8


def test_no_weights_and_weights_that_are_given(source):
    assert class_weights(source) is None
    assert class_weights(source, "none") is None
    weights = class_weights(source, np.array([1, 2, 0.5, 3], np.float32))
    assert weights == [1.0, 2.0, 0.5, 3.0]
    assert all(type(weight) is float for weight in weights)


@pytest.mark.parametrize("method", ["median", "", [1.0, 2.0], [1.0] * 5])
def test_unknown_methods_and_wrong_numbers_are_errors(source, method):
    with pytest.raises(ValueError, match=r"'median_frequency' .*\(4\)") as caught:
        class_weights(source, method)
    assert f"Received: {method!r}" in str(caught.value)
