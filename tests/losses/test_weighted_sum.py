import keras
import numpy as np
import pytest
from gradients import value_and_gradient

from kseg.losses import (
    BoundaryLoss,
    ClassBalancedCrossEntropy,
    CrossEntropy,
    Dice,
    WeightedSum,
)


def draw():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (3, 6, 7)).astype("uint8")
    factors = rng.uniform(0, 2, labels.shape).astype("float32")
    return labels, rng.normal(0, 2, (3, 6, 7, 3)).astype("float32"), factors


def make():
    terms = [CrossEntropy(class_weights=[1, 2, 3]), Dice(ignore_class=[1, 255])]
    return WeightedSum([*terms, BoundaryLoss()], [1, 0.5, 0.01])


def test_value_and_gradient_are_sums():
    labels, logits, factors = draw()
    loss = make()
    value, gradient = value_and_gradient(lambda x: loss(labels, x, factors), logits)
    parts = [
        value_and_gradient(lambda x, each=each: each(labels, x, factors), logits)
        for each in loss.losses
    ]
    for actual, terms in (
        (value, [x for x, _ in parts]),
        (gradient, [g for _, g in parts]),
    ):
        expected = sum(f * x for f, x in zip(loss.factors, terms, strict=True))
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_a_compiled_model_comes_back_with_its_loss(tmp_path):
    labels, logits, factors = draw()
    model = keras.Sequential([keras.Input((6, 7, 3)), keras.layers.Rescaling(1.0)])
    model.compile("sgd", WeightedSum([make(), CrossEntropy(label_smoothing=0.1)]))
    expected = model.evaluate(logits, labels, sample_weight=factors, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.loss.get_config() == model.loss.get_config()
    actual = restored.evaluate(logits, labels, sample_weight=factors, verbose=0)
    np.testing.assert_allclose(actual, expected)
    by_hand = model.loss(labels, logits, factors)
    np.testing.assert_allclose(expected, by_hand, rtol=1e-5)


def test_a_loss_on_edges_is_a_term_too():
    labels = np.array([[[0, 1, 255, 0]]])
    logits = np.array([[[[1.0], [2.0], [3.0], [4.0]]]])
    twice = WeightedSum([ClassBalancedCrossEntropy()], [2])(labels, logits)
    np.testing.assert_allclose(twice, 2 * ClassBalancedCrossEntropy()(labels, logits))


@pytest.mark.parametrize(
    ("losses", "factors", "message"),
    [
        ([], None, "must be losses of `kseg.losses`"),
        ([keras.losses.MeanSquaredError()], None, "must be losses of `kseg.losses`"),
        ([Dice(), Dice()], [1], "must be 2 numbers"),
        ([Dice()], [-1], "of 0 or more"),
        ([Dice()], [float("nan")], "of 0 or more"),
    ],
)
def test_wrong_arguments_are_refused(losses, factors, message):
    with pytest.raises(ValueError, match=message):
        WeightedSum(losses, factors)
