"""The mean and the variance of predictions under dropout."""

import keras
import numpy as np
import pytest

import kseg
from kseg.inference import predict_monte_carlo, predict_probabilities


def picture(size=(9, 12)):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def one_pixel_network(rate=0.5, weight=2.0):
    """Logits 0 and +-weight: a channel of ones, dropped or doubled, times a weight."""
    image = keras.Input((None, None, 3))
    ones = keras.layers.Rescaling(0.0, 1.0)(image)
    x = keras.layers.Dropout(rate)(ones)
    convolution = keras.layers.Conv2D(2, 1, use_bias=False)
    model = keras.Model(image, convolution(x), name="ones")
    kernel = np.zeros((1, 1, 3, 2), "float32")
    kernel[0, 0, 0, 1] = weight
    convolution.set_weights([kernel])
    return model


def test_mean_and_variance_are_those_of_a_coin():
    """Each pixel's logit is 0 or 4, so that its probability is 1/2 or sigmoid(4)."""
    keras.utils.set_random_seed(0)
    mean, variance = predict_monte_carlo(one_pixel_network(), picture((60, 80)), 40)
    low, high = 0.5, 1 / (1 + np.exp(-4))
    assert mean.dtype == variance.dtype == np.float32
    assert mean.mean(axis=(0, 1))[1] == pytest.approx((low + high) / 2, abs=0.01)
    # Of 40 samples the variance is, on average, 39/40 of the coin's.
    expected = 39 / 40 * ((high - low) / 2) ** 2
    assert variance.mean(axis=(0, 1)) == pytest.approx([expected] * 2, rel=0.02)
    np.testing.assert_allclose(mean.sum(-1), 1, rtol=1e-5)


def test_batch_norm_keeps_its_moving_statistics():
    keras.utils.set_random_seed(0)
    options = dict(num_classes=3, filters=4)
    model = kseg.build("segnet_basic", dropout=1e-9, **options)
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if variable.name == "moving_mean":
            variable.assign(rng.normal(0, 1, variable.shape))
    before = model.get_weights()
    mean, variance = predict_monte_carlo(model, picture(), samples=2)
    # So little dropout drops nothing: what remains is inference.
    expected = predict_probabilities(model, picture())
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    assert variance.max() < 1e-9 and np.ptp(expected) > 0.01
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_model_itself_stays_without_dropout_in_inference():
    keras.utils.set_random_seed(0)
    model = kseg.build("segnet_basic", num_classes=3, filters=4, dropout=0.5)
    before = predict_probabilities(model, picture())
    _, variance = predict_monte_carlo(model, picture(), samples=3)
    assert np.median(variance) > 1e-6
    np.testing.assert_array_equal(predict_probabilities(model, picture()), before)


def test_more_samples_bring_the_mean_closer():
    keras.utils.set_random_seed(0)
    network, image = one_pixel_network(), picture((30, 40))
    middle = (0.5 + 1 / (1 + np.exp(-4))) / 2
    few = predict_monte_carlo(network, image, 2)[0][..., 1]
    many = predict_monte_carlo(network, image, 32)[0][..., 1]
    assert np.std(many - middle) < np.std(few - middle) / 3


def test_a_model_without_dropout_is_refused():
    model = kseg.build("segnet_basic", num_classes=2, filters=4)
    with pytest.raises(ValueError, match="'segnet_basic' without.*dropout=0.5"):
        predict_monte_carlo(model, picture())
    with pytest.raises(ValueError, match="'ones' without"):
        predict_monte_carlo(one_pixel_network(rate=0.0), picture())


@pytest.mark.parametrize("samples", [1, 0, -2])
def test_fewer_than_two_samples_are_refused(samples):
    with pytest.raises(ValueError, match=f"2 or more. Received: {samples}"):
        predict_monte_carlo(one_pixel_network(), picture(), samples)
