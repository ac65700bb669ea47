"""The scores of ISBI 2012 over a source."""

import numpy as np
import pytest

import kseg
from kseg.inference import evaluate_membranes, predict_probabilities
from kseg.labels import Labels
from kseg.metrics import MembraneScores


class Source(list):
    """Images and masks."""

    def __init__(self, pairs, labels):
        super().__init__(pairs)
        self.labels = labels


LABELS = Labels.named(["membrane", "cell", "vessel"])


def stripes(size=(20, 33), every=8):
    mask = np.ones(size, np.uint8)
    mask[:, every::every] = 0
    return mask


def source(labels=LABELS, seed=0):
    """Images whose first channel is 2.5 times the percentage of cell."""
    rng = np.random.default_rng(seed)
    pairs = []
    for size in ((20, 33), (26, 30)):
        mask = stripes(size)
        image = np.zeros((*size, 3), np.uint8)
        noise = rng.integers(-140, 140, size)
        image[..., 0] = np.clip(160 * mask + 45 + noise, 0, 250)
        mask[:2] = labels.ignore_class
        pairs.append((image, mask))
    return Source(pairs, labels)


def from_first_channel(image):
    cell = image[..., 0] / 250
    return np.stack([1 - cell, cell, 0 * cell], axis=-1)


def test_scores_are_those_of_the_metric_over_the_set():
    examples = source()
    result = evaluate_membranes(None, examples, predict=from_first_channel)
    collected = MembraneScores()
    for image, mask in examples:
        probabilities = from_first_channel(image)[..., 1]
        collected.update(probabilities, mask == 1, mask != 255)
    assert result == {"images": 2, **collected.result()}
    assert 0 < result["pixel_error"] < 0.2
    assert result["v_rand_thinned"] > 0.5


def test_the_class_of_the_cells_by_name_or_id():
    examples = source(Labels.named(["cell", "line"]))
    for _, mask in examples:
        mask[mask < 2] = 1 - mask[mask < 2]

    def flipped(image):
        return from_first_channel(image)[..., 1::-1]

    by_name = evaluate_membranes(None, examples, predict=flipped)
    assert evaluate_membranes(None, examples, 0, predict=flipped) == by_name
    expected = evaluate_membranes(None, source(), predict=from_first_channel)
    assert by_name == expected


def test_a_network_predicts_whole_images():
    network = kseg.build("unet", num_classes=3, filters=2, depth=2)
    thresholds = (0.2, 0.4)
    result = evaluate_membranes(network, source(), thresholds=thresholds)
    same = evaluate_membranes(
        None,
        source(),
        thresholds=thresholds,
        predict=lambda image: predict_probabilities(network, image),
    )
    assert result == same


def test_what_is_refused():
    with pytest.raises(
        ValueError, match=r"one of its classes, \['membrane'.*'nucleus'"
    ):
        evaluate_membranes(None, source(), "nucleus", predict=from_first_channel)
    with pytest.raises(ValueError, match="0 images"):
        evaluate_membranes(None, Source([], LABELS), predict=from_first_channel)
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        evaluate_membranes(
            None, source(), predict=lambda image: 9 * from_first_channel(image)
        )
