import os
import pathlib
import subprocess
import sys

import fit_weighted
import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from kseg.losses import CrossEntropy

WEIGHTS = [0.5, 2.0, 0.0, 1.25]


def draw(seed=0, batch=4, size=(6, 5), num_classes=4, void=0.3):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, (batch, *size))
    labels[rng.random(labels.shape) < void] = 255
    logits = rng.normal(0, 3, (batch, *size, num_classes))
    return labels.astype("uint8"), logits.astype("float32")


def by_hand(labels, logits, weights=None, ignore_class=255, factors=None):
    """Sums pixel by pixel, in float64."""
    if factors is None:
        factors = np.ones(labels.shape)
    losses = []
    for mask, scores, image in zip(
        labels, scipy.special.log_softmax(logits.astype("f8"), -1), factors, strict=True
    ):
        total = pixels = 0
        for label, score, factor in zip(
            mask.ravel(), scores.reshape(-1, 4), image.ravel(), strict=True
        ):
            if label != ignore_class:
                pixels += 1
                weight = 1 if weights is None else weights[label]
                total -= score[label] * weight * factor
        losses.append(total / pixels if pixels else 0.0)
    return np.array(losses)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_it_is_the_mean_over_the_valid_pixels_of_each_image(weights):
    labels, logits = draw()
    expected = by_hand(labels, logits, weights)
    each = CrossEntropy(class_weights=weights, reduction=None)(labels, logits)
    np.testing.assert_allclose(each, expected, rtol=1e-5)
    mean = CrossEntropy(class_weights=weights)(labels, logits)
    np.testing.assert_allclose(mean, expected.mean(), rtol=1e-5)


def test_images_count_alike_however_many_pixels_are_valid():
    labels, logits = draw()
    labels[0].ravel()[:-1] = 255
    labels[0, -1, -1] = 2
    expected = by_hand(labels, logits)
    np.testing.assert_allclose(CrossEntropy()(labels, logits), expected.mean(), 1e-5)


def test_an_image_of_void_counts_zero_and_has_no_gradient():
    labels, logits = draw()
    labels[1] = 255
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        each = CrossEntropy(reduction=None)(labels, logits)
    gradient = tape.gradient(each, logits).numpy()
    assert each[1] == 0
    assert each[0] > 0
    assert np.all(gradient[1] == 0)
    assert np.all(gradient[labels == 255] == 0)
    assert np.all(np.abs(gradient[labels != 255]).sum(-1) > 0)


def test_what_stands_in_ignored_pixels_changes_nothing():
    labels, logits = draw()
    before = CrossEntropy()(labels, logits)
    logits[labels == 255] = 1e4
    np.testing.assert_array_equal(CrossEntropy()(labels, logits), before)


@pytest.mark.parametrize("ignore_class", [None, 0, 11, -1])
def test_another_class_may_be_the_ignored_one(ignore_class):
    labels, logits = draw(void=0)
    labels = labels.astype("int32")
    if ignore_class is not None:
        labels[:, :2] = ignore_class
    expected = by_hand(labels, logits, ignore_class=ignore_class).mean()
    actual = CrossEntropy(ignore_class=ignore_class)(labels, logits)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_masks_may_have_a_last_axis_of_one():
    labels, logits = draw()
    np.testing.assert_array_equal(
        CrossEntropy()(labels[..., np.newaxis], logits), CrossEntropy()(labels, logits)
    )


def test_the_gradient_does_not_depend_on_how_a_batch_is_split():
    labels, logits = draw()
    labels[0, 1:] = 255  # one half has far fewer valid pixels
    labels[1, 2:] = 255
    loss, images = CrossEntropy(class_weights=WEIGHTS), logits
    kernel = tf.Variable(np.random.default_rng(1).normal(size=(4, 4)), dtype="float32")

    def gradient(part):
        with tf.GradientTape() as tape:
            value = loss(labels[part], tf.matmul(images[part], kernel[None, None]))
        return tape.gradient(value, kernel).numpy()

    halves = (gradient(slice(0, 2)) + gradient(slice(2, 4))) / 2
    np.testing.assert_allclose(halves, gradient(slice(None)), rtol=1e-5, atol=1e-6)


def test_half_precision_logits_give_a_finite_float32_loss():
    labels, _ = draw(batch=1, size=(512, 512))
    logits = np.random.default_rng(0).uniform(-6e4, 6e4, (1, 512, 512, 4))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        loss = CrossEntropy()
        value = loss(labels, logits.astype("float16"))
    finally:
        keras.config.set_dtype_policy("float32")
    assert value.dtype == "float32"
    expected = by_hand(labels, logits.astype("float16"))
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)
    assert value > 1e4


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_saved_loss_is_the_same_loss(weights):
    loss = CrossEntropy(ignore_class=3, class_weights=weights, name="pixels")
    restored = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(restored, CrossEntropy)
    assert restored.get_config() == loss.get_config()
    labels, logits = draw(void=0)
    np.testing.assert_array_equal(restored(labels, logits), loss(labels, logits))


