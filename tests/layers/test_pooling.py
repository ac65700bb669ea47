import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kseg.layers import AdaptiveAveragePooling2D, DilatedMaxPooling2D


def noise(*size):
    return np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")


@pytest.mark.parametrize("rate", [1, 2, 4, 9])
@pytest.mark.parametrize("size", [(1, 1), (3, 8), (7, 12)])
def test_it_takes_the_largest_of_the_four_taps_that_are_there(size, rate):
    x = noise(*size)
    expected = np.empty_like(x)
    for row in range(size[0]):
        for column in range(size[1]):
            taps = x[:, row : row + rate + 1 : rate, column : column + rate + 1 : rate]
            expected[:, row, column] = taps.max((1, 2))
    np.testing.assert_array_equal(DilatedMaxPooling2D(rate)(x), expected)


def test_it_holds_the_strided_pooling_and_the_next_one_twice_as_far():
    """Two poolings of stride 2 are every fourth of two dilated ones."""
    x = noise(13, 18)
    pool = layers.MaxPooling2D(2, padding="same")
    strided = pool(pool(x))
    dilated = DilatedMaxPooling2D(2)(DilatedMaxPooling2D(1)(x))
    np.testing.assert_array_equal(dilated[:, ::4, ::4], strided)
    wrong = DilatedMaxPooling2D(1)(DilatedMaxPooling2D(1)(x))
    assert np.any(np.asarray(wrong)[:, ::4, ::4] != np.asarray(strided))


def test_one_graph_pools_any_size():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, DilatedMaxPooling2D(2)(inputs))
    assert model.output_shape == (None, None, None, 3)
    run = tf.function(model, reduce_retracing=True)
    for size in ((9, 4), (5, 6), (1, 1)):
        np.testing.assert_array_equal(run(noise(*size)), model(noise(*size)))


def test_a_saved_dilated_pooling_is_the_same_layer():
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(DilatedMaxPooling2D(4, name="pool4"))
    )
    assert (restored.dilation_rate, restored.name) == (4, "pool4")


def bin_means(x, bins):
    """The means of PyTorch's windows, from the definition."""
    edges = [
        [
            (math.floor(i * side / bins), math.ceil((i + 1) * side / bins))
            for i in range(bins)
        ]
        for side in x.shape[1:3]
    ]
    return np.array(
        [
            [x[:, top:bottom, left:right].mean((1, 2)) for left, right in edges[1]]
            for top, bottom in edges[0]
        ]
    ).transpose(2, 0, 1, 3)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 1), (2, 4), (6, 12), (7, 11), (13, 6)])
def test_bins_are_the_means_of_their_windows(size, bins, training):
    actual = AdaptiveAveragePooling2D(bins)(noise(*size), training=training)
    assert actual.shape == (2, bins, bins, 3)
    np.testing.assert_allclose(actual, bin_means(noise(*size), bins), atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_one_graph_averages_any_size(training):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, AdaptiveAveragePooling2D(3)(inputs))
    assert model.output_shape == (None, 3, 3, 3)
    signature = [tf.TensorSpec((None, None, None, 3))]
    run = tf.function(lambda x: model(x, training=training), input_signature=signature)
    for size in ((9, 4), (5, 6), (1, 1)):
        expected = bin_means(noise(*size), 3)
        np.testing.assert_allclose(run(noise(*size)), expected, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(9, 6), (7, 5)])
def test_every_pixel_has_its_share_of_the_gradient(size, training):
    x = tf.constant(noise(*size))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(AdaptiveAveragePooling2D(3)(x, training=training))
    gradient = tape.gradient(total, x)
    assert np.all(gradient > 0)
    np.testing.assert_allclose(tf.reduce_sum(gradient), 2 * 3 * 3 * 3, rtol=1e-5)


def test_in_training_no_gradient_is_a_map_per_bin():
    @tf.function
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            pooled = AdaptiveAveragePooling2D(6)(x, training=True)
        return tape.gradient(pooled, x)

    graph = gradient.get_concrete_function(tf.TensorSpec((2, 7, 11, 3))).graph
    types = {operation.type for operation in graph.get_operations()}
    assert "MatMul" in str(types) and "StridedSliceGrad" not in types


def test_a_saved_adaptive_pooling_is_the_same_layer():
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(AdaptiveAveragePooling2D(6, name="pool6"))
    )
    assert (restored.bins, restored.name) == (6, "pool6")
