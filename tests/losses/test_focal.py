import numpy as np
import pytest

from kseg.losses import CrossEntropy, FocalCrossEntropy


def test_without_gamma_it_is_cross_entropy():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (2, 7, 6))
    logits = rng.normal(0, 3, (2, 7, 6, 3)).astype("float32")
    options = {"class_weights": [1, 2, 3], "reduction": None}
    np.testing.assert_array_equal(
        FocalCrossEntropy(gamma=0, **options)(labels, logits),
        CrossEntropy(**options)(labels, logits),
    )


def test_an_easy_pixel_counts_a_hundredth():
    """Section 3.2: p 0.9 and gamma 2 is 100 times less, p 0.968 1000 times."""
    for p, times in ((0.9, 100), (0.968, 1000)):
        logits = np.log([[[[p, 1 - p]]]])
        mask = np.zeros((1, 1, 1))
        ratio = CrossEntropy()(mask, logits) / FocalCrossEntropy()(mask, logits)
        assert float(ratio) == pytest.approx(times, rel=0.03)


@pytest.mark.parametrize("gamma", [-1, float("inf"), float("nan")])
def test_gamma_is_not_negative(gamma):
    with pytest.raises(ValueError, match="`gamma` must be 0 or more. Received: "):
        FocalCrossEntropy(gamma=gamma)
