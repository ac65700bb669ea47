import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseg.losses import ClassBalancedCrossEntropy


def draw(seed=0, batch=4, size=(6, 5), void=0.2):
    rng = np.random.default_rng(seed)
    labels = (rng.random((batch, *size)) < 0.2).astype("uint8")
    labels[rng.random(labels.shape) < void] = 255
    return labels, rng.normal(0, 3, (batch, *size, 1)).astype("float32")


def by_hand(labels, logits, pixels="sum", factors=None):
    """Equation 2, pixel by pixel, in float64."""
    losses = []
    factors = np.ones(labels.shape) if factors is None else factors
    for mask, scores, image in zip(
        labels, logits.astype("float64"), factors, strict=True
    ):
        positives = int((mask == 1).sum())
        negatives = int((mask == 0).sum())
        beta = negatives / max(positives + negatives, 1)
        total = 0.0
        for label, score, factor in zip(
            mask.ravel(), scores.ravel(), image.ravel(), strict=True
        ):
            probability = 1 / (1 + math.exp(-score))
            if label == 1:
                total -= factor * beta * math.log(probability)
            elif label == 0:
                total -= factor * (1 - beta) * math.log(1 - probability)
        if pixels == "mean":
            total /= max(positives + negatives, 1)
        losses.append(total)
    return np.array(losses)


@pytest.mark.parametrize("pixels", ["sum", "mean"])
def test_it_is_equation_2(pixels):
    labels, logits = draw()
    expected = by_hand(labels, logits, pixels)
    assert np.all(expected > 0)
    each = ClassBalancedCrossEntropy(pixels=pixels, reduction=None)(labels, logits)
    np.testing.assert_allclose(each, expected, rtol=1e-5)
    whole = ClassBalancedCrossEntropy(pixels=pixels)(labels, logits)
    np.testing.assert_allclose(whole, expected.mean(), rtol=1e-5)


def test_the_gradient_is_that_of_the_formula():
    labels, logits = draw()
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = ClassBalancedCrossEntropy(pixels="sum")(labels, variable)
    gradient = tape.gradient(value, variable).numpy()
    expected = np.zeros_like(logits, "float64")
    for place in np.ndindex(*logits.shape):
        moved = [logits.astype("float64") for _ in range(2)]
        moved[0][place] += 1e-4
        moved[1][place] -= 1e-4
        up, down = (by_hand(labels, m).mean() for m in moved)
        expected[place] = (up - down) / 2e-4
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert np.all(gradient[labels == 255] == 0)
    assert np.all(gradient[labels == 1] < 0) and np.all(gradient[labels == 0] > 0)


def test_both_classes_of_an_image_weigh_the_same():
    labels, logits = draw()
    variable = tf.Variable(0 * logits)
    with tf.GradientTape() as tape:
        value = ClassBalancedCrossEntropy()(labels, variable)
    gradient = tape.gradient(value, variable).numpy()
    for mask, slopes in zip(labels, gradient, strict=True):
        np.testing.assert_allclose(
            -slopes[mask == 1].sum(), slopes[mask == 0].sum(), rtol=1e-5
        )


@pytest.mark.parametrize("only", [0, 1, 255])
def test_an_image_of_one_class_counts_zero(only):
    labels, logits = draw()
    labels[1] = only
    each = ClassBalancedCrossEntropy(reduction=None)(labels, logits).numpy()
    assert each[1] == 0
    assert np.all(each[[0, 2, 3]] > 0)


def test_sure_and_wrong_logits_stay_finite():
    labels, logits = draw()
    logits = np.where(labels == 1, -1e4, 1e4).astype("float32")[..., np.newaxis]
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = ClassBalancedCrossEntropy()(labels, variable)
    assert 1e3 < value < 1e4
    assert np.all(np.isfinite(tape.gradient(value, variable)))


def test_an_image_with_another_id_is_nan_and_the_others_are_not():
    labels, logits = draw()
    labels[2, 0, 0] = 7
    each = ClassBalancedCrossEntropy(reduction=None)(labels, logits).numpy()
    assert np.isnan(each).tolist() == [False, False, True, False]
    labels[labels == 255] = 0
    labels[2, 0, 0] = 255
    each = ClassBalancedCrossEntropy(None, reduction=None)(labels, logits).numpy()
    assert np.isnan(each).tolist() == [False, False, True, False]


def test_another_id_may_be_the_ignored_one():
    labels, logits = draw()
    expected = by_hand(labels, logits).mean()
    labels[labels == 255] = 11
    actual = ClassBalancedCrossEntropy(11, "sum")(labels, logits)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_masks_may_have_a_last_axis_of_one():
    labels, logits = draw()
    loss = ClassBalancedCrossEntropy()
    np.testing.assert_array_equal(loss(labels[..., None], logits), loss(labels, logits))


def test_half_precision_logits_give_a_finite_float32_loss():
    labels, logits = draw(batch=1, size=(400, 400))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        value = ClassBalancedCrossEntropy(pixels="sum")(
            labels, logits.astype("float16")
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert value.dtype == "float32"
    expected = by_hand(labels, logits.astype("float16"))
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)


def test_a_compiled_model_comes_back_with_its_loss(tmp_path):
    labels, logits = draw()
    model = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Dense(1)])
    model.compile("sgd", ClassBalancedCrossEntropy(9, "sum", name="edges"))
    expected = model.evaluate(logits, np.minimum(labels, 9), verbose=0)
    assert expected > 0
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.loss.get_config() == model.loss.get_config()
    actual = restored.evaluate(logits, np.minimum(labels, 9), verbose=0)
    np.testing.assert_allclose(actual, expected)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(pixels="none"), "'mean' or 'sum'. Received: 'none'"),
        (dict(ignore_class=1), "must not be 0 or 1.* Received: 1"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedCrossEntropy(**argument)


def test_there_is_one_logit_per_pixel():
    labels, logits = draw()
    with pytest.raises(ValueError, match=r"one logit per pixel.*\(4, 6, 5, 2\)"):
        ClassBalancedCrossEntropy()(labels, np.repeat(logits, 2, -1))


@pytest.mark.parametrize("pixels", ["sum", "mean"])
def test_weights_of_pixels_multiply_their_losses(pixels):
    labels, logits = draw()
    factors = np.random.default_rng(7).uniform(0, 10, labels.shape).astype("float32")
    expected = by_hand(labels, logits, pixels, factors)
    each = ClassBalancedCrossEntropy(pixels=pixels, reduction=None)
    np.testing.assert_allclose(each(labels, logits, factors), expected, rtol=1e-5)
    loss = ClassBalancedCrossEntropy(pixels=pixels)
    for sample_weight in (factors, factors[..., np.newaxis], tf.constant(factors)):
        value = loss(labels[..., np.newaxis], logits, sample_weight)
        np.testing.assert_allclose(value, expected.mean(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_weight_per_image_is_as_in_keras(shape):
    labels, logits = draw()
    factors = np.array([0.5, 2.0, 0.0, 3.0]).reshape(shape)
    expected = (by_hand(labels, logits) * factors.ravel()).mean()
    value = ClassBalancedCrossEntropy(pixels="sum")(labels, logits, factors)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_a_compiled_model_takes_the_weights_of_pixels():
    labels, logits = draw()
    factors = np.random.default_rng(7).uniform(0, 10, labels.shape).astype("float32")
    model = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Rescaling(1.0)])
    model.compile("sgd", ClassBalancedCrossEntropy(pixels="sum"))
    value = model.evaluate(logits, labels, sample_weight=factors, verbose=0)
    expected = by_hand(labels, logits, factors=factors).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
