import itertools

import by_hand
import numpy as np
import pytest

from kseg.losses import LovaszSoftmax
from kseg.losses.lovasz import lovasz_extension


def test_it_is_the_largest_over_all_orders_of_the_pixels():
    """1 - IoU is submodular: its extension is the support of the base polytope."""
    rng = np.random.default_rng(0)
    for size, absent in itertools.product((1, 2, 5), (False, True)):
        errors, measure = rng.random(size), rng.uniform(0.1, 2, size)
        truth = rng.integers(0, 2, size) * (not absent)
        pixels = list(zip(truth, errors, measure, strict=True))
        values = []
        for order in itertools.permutations(range(size)):
            wrong, before, total = np.zeros(size, bool), 0.0, 0.0
            for i in order:
                wrong[i] = True
                after = by_hand.miss(wrong, 1, pixels)
                total += errors[i] * (after - before)
                before = after
            values.append(total)
        arrays = (x.astype("float64")[None] for x in (errors, truth, measure))
        value = np.asarray(lovasz_extension(*arrays))
        np.testing.assert_allclose(value, [max(values)], rtol=1e-6)


def test_sure_predictions_cost_1_minus_iou():
    rng = np.random.default_rng(0)
    mask = rng.choice([0, 1, 2, 255], (1, 9, 8))
    predicted = rng.integers(0, 3, (1, 9, 8))
    known = mask != 255
    iou = [
        ((mask == c) & (predicted == c))[known].sum()
        / ((mask == c) | (predicted == c))[known].sum()
        for c in range(3)
    ]
    logits = 99.0 * np.eye(3)[predicted]
    loss = LovaszSoftmax()(mask, logits)
    assert float(loss) == pytest.approx(1 - np.mean(iou), rel=1e-6)
    weighted = LovaszSoftmax(class_weights=[0, 1, 3])(mask, logits)
    expected = 1 - np.average(iou, weights=[0, 1, 3])
    assert float(weighted) == pytest.approx(expected, rel=1e-6)


def test_pixels_of_weight_two_are_two_pixels():
    rng = np.random.default_rng(1)
    mask = rng.integers(0, 3, (1, 1, 8))
    logits = rng.normal(0, 2, (1, 1, 8, 3)).astype("float32")
    twice = rng.integers(1, 4, 8)
    value = LovaszSoftmax()(mask, logits, twice[None, None].astype("float32"))
    repeated = LovaszSoftmax()(mask.repeat(twice, 2), logits.repeat(twice, 2))
    np.testing.assert_allclose(value, repeated, rtol=1e-6)


def test_many_pixels_lose_no_digits():
    """Differences of 1 - IoU of 10^6 pixels are far below the step of float32."""
    rng = np.random.default_rng(0)
    errors = rng.random((1, 10**6))
    truth = (rng.random((1, 10**6)) < 0.3).astype("float64")
    ones = np.ones_like(errors)
    exact = lovasz_extension(errors, truth, ones)
    single = lovasz_extension(*(x.astype("float32") for x in (errors, truth, ones)))
    np.testing.assert_allclose(single, exact, rtol=1e-5)


def test_wrong_classes_are_refused():
    with pytest.raises(ValueError, match="'present', 'all'.* Received: 'some'"):
        LovaszSoftmax(classes="some")
