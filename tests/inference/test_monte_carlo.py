"""The mean and the variance of predictions under dropout."""

import gc
import weakref

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


def test_a_seed_makes_it_the_same_again():
    keras.utils.set_random_seed(0)
    model = kseg.build("segnet_basic", num_classes=3, filters=4, dropout=0.5)
    first = predict_monte_carlo(model, picture(), 3, seed=5)
    other = predict_monte_carlo(model, picture(), 3)
    again = predict_monte_carlo(model, picture(), 3, seed=5)
    np.testing.assert_array_equal(again, first)
    assert np.abs(other[0] - first[0]).max() > 1e-4
    assert np.abs(predict_monte_carlo(model, picture(), 3)[0] - other[0]).max() > 1e-4
    assert np.abs(predict_monte_carlo(model, picture(), 3, 6)[0] - first[0]).max() > 0
    keras.utils.set_random_seed(9)
    drawn = predict_monte_carlo(model, picture(), 3)
    keras.utils.set_random_seed(9)
    np.testing.assert_array_equal(predict_monte_carlo(model, picture(), 3), drawn)


def test_the_models_own_random_state_stays():
    model = one_pixel_network()
    before = [np.array(variable) for variable in model.variables]
    assert len(before) == 2  # the kernel and the state of dropout
    predict_monte_carlo(model, picture(), 3)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value)


class Counting(keras.layers.Layer):
    """Counts how often Python runs it, which compiled code does not."""

    calls = 0

    def call(self, x):
        self.calls += 1
        return x


def test_a_second_image_compiles_nothing_and_sees_new_weights():
    image = keras.Input((None, None, 3))
    counting, weighted = Counting(), keras.layers.Conv2D(2, 1)
    model = keras.Model(image, weighted(keras.layers.Dropout(0.5)(counting(image))))
    first = predict_monte_carlo(model, picture(), 2, seed=0)[0]
    calls = counting.calls
    predict_monte_carlo(model, 255 - picture(), 2)
    assert counting.calls == calls
    weighted.set_weights([0 * w for w in weighted.get_weights()])
    second = predict_monte_carlo(model, picture(), 2, seed=0)[0]
    np.testing.assert_allclose(second, 0.5)
    assert np.abs(first - 0.5).max() > 0.1


def test_a_model_that_is_gone_takes_its_copy_along():
    model = one_pixel_network()
    predict_monte_carlo(model, picture(), 2)
    model = weakref.ref(model)
    gc.collect()
    assert model() is None


@pytest.mark.parametrize(
    "dropout",
    [
        keras.layers.Dropout,
        keras.layers.GaussianDropout,
        keras.layers.AlphaDropout,
        keras.layers.SpatialDropout2D,
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_every_dropout_is_found_however_deep(dropout, depth):
    inner = dropout(0.5)
    for level in range(depth):
        if level % 2:
            x = keras.Input((None, None, 3))
            inner = keras.Model(x, inner(x))
        else:
            inner = keras.Sequential([keras.Input((None, None, 3)), inner])
    image = keras.Input((None, None, 3))
    model = keras.Model(image, inner(keras.layers.Rescaling(1 / 255)(image)))
    _, variance = predict_monte_carlo(model, picture(), 4, seed=0)
    assert np.median(variance) > 1e-4


def test_dropout_that_cannot_be_reached_is_named():
    image = keras.Input((8, 8, 3))
    hidden = keras.layers.TimeDistributed(keras.layers.Dropout(0.5, name="within"))
    x = keras.layers.Dropout(0.5)(image)
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(hidden(x)), name="net")
    with pytest.raises(ValueError, match=r"'net' with \['within'\] inside"):
        predict_monte_carlo(model, picture((8, 8)), 2)
