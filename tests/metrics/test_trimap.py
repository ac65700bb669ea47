import numpy as np
import pytest

from kseg.metrics import TrimapScores, border_distance, confusion_matrix, scores


@pytest.fixture
def maps():
    """Blocks of classes with void, and a prediction that is often wrong."""
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 4, (4, 5)), np.ones((7, 6), int))
    labels[labels == 3] = 255
    predictions = np.where(rng.random(labels.shape) < 0.7, labels, 0)
    predictions[predictions == 255] = 1
    return labels, predictions


def test_the_distance_is_to_the_nearest_pixel_of_another_class(maps):
    labels, _ = maps
    distance = border_distance(labels)
    places = np.argwhere(labels != 255)
    for y, x in places[::17]:
        other = [p for p in places if labels[tuple(p)] != labels[y, x]]
        expected = min(np.hypot(y - v, x - u) for v, u in other)
        np.testing.assert_allclose(distance[y, x], expected)
    assert np.isinf(distance[labels == 255]).all()


def test_the_band_of_void_is_a_square_dilation(maps):
    """As MATLAB's `imdilate` with a square of 2 w + 1 has it."""
    labels, _ = maps
    distance = border_distance(labels, band="void")
    height, width = labels.shape
    void = np.argwhere(labels == 255)
    for w in (1, 3):
        expected = np.zeros(labels.shape, bool)
        for y, x in void:
            expected[max(y - w, 0) : y + w + 1, max(x - w, 0) : x + w + 1] = True
        expected &= labels != 255
        np.testing.assert_array_equal(distance <= w, expected)


@pytest.mark.parametrize("band", ["boundary", "void"])
def test_the_scores_are_those_of_the_pixels_in_the_band(maps, band):
    labels, predictions = maps
    collected = TrimapScores(3, (1, 2, 40), band=band)
    for turn in range(2):
        collected.update(np.rot90(labels, turn), np.rot90(predictions, turn))
    result = collected.result()
    distance = border_distance(labels, band=band)
    for i, width in enumerate((1, 2, 40)):
        near = distance <= width
        matrix = confusion_matrix(labels[near], predictions[near], 3)
        assert result["mean_iou"][i] == pytest.approx(scores(matrix)["mean_iou"])
        accuracy = np.mean(labels[near] == predictions[near])
        assert result["pixel_accuracy"][i] == pytest.approx(accuracy)
    assert result["widths"] == [1, 2, 40]


@pytest.mark.parametrize("band", ["boundary", "void"])
def test_an_image_without_a_border_counts_nothing(band):
    collected = TrimapScores(2, (1,), band=band)
    collected.update(np.zeros((4, 5), int), np.ones((4, 5), int))
    assert np.isnan(collected.result()["mean_iou"]).all()
    collected.update(np.full((4, 5), 255), np.ones((4, 5), int))
    assert np.isnan(collected.result()["pixel_accuracy"]).all()


def test_wrong_input_is_refused(maps):
    labels, predictions = maps
    with pytest.raises(ValueError, match="one image"):
        border_distance(labels[np.newaxis])
    with pytest.raises(ValueError, match="'boundary', 'void'.*'edge'"):
        border_distance(labels, band="edge")
    with pytest.raises(ValueError, match="`widths` must be 1 or more"):
        TrimapScores(3, (0, 1))
    with pytest.raises(ValueError, match="one shape"):
        TrimapScores(3).update(labels, predictions[1:])


def test_several_ids_can_be_void_and_every_class_has_a_score():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 3, (2, 20, 30))
    labels[:, 10:13] = 255
    split = labels.copy()
    split[:9, 10:13] = 250
    for band in ("boundary", "void"):
        one, two = (
            TrimapScores(3, (1, 4), band=band),
            TrimapScores(3, (1, 4), [250, 255], band),
        )
        one.update(labels, predictions)
        two.update(split, predictions)
        assert one.result() == two.result()
        for mean, classes in zip(
            one.result()["mean_iou"], one.result()["class_iou"], strict=True
        ):
            assert mean == np.mean(classes) and len(set(classes)) == 3
