"""Kernels of PyTorch in the layers of Keras, against sums written out."""

import keras
import numpy as np
import pytest
from keras import layers

from kseg.backbones.fill import fill, kernel_of

RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def run(layer, x):
    return keras.ops.convert_to_numpy(layer(x))


def test_a_convolution():
    weight, x = numbers(5, 3, 2, 4), numbers(1, 6, 7, 3)
    layer = layers.Conv2D(5, (2, 4), use_bias=False)
    layer.build(x.shape)
    layer.set_weights([kernel_of(layer, weight)])
    patch = x[0, 3:5, 2:6].transpose(2, 0, 1)
    expected = [(weight[k] * patch).sum() for k in range(5)]
    np.testing.assert_allclose(run(layer, x)[0, 3, 2], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_convolution(multiplier):
    weight, x = numbers(3 * multiplier, 1, 2, 4), numbers(1, 6, 7, 3)
    layer = layers.DepthwiseConv2D((2, 4), depth_multiplier=multiplier, use_bias=False)
    layer.build(x.shape)
    layer.set_weights([kernel_of(layer, weight)])
    patch = x[0, 3:5, 2:6]
    expected = [
        (weight[k, 0] * patch[..., k // multiplier]).sum()
        for k in range(3 * multiplier)
    ]
    np.testing.assert_allclose(run(layer, x)[0, 3, 2], expected, rtol=1e-5, atol=1e-5)


def test_a_transposed_convolution():
    """What one pixel becomes is the kernel, weighed by its channels."""
    weight, x = numbers(3, 5, 2, 4), np.zeros((1, 2, 2, 3), "float32")
    x[0, 1, 0] = pixel = numbers(3)
    layer = layers.Conv2DTranspose(5, (2, 4), strides=(2, 4), use_bias=False)
    layer.build(x.shape)
    layer.set_weights([kernel_of(layer, weight)])
    expected = np.einsum("i,iohw->hwo", pixel, weight)
    actual = run(layer, x)[0, 2:4, 0:4]
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_linear_layer_is_dense_or_a_1x1():
    weight, x = numbers(5, 3), numbers(1, 2, 2, 3)
    for layer in (layers.Dense(5, use_bias=False), layers.Conv2D(5, 1, use_bias=False)):
        layer.build(x.shape)
        layer.set_weights([kernel_of(layer, weight)])
        np.testing.assert_allclose(run(layer, x), x @ weight.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_normalisation(kind):
    x = numbers(1, 2, 2, 4)
    image = keras.Input((2, 2, 4))
    tensors = {"n.weight": numbers(4), "n.bias": numbers(4).astype("float16")}
    if kind == "batch":
        layer = layers.BatchNormalization(epsilon=0.1, name="norm")
        tensors |= {"n.running_mean": numbers(4), "n.running_var": numbers(4) ** 2}
        mean, variance = tensors["n.running_mean"], tensors["n.running_var"]
    else:
        layer = layers.LayerNormalization(epsilon=0.1, name="norm")
        mean, variance = (f(x, -1, keepdims=True) for f in (np.mean, np.var))
    model = keras.Model(image, layers.Dropout(0.5)(layer(image)))
    filled = fill(model, {**tensors, "n.more": numbers(1)}, {"n": "norm"})
    assert filled == (["n.more"], [], [])
    scaled = (x - mean) / np.sqrt(variance + 0.1)
    expected = scaled * tensors["n.weight"] + tensors["n.bias"]
    np.testing.assert_allclose(run(model, x), expected, rtol=1e-4, atol=1e-5)


def test_only_some_layers_are_filled():
    image = keras.Input((2,))
    x = layers.Dense(2, name="first")(image)
    model = keras.Model(image, layers.Dense(2, name="second")(x))
    tensors = {"a.weight": numbers(2, 2), "a.bias": numbers(2)}
    assert fill(model, tensors, {"a": "first"}, only=["first"]) == ([], [], [])
    filled = fill(model, tensors, {"a": "first"})
    assert filled.empty == ["second/kernel", "second/bias"]
