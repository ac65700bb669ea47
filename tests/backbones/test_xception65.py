import keras
import numpy as np
import pytest
from keras import layers
from trunks import images, run, trunk


@pytest.fixture(scope="module")
def model():
    return trunk("xception65", output_stride=16)


def test_it_has_the_parameters_of_the_authors_network(model):
    assert sum(np.prod(v.shape) for v in model.trainable_variables) == 37_867_312


def test_it_is_65_layers_deep(model):
    """Two plain convolutions and 63 separable ones, which count once each."""
    convolutions = [x.name for x in model.layers if type(x) is layers.Conv2D]
    depthwise = [x for x in model.layers if type(x) is layers.DepthwiseConv2D]
    pointwise = [name for name in convolutions if name.endswith("pointwise")]
    shortcuts = [name for name in convolutions if name.endswith("shortcut")]
    assert len(depthwise) == len(pointwise) == 63
    assert len(shortcuts) == 4
    assert len(convolutions) - len(pointwise) - len(shortcuts) == 2


@pytest.mark.parametrize(("output_stride", "rates"), [(16, (1, 1, 2)), (8, (2, 2, 4))])
def test_dilations_are_those_of_the_authors(model, output_stride, rates):
    """In the middle flow, the first and the second unit of the exit flow."""
    model = model if output_stride == 16 else trunk("xception65", output_stride)
    units = ("middle_flow_block16", "exit_flow_block1", "exit_flow_block2")
    found = [model.get_layer(f"{unit}_sepconv2_depthwise") for unit in units]
    assert tuple(layer.dilation_rate[0] for layer in found) == rates


def test_low_level_features_are_before_their_relu(model):
    maps = run(model, images(33, 47))
    for tap, channels in {
        "c1": 64,
        "c2": 256,
        "c3": 728,
        "c4": 728,
        "c5": 2048,
    }.items():
        assert maps[tap].shape[-1] == channels
    assert maps["c2"].min() < 0
    assert maps["c3"].min() < 0


def test_the_last_unit_has_no_shortcut_and_its_relus_inside(model):
    maps = run(model, images(33, 47))
    assert maps["c5"].min() == 0
    names = [layer.name for layer in model.layers]
    assert "exit_flow_block2_add" not in names
    assert "exit_flow_block2_sepconv1_depthwise_relu" in names
    assert "exit_flow_block1_sepconv1_depthwise_relu" not in names


def test_the_middle_flow_adds_to_its_input(model):
    """With the last norms of all units at zero, the flow changes nothing."""
    weights = model.get_weights()
    for number in range(1, 17):
        norm = model.get_layer(f"middle_flow_block{number}_sepconv3_pointwise_bn")
        norm.gamma.assign(keras.ops.zeros_like(norm.gamma))
    entry = keras.Model(model.input, model.get_layer("entry_flow_block3_add").output)
    pixels = images(33, 47)
    np.testing.assert_array_equal(run(model, pixels)["c4"], entry(pixels))
    model.set_weights(weights)
