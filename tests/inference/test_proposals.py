"""Prediction by windows, and where these windows come from."""

import gc
import sys
import weakref

import keras
import numpy as np
import pytest
import scipy.special

from kseg.inference import (
    combine_scores,
    predict_logits,
    predict_proposals,
    proposal_boxes,
    proposal_scores,
)


def color_network(size=None, offset=0.0):
    """Scores that are the colours, in -1 to 1."""
    image = keras.Input((*size, 3) if size else (None, None, 3))
    scores = keras.layers.Rescaling(1 / 127.5, -1.0 + offset)(image)
    return keras.Model(image, scores, name="colors")


def flat(size, color):
    return np.full((*size, 3), color, np.uint8)


def halves():
    """Left red, right blue."""
    image = flat((40, 60), (255, 0, 0))
    image[:, 30:] = (0, 0, 255)
    return image


def test_scores_of_overlapping_boxes_are_the_largest_or_the_mean():
    """A network that scores a window by its mean colour tells windows apart."""
    image = keras.Input((None, None, 3))
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    zeros = keras.layers.Rescaling(0.0)(image)
    model = keras.Model(image, keras.layers.Add()([zeros, mean]), name="means")
    boxes = [(0, 0, 40, 30), (10, 20, 40, 60)]  # all red, and a quarter of it red
    first, second = np.array([255, 0, 0]), np.array([63.75, 0, 191.25])
    largest = proposal_scores(model, halves(), boxes, size=(8, 8))
    mean = proposal_scores(model, halves(), boxes, "mean", size=(8, 8))
    for row, column, covering in [
        (5, 5, [first]),
        (20, 25, [first, second]),
        (20, 50, [second]),
        (5, 50, [np.zeros(3)]),  # no box
    ]:
        # Resizing mixes the two colours of the second window a little.
        np.testing.assert_allclose(largest[row, column], np.max(covering, 0), atol=9)
        np.testing.assert_allclose(mean[row, column], np.mean(covering, 0), atol=9)


def test_a_box_gives_zero_outside_of_itself():
    """Equation 1: so a negative score is not the largest where another box is not."""
    model = color_network(offset=-1.0)  # scores from -2 to 0
    boxes = [(0, 0, 40, 60)]
    scores = proposal_scores(model, halves(), boxes, size=(8, 8))
    np.testing.assert_array_equal(scores, np.zeros((40, 60, 3)))
    mean = proposal_scores(model, halves(), boxes, "mean", size=(8, 8))
    assert mean.min() == pytest.approx(-2)


def test_one_box_of_the_networks_size_is_plain_prediction():
    model = color_network()
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    scores = proposal_scores(model, image, [(0, 0, 40, 60)], "mean", size=(40, 60))
    np.testing.assert_allclose(scores, predict_logits(model, image), atol=1e-6)


def test_what_a_box_sees_lands_where_the_box_is():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    box = (7, 11, 29, 45)
    scores = proposal_scores(color_network(), image, [box], "mean", size=(22, 34))
    inside = np.zeros((40, 60), bool)
    inside[7:29, 11:45] = True
    np.testing.assert_allclose(
        scores[inside], image[inside] / 127.5 - 1, rtol=1e-4, atol=1e-5
    )
    assert not scores[~inside].any()


def test_a_model_of_a_fixed_size_keeps_its_own():
    boxes = [(0, 0, 40, 30), (0, 30, 40, 60)]
    scores = proposal_scores(color_network((16, 24)), halves(), boxes, "mean")
    np.testing.assert_allclose(scores, halves() / 127.5 - 1, atol=1e-5)


@pytest.mark.parametrize("reduce", ["max", "mean"])
def test_probabilities_are_the_softmax_of_the_scores(reduce):
    boxes = [(0, 0, 40, 30), (10, 20, 40, 60)]
    arguments = (color_network(), halves(), boxes, reduce, (16, 16))
    probabilities = predict_proposals(*arguments)
    expected = scipy.special.softmax(proposal_scores(*arguments), axis=-1)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    np.testing.assert_allclose(probabilities[0, 59], 1 / 3, rtol=1e-6)


def test_two_networks_are_combined_as_the_paper_and_as_its_code():
    rng = np.random.default_rng(0)
    scores, other = rng.normal(size=(2, 5, 6, 4)).astype("float32")
    softmax = scipy.special.softmax
    mean = combine_scores(scores, other)
    np.testing.assert_allclose(
        mean, (softmax(scores, -1) + softmax(other, -1)) / 2, 1e-5
    )
    product = combine_scores(scores, other, "product")
    expected = softmax(scores * np.where(other > 0, other, 0), -1)
    np.testing.assert_allclose(product, expected, 1e-5)
    assert np.abs(mean - product).max() > 0.1


