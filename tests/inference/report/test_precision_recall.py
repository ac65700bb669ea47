import numpy as np
import pytest
from scipy.special import softmax

from kseg.inference.report import PrecisionRecall

metrics = pytest.importorskip("sklearn.metrics")


# Of the sharpest, a quarter of the pixels is beyond the last threshold.
@pytest.mark.parametrize(
    ("sharpness", "tolerance"), [(0.5, 5e-4), (4.0, 5e-4), (40.0, 0.05)]
)
def test_the_average_precision_is_that_of_scikit_learn(sharpness, tolerance):
    rng = np.random.default_rng(0)
    collected = PrecisionRecall(4)
    masks, maps = [], []
    for _ in range(3):
        mask = rng.choice([0, 1, 2, 255], (160, 50), p=[0.6, 0.3, 0.02, 0.08])
        logits = rng.normal(size=(160, 50, 4))
        logits += 1.5 * (np.arange(4) == mask[..., np.newaxis])
        probabilities = softmax(sharpness * logits, axis=-1).astype(np.float32)
        collected.update(mask.astype(np.uint8), probabilities)
        masks.append(mask.ravel())
        maps.append(probabilities.reshape(-1, 4))
    truth, scores = np.concatenate(masks), np.concatenate(maps)
    found = collected.result()
    for c in range(3):
        known = truth != 255
        expected = metrics.average_precision_score(truth[known] == c, scores[known, c])
        # Of the rare class a pixel is a long step.
        within = tolerance if c < 2 else 10 * tolerance
        assert found["average_precision"][c] == pytest.approx(expected, abs=within)
    assert np.isnan(found["average_precision"][3])
    assert found["mean_average_precision"] == pytest.approx(
        found["average_precision"][:3].mean()
    )


def test_a_threshold_has_the_counts_of_what_is_above_it():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([1, 1], (30, 30))
    mask = rng.integers(0, 2, (30, 30))
    collected = PrecisionRecall(2, bins=64)
    collected.update(mask, probabilities)
    found = collected.result()
    # The bins of log odds from 0 on are the upper half: probabilities from 0.5 on.
    above = probabilities[..., 1] >= 0.5
    assert found["precision"][1, 31] == pytest.approx(mask[above].mean())
    assert found["recall"][1, 31] == pytest.approx(above[mask == 1].mean())
    assert found["recall"][1, -1] == 1
    assert found["precision"][1, -1] == pytest.approx(mask.mean())


def test_edges_and_void():
    collected = PrecisionRecall(2)
    collected.update(np.full((2, 2), 255), np.full((2, 2, 2), np.nan))
    assert np.isnan(collected.result()["average_precision"]).all()
    collected.update(np.array([[0, 1, 255]]), np.array([[[1.0, 0], [0, 1], [1, 0]]]))
    assert collected.result()["average_precision"].tolist() == [1, 1]
    assert collected.counts.sum() == 4
