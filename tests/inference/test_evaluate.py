"""Scores over images of different sizes."""

import numpy as np
import pytest

from kseg.inference import evaluate, score_table
from kseg.labels import Labels
from kseg.metrics import boundary_f1, confusion_matrix, scores

LABELS = Labels.named(["left", "right", "never"])


def test_the_scores_are_those_of_one_matrix_over_all_images():
    rng = np.random.default_rng(0)
    examples = []
    for size in ((20, 30), (25, 10)):
        mask = rng.integers(0, 2, size).astype(np.uint8)
        mask[:3] = 255
        examples.append((rng.integers(0, 256, (*size, 3), np.uint8), mask))

    def predict_ids(image):
        return (image[..., 0] > 127).astype(np.uint8)

    result = evaluate(predict_ids, iter(examples), LABELS)
    matrix = sum(confusion_matrix(m, predict_ids(i), 3) for i, m in examples)
    expected = scores(matrix)
    assert result["images"] == 2
    assert result["mean_iou"] == pytest.approx(expected["mean_iou"])
    assert result["class_iou"]["left"] == pytest.approx(expected["class_iou"][0])
    assert np.isnan(result["class_iou"]["never"])
    per_image = [np.nanmean(boundary_f1(m, predict_ids(i), 3)) for i, m in examples]
    assert result["boundary_f1"] == pytest.approx(np.mean(per_image))

    lines = score_table(result).splitlines()
    assert lines[3].split() == ["never", "-", "-", "-"]
    assert f"mean IoU {100 * result['mean_iou']:.2f} %" in lines[-1]


def test_nothing_to_score_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        evaluate(lambda image: image, [], LABELS)
