import numpy as np
import pytest

from kseg.inference import dense_crf, search_dense_crf
from kseg.metrics import confusion_matrix, scores


@pytest.fixture(scope="module")
def examples():
    """Squares of colour, and probabilities that are noisy and smeared."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2):
        mask = np.kron(rng.integers(0, 3, (3, 4)), np.ones((8, 8), int))
        colors = np.array([[200, 30, 30], [30, 200, 30], [90, 90, 220]])
        image = (colors[mask] + rng.normal(0, 10, (*mask.shape, 3))).clip(0, 255)
        logits = np.eye(3)[mask] + rng.normal(0, 1, (*mask.shape, 3))
        mask[:2] = 255
        found.append((image.astype("uint8"), logits.astype("float32"), mask))
    return found


def value(examples, **parameters):
    matrix = 0
    for image, logits, mask in examples:
        ids = dense_crf(image, logits, "logits", iterations=3, **parameters)
        matrix += confusion_matrix(mask, ids.argmax(-1), 3)
    return scores(matrix)["mean_iou"]


def test_every_entry_is_what_the_crf_scores_and_the_best_is_first(examples):
    found = search_dense_crf(
        examples,
        w1=(2, 8),
        s_alpha=(3, 20),
        s_beta=(20,),
        scores_are="logits",
        iterations=3,
    )
    assert [e["mean_iou"] for e in found] == sorted(
        (e["mean_iou"] for e in found), reverse=True
    )
    for entry in (found[0], found[-1]):
        parameters = {k: v for k, v in entry.items() if k != "mean_iou"}
        assert entry["mean_iou"] == pytest.approx(value(examples, **parameters))
    combinations = {(e["w1"], e["s_alpha"], e["s_beta"]) for e in found}
    assert len(combinations) == len(found)
    coarse = {(w, a, 20) for w in (2, 8) for a in (3, 20)}
    assert coarse < combinations
    best = max((e for e in found if tuple(e.values())[:3] in coarse),
               key=lambda e: e["mean_iou"])  # fmt: skip
    # The second round lies half way to the neighbours of the best.
    fine = {(w, a, 20) for w in (best["w1"], 5) for a in (best["s_alpha"], 11.5)}
    assert combinations == coarse | fine | {(0.0, 3, 20)}
    without = next(e for e in found if e["w1"] == 0)
    assert found[0]["mean_iou"] > without["mean_iou"] + 0.02


def test_another_metric_can_be_asked_for(examples):
    found = search_dense_crf(
        examples,
        w1=(4,),
        s_alpha=(10,),
        s_beta=(20,),
        rounds=1,
        metric="pixel_accuracy",
        scores_are="logits",
        iterations=1,
    )
    assert len(found) == 2 and 0 < found[0]["pixel_accuracy"] <= 1


@pytest.mark.parametrize("options", [dict(w1=()), dict(rounds=0)])
def test_nothing_to_try_is_refused(examples, options):
    with pytest.raises(ValueError, match="an example, a value of each parameter"):
        search_dense_crf(examples, **options)
    with pytest.raises(ValueError, match="0 examples"):
        search_dense_crf([])
    void = [(image, scores, 0 * mask + 255) for image, scores, mask in examples]
    with pytest.raises(ValueError, match="all void"):
        search_dense_crf(void, scores_are="logits")
    with pytest.raises(ValueError, match="mean 'mean_iou'"):
        search_dense_crf(examples, metric="miou")
