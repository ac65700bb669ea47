import keras
import numpy as np
import pytest

import kseg

SMALL = dict(num_classes=3, backbone="mobilenet_v3_small", filters=8)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kseg.build("lraspp", **SMALL)


def layers_of(model, *names):
    """A model of the outputs of some layers."""
    return keras.Model(model.input, [model.get_layer(name).output for name in names])


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("mobilenet_v3_large", {21: 3_221_538, 11: 3_219_838}),
        ("mobilenet_v3_large_torch", {21: 3_221_538}),
        ("mobilenet_v3_small", {21: 1_077_954, 11: 1_076_414}),
    ],
)
def test_the_parameters_are_those_of_torchvision(backbone, expected):
    for num_classes, count in expected.items():
        model = kseg.build("lraspp", num_classes=num_classes, backbone=backbone)
        assert sum(np.prod(v.shape) for v in model.trainable_variables) == count


def test_classes_are_scored_at_stride_8(model):
    """The deep map has the stride of the backbone, the low one is of 8."""
    names = ["cbr_relu", "scale", "low_classifier", "high_classifier"]
    for network, stride in ((model, 16), (kseg.build("lraspp", output_stride=32), 32)):
        deep, scale, *heads = layers_of(network, *names)(np.zeros((1, 64, 96, 3)))
        assert deep.shape[1:3] == (64 // stride, 96 // stride)
        assert scale.shape[1:3] == (1, 1)
        assert [head.shape[1:3] for head in heads] == [(8, 12)] * 2


def test_low_features_are_those_of_the_first_unit_of_stride_8(model):
    source = model.get_layer("low_classifier").input._keras_history.operation
    assert source.name == "expanded_conv_1_project_bn"
    large = kseg.build("lraspp", backbone="mobilenet_v3_large_torch", filters=8)
    source = large.get_layer("low_classifier").input._keras_history.operation
    assert source.name == "expanded_conv_3_project_bn"
    assert source.output.shape[-1] == 40


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "efficientnet_lite0"])
def test_other_light_backbones_give_their_last_map_of_stride_8(backbone):
    model = kseg.build("lraspp", num_classes=3, backbone=backbone, filters=8)
    low, high = layers_of(model, "low_classifier", "cbr_relu")(np.zeros((1, 64, 96, 3)))
    assert low.shape[1:3] == (8, 12) and high.shape[1:3] == (4, 6)
    low = model.get_layer("low_classifier").input
    assert low.shape[-1] == {"mobilenet_v2": 32, "efficientnet_lite0": 40}[backbone]


def test_the_whole_image_weighs_the_deep_channels(model):
    """A shut gate leaves the low classes alone, and every place sees the same gate."""
    names = ["scale", "scaled", "cbr_relu", "classifier", "low_classifier"]
    parts = layers_of(model, *names)
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3))
    gate, scaled, deep, *_ = map(keras.ops.convert_to_numpy, parts(pixels))
    assert 0 < gate.min() < gate.max() < 1
    np.testing.assert_allclose(scaled, gate * deep, rtol=1e-5)

    layer = model.get_layer("scale")
    kernel = layer.kernel.numpy()
    layer.kernel.assign(-1e4 * np.abs(kernel) * np.sign(gate_input(model, pixels)))
    *_, scores, low = map(keras.ops.convert_to_numpy, parts(pixels))
    layer.kernel.assign(kernel)
    bias = model.get_layer("high_classifier").bias.numpy()
    np.testing.assert_allclose(scores, low + bias, atol=1e-5)


def gate_input(model, pixels):
    """The means that the gate is computed of, in the layout of a kernel's input."""
    (means,) = layers_of(model, "scale_pool")(pixels)
    return np.reshape(means, (1, 1, -1, 1))


def test_output_strides_share_their_weights(model):
    dense = kseg.build("lraspp", output_stride=8, **SMALL)
    assert [v.shape for v in dense.variables] == [v.shape for v in model.variables]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(output_stride=4), "`output_stride` must be 8, 16 or 32. Received: 4"),
        (dict(backbone="mobilenet_v4"), "Received: 'mobilenet_v4'. Did you mean"),
        (
            dict(backbone="mobilenet_v3_large_torch", weights="imagenet"),
            "'mobilenet_v3_large', .*Received: backbone='mobilenet_v3_large_torch'",
        ),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("lraspp", **argument)