def test_a_compiled_model_comes_back_with_its_loss(tmp_path):
    model = keras.Sequential([keras.Input((6, 5, 4)), keras.layers.Dense(4)])
    model.compile("sgd", CrossEntropy(class_weights=WEIGHTS))
    labels, logits = draw()
    expected = model.evaluate(logits, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(restored.evaluate(logits, labels, verbose=0), expected)


def test_there_is_one_weight_per_class():
    labels, logits = draw()
    with pytest.raises(ValueError, match="per class, 4. Received: 3"):
        CrossEntropy(class_weights=[1, 1, 1])(labels, logits)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_are_finite_and_not_negative(weight):
    with pytest.raises(ValueError, match="finite and not negative"):
        CrossEntropy(class_weights=[1.0, weight])


# Weights of pixels


def draw_factors(seed=7):
    return np.random.default_rng(seed).uniform(0, 10, (4, 6, 5)).astype("float32")


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_weights_of_pixels_multiply_and_the_valid_pixels_divide(weights):
    labels, logits = draw()
    factors = draw_factors()
    expected = by_hand(labels, logits, weights, factors=factors)
    each = CrossEntropy(class_weights=weights, reduction=None)(labels, logits, factors)
    np.testing.assert_allclose(each, expected, rtol=1e-5)
    loss = CrossEntropy(class_weights=weights)
    for sample_weight in (factors, factors[..., np.newaxis], tf.constant(factors)):
        value = loss(labels, logits, sample_weight)
        np.testing.assert_allclose(value, expected.mean(), rtol=1e-5)
    value = loss(labels[..., np.newaxis], logits, sample_weight=factors)
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-5)


def test_weights_of_one_are_no_weights():
    labels, logits = draw()
    np.testing.assert_array_equal(
        CrossEntropy()(labels, logits, np.ones(labels.shape)),
        CrossEntropy()(labels, logits),
    )


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_a_weight_per_image_is_as_in_keras(shape):
    labels, logits = draw()
    factors = np.array([0.5, 2.0, 0.0, 3.0]).reshape(shape)
    expected = (by_hand(labels, logits) * factors.ravel()).mean()
    value = CrossEntropy()(labels, logits, factors)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def gradient_by_hand(labels, logits, factors):
    """Of the mean over images with respect to the logits."""
    valid = (labels != 255)[..., np.newaxis]
    exact = np.where(valid, np.eye(4)[np.where(labels == 255, 0, labels)], 0)
    slope = (scipy.special.softmax(logits.astype("f8"), -1) - exact) * valid
    pixels = valid.sum(axis=(1, 2, 3), keepdims=True)
    return slope * factors[..., np.newaxis] / pixels / len(labels)


def test_the_gradient_is_that_of_the_weighted_pixels():
    labels, logits = draw()
    factors = draw_factors()
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        value = CrossEntropy()(labels, variable, factors)
    np.testing.assert_allclose(
        tape.gradient(value, variable),
        gradient_by_hand(labels, logits, factors),
        rtol=1e-4,
        atol=1e-7,
    )


def step_by_hand(labels, images, factors):
    """Loss, and kernel after one step at a rate of 1 from the identity."""
    gradient = gradient_by_hand(labels, images, factors)
    kernel = np.eye(4) - np.einsum("bhwi,bhwo->io", images, gradient)
    return by_hand(labels, images, factors=factors).mean(), kernel


@pytest.mark.parametrize("heads", [(), ("logits", "auxiliary")])
def test_fit_takes_the_weights_of_pixels(heads):
    (labels, images), factors = draw(), draw_factors()
    loss, kernel = fit_weighted.fit(labels, images, factors, heads)
    expected_loss, expected = step_by_hand(labels, images, factors)
    times = max(len(heads), 1)  # every head adds the same loss
    np.testing.assert_allclose(loss, times * expected_loss, rtol=1e-5)
    np.testing.assert_allclose(
        kernel, np.eye(4) + times * (expected - np.eye(4)), atol=1e-5
    )


@pytest.mark.parametrize("where", ["two replicas of tensorflow", "jax"])
def test_fit_takes_them_elsewhere_too(tmp_path, where):
    backend = where.split()[-1]
    pytest.importorskip(backend)
    (labels, images), factors = draw(), draw_factors()
    labels[0, 1:] = 255  # one replica has far fewer valid pixels
    path = tmp_path / "arrays.npz"
    np.savez(path, labels=labels, images=images, factors=factors)
    root = pathlib.Path(__file__).parents[2]
    environment = {"KERAS_BACKEND": backend, "PYTHONPATH": str(root)}
    process = subprocess.run(
        [sys.executable, fit_weighted.__file__, str(path)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    expected_loss, expected = step_by_hand(labels, images, factors)
    with np.load(path) as found:
        np.testing.assert_allclose(found["loss"], expected_loss, rtol=1e-5)
        np.testing.assert_allclose(found["kernel"], expected, atol=1e-5)


def test_one_logit_is_refused():
    with pytest.raises(ValueError, match="ClassBalancedCrossEntropy"):
        CrossEntropy()(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 1), "float32"))
