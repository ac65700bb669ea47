import math

import keras
import numpy as np
import pytest
from trunks import images, randomise, run

from kseg import backbones


def network(**options):
    image = keras.Input((None, None, 3))
    return keras.Model(image, backbones.alexnet(image, **options))


@pytest.fixture(scope="module")
def model():
    return randomise(network(classifier=True, fc_filters=8))


def caffe_sizes(size, border, fc6_border):
    """Convolutions round down and poolings up; conv2 to conv5 keep the size."""
    sizes = {"c2": math.floor((size + 2 * border - 11) / 4) + 1}
    for name, before in (("c3", "c2"), ("c4", "c3"), ("c5", "c4")):
        sizes[name] = math.ceil((sizes[before] - 3) / 2) + 1
    sizes["fc6"] = sizes["fc7"] = sizes["c5"] + fc6_border - 6 + 1
    return sizes


def test_it_has_the_parameters_of_caffenet(model):
    """Up to the dense layers; with these, tests/networks/test_fcn.py."""
    counts = {layer.name: layer.count_params() for layer in model.layers}
    assert {name: n for name, n in counts.items() if n} == {
        "conv1": 34_944,
        "conv2": 307_456,
        "conv3": 885_120,
        "conv4": 663_936,
        "conv5": 442_624,
        "fc6": 6 * 6 * 256 * 8 + 8,
        "fc7": 8 * 8 + 8,
    }


@pytest.mark.parametrize("first_padding", [0, 34, 100])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_sizes_are_those_of_caffe(first_padding, padding):
    model = network(
        first_padding=first_padding, classifier=True, fc_filters=8, padding=padding
    )
    for size in (223, 224, 227, 230, 256, 500):
        expected = caffe_sizes(size, first_padding, 5 if padding == "same" else 0)
        shapes = model.compute_output_shape((1, size, size + 1, 3))
        assert {name: shape[1] for name, shape in shapes.items()} == expected
    maps = run(model, images(224, 229))
    for number, side in ((1, 224), (2, 229)):
        expected = caffe_sizes(side, first_padding, 5 if padding == "same" else 0)
        assert {name: x.shape[number] for name, x in maps.items()} == expected


def test_taps_have_their_channels(model):
    maps = run(model, images(223, 224))
    assert {name: x.shape[-1] for name, x in maps.items()} == {
        "c2": 96,
        "c3": 96,
        "c4": 256,
        "c5": 256,
        "fc6": 8,
        "fc7": 8,
    }
    assert all(x.std() > 0 for x in maps.values())


@pytest.mark.parametrize(("name", "before"), [("conv2", "norm1"), ("conv5", "conv4")])
def test_half_of_the_channels_do_not_see_the_other_half(model, name, before):
    layer = model.get_layer(name)
    rng = np.random.default_rng(0)
    depth = model.get_layer(before).output.shape[-1]
    x = rng.uniform(0, 1, (1, 9, 9, depth)).astype("float32")
    expected = np.asarray(layer(x))
    x[..., depth // 2 :] = rng.uniform(0, 1, (1, 9, 9, depth // 2))
    moved = np.asarray(layer(x))
    half = expected.shape[-1] // 2
    np.testing.assert_allclose(moved[..., :half], expected[..., :half], atol=1e-5)
    assert np.abs(moved - expected)[..., half:].max() > 0.1


def test_pooling_comes_ahead_of_normalisation(model):
    for norm, pool, conv in (("norm1", "pool1", "conv1"), ("norm2", "pool2", "conv2")):
        assert model.get_layer(norm).input is model.get_layer(pool).output
        assert model.get_layer(f"{pool}_pad").input is model.get_layer(conv).output
