import keras
import numpy as np
import pytest
from keras import layers

from kseg.layers.folding import along_outputs, folded, input_axis, output_axes

KINDS = [
    lambda: layers.Conv2D(5, 3, padding="same"),
    lambda: layers.Conv2D(5, 3, padding="same", use_bias=False),
    lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
    lambda: layers.Conv2DTranspose(5, 2, strides=2),
    lambda: layers.Dense(5),
]


def with_norm(make, **options):
    """A layer and a batch norm whose weights are random, in a model."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 7, 3))
    layer, norm = make(), layers.BatchNormalization(**options)
    model = keras.Model(image, norm(layer(image)))
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "kernel" not in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
    return model, layer, norm


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_a_folded_layer_computes_what_both_did(make, options):
    model, layer, norm = with_norm(make, **options)
    x = np.random.default_rng(1).normal(size=(2, 6, 7, 3)).astype("float32")
    expected = np.asarray(model(x, training=False))
    kernel, bias = (np.asarray(t) for t in folded(layer, norm))
    layer.kernel.assign(kernel)
    alone = np.asarray(layer(x))
    if layer.bias is not None:
        alone = alone - np.asarray(layer.bias)
    np.testing.assert_allclose(alone + bias, expected, atol=1e-5)
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize("make", KINDS)
def test_axes_are_those_of_the_channels(make):
    _, layer, _ = with_norm(make)
    shape = layer.kernel.shape
    out = np.prod([shape[axis] for axis in output_axes(layer)])
    assert out == layer.output.shape[-1]
    assert shape[input_axis(layer)] == 3
    assert np.prod(along_outputs(layer, np.arange(out)).shape) == out
    assert folded(layer)[1].shape == (out,)
