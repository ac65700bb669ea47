import math

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


def test_inverse_weights_give_every_class_the_same_sum(source):
    weights = class_weights(source, "inverse")
    assert weights == pytest.approx([14 / 27, 14 / 9, 0, 14 / 6])
    np.testing.assert_allclose(np.multiply([9, 3, 2], np.delete(weights, 2)), 14 / 3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.9999])
def test_weights_of_the_effective_number_of_samples(source, beta):
    """E_n = 1 + beta + beta^2 ... (n terms), equation 2 of the paper's section 3."""
    numbers = [sum(beta**k for k in range(n)) for n in (9, 3, 2)]
    expected = np.divide(1, numbers)
    expected *= 3 / expected.sum()
    weights = class_weights(source, {"name": "effective_number", "beta": beta})
    assert weights[2] == 0
    np.testing.assert_allclose(np.delete(weights, 2), expected, rtol=1e-9)


def test_by_default_the_effective_number_is_nearly_that_of_few_pixels(source):
    weights = np.delete(class_weights(source, "effective_number"), 2)
    inverse = np.delete(class_weights(source, "inverse"), 2)
    np.testing.assert_allclose(weights / weights[0], inverse / inverse[0], rtol=1e-5)


def test_enet_weights(source):
    weights = class_weights(source, "enet")
    expected = [1 / math.log(1.02 + n / 14) for n in (9, 3, 2)]
    assert np.delete(weights, 2) == pytest.approx(expected) and weights[2] == 0
    other = class_weights(source, {"name": "enet", "c": 2.0})
    assert other[0] == pytest.approx(1 / math.log(2 + 9 / 14))


@pytest.mark.parametrize("name", ["inverse", "median_frequency", "enet"])
def test_a_power_is_one_of_each_weight(source, name):
    weights = class_weights(source, {"name": name, "power": 0.5})
    np.testing.assert_allclose(weights, np.sqrt(class_weights(source, name)))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"name": "enet", "beta": 0.5}, "option of 'enet'.*'c', 'power'.*'beta'"),
        ({"name": "inverse", "pixels": 3}, "option of 'inverse' .*'pixels'"),
        ({"name": "effective_number", "beta": 1.0}, "below 1. Received: 1.0"),
        ({"name": "enet", "c": 1.0}, "above 1. Received: 1.0"),
        ({"name": "none", "power": 2}, "must be one of"),
        ({"beta": 0.9}, "must be one of"),
    ],
)
def test_wrong_options_are_errors(source, method, message):
    with pytest.raises(ValueError, match=message):
        class_weights(source, method)


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
    with pytest.raises(ValueError, match=r"'median_frequency'.*\(4\)") as caught:
        class_weights(source, method)
    assert f"Received: {method!r}" in str(caught.value)


def test_none_is_no_weights(source):
    assert class_weights(source, None) is None
    for method in (2.0, {"name": "inverse", "power": -1}):
        with pytest.raises(ValueError, match="Received"):
            class_weights(source, method)
