import keras
import numpy as np
import pytest

from kseg.layers import atrous_spatial_pyramid


def pyramid(**options):
    x = keras.Input((None, None, 3))
    return keras.Model(x, atrous_spatial_pyramid(x, filters=4, **options))


def parameters(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 1x1, three 3x3, the image, the merge of 5 * 4; 8 of each batch norm.
        ({}, (12 + 8) + 3 * (108 + 8) + (12 + 8) + (80 + 8)),
        ({"rates": ()}, (12 + 8) + (12 + 8) + (32 + 8)),
        ({"image_pooling": False}, (12 + 8) + 3 * (108 + 8) + (64 + 8)),
        ({"rates": (), "image_pooling": False}, (12 + 8) + (16 + 8)),
        # Depthwise 27 and its norm 6, pointwise 12 and its norm 8.
        ({"separable": True}, 20 + 3 * (27 + 6 + 12 + 8) + 20 + 88),
    ],
)
def test_the_branches_are_those_asked_for(options, expected):
    assert parameters(pyramid(**options)) == expected


@pytest.mark.parametrize("size", [(1, 1), (7, 12)])
def test_the_map_keeps_its_size(size):
    result = pyramid(rates=(2, 4))(np.ones((2, *size, 3), "float32"))
    assert result.shape == (2, *size, 4)


def test_a_branch_sees_as_far_as_its_rate():
    model = pyramid(rates=(3,), image_pooling=False)
    spike = np.zeros((1, 15, 15, 3), "float32")
    spike[0, 7, 7] = 1
    convolution = model.get_layer("aspp_rate3")
    branch = keras.Model(model.input, convolution.output)
    moved = np.any(keras.ops.convert_to_numpy(branch(spike))[0], axis=-1)
    expected = np.zeros((15, 15), bool)
    expected[4:11:3, 4:11:3] = True
    np.testing.assert_array_equal(moved, expected)


def test_the_image_branch_is_the_same_everywhere_and_the_mean():
    model = pyramid(rates=())
    names = ["aspp_image", "aspp_image_resize"]
    outputs = [model.get_layer(name).output for name in names]
    x = np.random.default_rng(0).normal(size=(2, 5, 8, 3)).astype("float32")
    image, spread = keras.Model(model.input, outputs)(x)
    kernel = keras.ops.convert_to_numpy(model.get_layer("aspp_image").kernel)[0, 0]
    expected = x.mean((1, 2)) @ kernel
    np.testing.assert_allclose(image[:, 0, 0], expected, atol=1e-6)
    relu = keras.ops.convert_to_numpy(spread)
    np.testing.assert_array_equal(relu, relu[:, :1, :1] + 0 * relu)
