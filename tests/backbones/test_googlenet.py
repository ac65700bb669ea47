import math

import keras
import numpy as np
import pytest
from trunks import images, randomise, run

from kseg import backbones

CHANNELS = {"c1": 64, "c2": 192, "c3": 480, "c4": 832, "c5": 1024}


def network(**options):
    image = keras.Input((None, None, 3))
    return keras.Model(image, backbones.googlenet(image, **options))


@pytest.fixture(scope="module")
def model():
    return randomise(network())


def caffe_sizes(size, border):
    """The convolution rounds down and the poolings round up."""
    sizes = {"c1": math.floor((size + 2 * border - 7) / 2) + 1}
    for number in range(2, 6):
        before = sizes[f"c{number - 1}"]
        sizes[f"c{number}"] = math.ceil((before - 3) / 2) + 1
    return sizes


def test_it_has_the_parameters_of_the_paper_without_the_classifiers(model):
    assert model.count_params() == 5_973_552
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(convolutions) == 3 + 9 * 6  # table 1: 22 layers deep, 9 modules


@pytest.mark.parametrize(
    ("first_padding", "sizes"), [(3, range(31, 60)), (18, range(1, 40)), (100, [1, 77])]
)
def test_sizes_are_those_of_caffe(first_padding, sizes):
    model = network(first_padding=first_padding)
    for size in sizes:
        shapes = model.compute_output_shape((1, size, 64, 3))
        expected = caffe_sizes(size, first_padding)
        assert {name: shape[1] for name, shape in shapes.items()} == expected
        if first_padding == 18:
            assert expected["c5"] == math.ceil(size / 32)
    size = sizes[0]
    maps = run(model, images(size, 64))
    expected = caffe_sizes(size, first_padding)
    assert {name: x.shape[1] for name, x in maps.items()} == expected


def test_taps_have_their_channels(model):
    maps = run(model, images(64, 75))
    assert {name: x.shape[-1] for name, x in maps.items()} == CHANNELS
    assert all(x.std() > 0 for x in maps.values())


def test_the_branches_of_a_module_lie_side_by_side(model):
    """Without weights in all branches but one, only its channels are above zero."""
    module = keras.Model(
        model.get_layer("pool3").output, model.get_layer("inception_4a").output
    )
    x = np.random.default_rng(0).uniform(0, 1, (1, 4, 4, 480)).astype("float32")
    ends = {"1x1": 192, "3x3": 208, "5x5": 48, "pool_proj": 64}
    first = 0
    weights = module.get_weights()
    for name, width in ends.items():
        for other in ends:
            if other != name:
                layer = module.get_layer(f"inception_4a_{other}")
                layer.set_weights([0 * value for value in layer.get_weights()])
        result = np.array(module(x))
        assert result[..., first : first + width].any()
        result[..., first : first + width] = 0
        assert not result.any()
        module.set_weights(weights)
        first += width
    assert first == 512