def picture():
    """Two coloured boxes on grey."""
    image = flat((200, 260), (90, 90, 90))
    image[20:80, 30:130] = (200, 40, 40)
    image[110:180, 150:230] = (40, 60, 220)
    return image


def test_boxes_hold_the_regions_with_their_context():
    boxes = proposal_boxes(picture(), smallest=40)
    assert boxes[0] == (0, 0, 200, 260)
    for expected in [(14, 20, 86, 140), (103, 142, 187, 238)]:
        nearest = min(np.abs(np.subtract(box, expected)).max() for box in boxes)
        assert nearest <= 4
    tight = proposal_boxes(picture(), smallest=40, context=1.0)
    assert min(np.abs(np.subtract(b, (20, 30, 80, 130))).max() for b in tight) <= 4


def test_boxes_are_few_large_and_different():
    rng = np.random.default_rng(0)
    image = np.repeat(np.repeat(rng.integers(0, 256, (8, 9, 3)), 25, 0), 25, 1)
    image = image.astype(np.uint8)
    boxes = proposal_boxes(image, most=12, smallest=28)
    assert len(boxes) == 12 == len(set(boxes))
    assert boxes == proposal_boxes(image, most=50, smallest=28)[:12]
    for top, left, bottom, right in boxes:
        assert 0 <= top < bottom <= 200 and 0 <= left < right <= 225
        assert min(bottom - top, right - left) >= 28
    assert len(proposal_boxes(image, smallest=150)) < 12
    assert proposal_boxes(flat((50, 60), 7)) == [(0, 0, 50, 60)]


def test_boxes_of_a_picture_lead_to_a_prediction():
    model = color_network()
    boxes = proposal_boxes(picture(), smallest=40)
    ids = predict_proposals(model, picture(), boxes, "mean", (64, 64)).argmax(-1)
    assert (ids[30:70, 40:120] == 0).all() and (ids[120:170, 160:220] == 2).all()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(reduce="sum"), "'max' or 'mean'. Received: 'sum'"),
        (dict(boxes=[(0, 0, 41, 60)]), r"inside.*\(0, 0, 41, 60\) for \(40, 60\)"),
        (dict(boxes=[(5, 9, 5, 12)]), r"Received: \(5, 9, 5, 12\)"),
        (dict(image=np.zeros((4, 4), np.uint8)), "must be a uint8 array"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    arguments = dict(image=halves(), boxes=[(0, 0, 9, 9)], size=(8, 8)) | argument
    with pytest.raises(ValueError, match=message):
        predict_proposals(color_network(), **arguments)


def test_wrong_combinations_and_numbers_are_refused():
    scores = np.zeros((2, 2, 3), np.float32)
    with pytest.raises(ValueError, match="'mean' or 'product'. Received: 'max'"):
        combine_scores(scores, scores, "max")
    with pytest.raises(ValueError, match=r"\(2, 2, 3\) and \(2, 2, 4\)"):
        combine_scores(scores, np.zeros((2, 2, 4), np.float32))
    with pytest.raises(ValueError, match="`most` must be 1 or more. Received: 0"):
        proposal_boxes(picture(), most=0)


class Counting(keras.layers.Layer):
    """Counts how often Python runs it, which compiled code does not."""

    calls = 0

    def call(self, x):
        self.calls += 1
        return x


def test_a_second_image_compiles_nothing_and_a_model_that_is_gone_is_gone():
    image = keras.Input((None, None, 3))
    counting = Counting()
    model = keras.Model(image, counting(image))
    boxes = [(0, 0, 40, 30)]
    first = proposal_scores(model, halves(), boxes, size=(8, 8))
    calls = counting.calls
    again = proposal_scores(model, halves(), boxes, size=(8, 8))
    assert counting.calls == calls
    np.testing.assert_array_equal(again, first)
    other = proposal_scores(model, halves(), boxes, size=(16, 12))
    assert counting.calls > calls
    np.testing.assert_allclose(other, first, atol=1e-4)  # red at any size
    assert model.input_shape == (None, None, None, 3)
    model = weakref.ref(model)
    gc.collect()
    assert model() is None


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(ImportError, match=r"pip install \"kseg\[image\]\""):
        proposal_boxes(picture())
