import keras
import numpy as np
import pytest

import kseg

SMALL = dict(backbone="mobilenet_v2", filters=8, low_level_filters=4, num_classes=3)


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kseg.build("deeplabv3plus", **SMALL)


@pytest.fixture(scope="module")
def dense():
    return kseg.build("deeplabv3plus", output_stride=8, **SMALL)


@pytest.mark.parametrize(
    ("backbone", "separable", "expected"),
    [
        ("mobilenet_v2", True, {21: 2_719_813, 11: 2_717_243}),
        ("resnet50", False, {21: 40_352_181, 11: 40_349_611}),
        ("resnet101", False, {21: 59_344_309, 11: 59_341_739}),
        ("resnet101_beta", True, {21: 45_812_037, 11: 45_809_467}),
        ("xception65", True, {21: 41_055_413, 11: 41_052_843}),
    ],
)
def test_the_parameters_are_counted_as_in_the_papers(backbone, separable, expected):
    for num_classes, count in expected.items():
        model = kseg.build(
            "deeplabv3plus",
            num_classes=num_classes,
            backbone=backbone,
            separable=separable,
        )
        assert trainable(model) == count
        if (backbone, num_classes) == ("xception65", 21):
            assert model.count_params() == 41_258_213  # with the moving statistics


def test_the_pyramid_has_the_rates_of_the_output_stride(model, dense):
    rates = (6, 12, 18)
    for network, factor in ((model, 1), (dense, 2)):
        found = [
            network.get_layer(f"aspp_rate{factor * rate}_depthwise").dilation_rate
            for rate in rates
        ]
        assert found == [(factor * rate,) * 2 for rate in rates]


@pytest.mark.parametrize("size", [(64, 96), (65, 97)])
def test_maps_have_their_strides(model, dense, size):
    image = np.zeros((1, *size, 3), "float32")
    for network, stride in ((model, 16), (dense, 8)):
        names = ["aspp_fuse_relu", "decoder", "classifier"]
        outputs = [network.get_layer(name).output for name in names]
        pyramid, decoder, classifier = keras.Model(network.input, outputs)(image)
        assert pyramid.shape[1:] == (*(-(-side // stride) for side in size), 8)
        assert decoder.shape[1:] == (*(-(-side // 4) for side in size), 8 + 4)
        assert classifier.shape[1:] == (*(-(-side // 4) for side in size), 3)


def test_the_pooled_branch_carries_every_pixel_everywhere(model):
    """A pixel in one corner moves the pyramid in the other, beyond all kernels."""
    names = ["aspp_image", "aspp_image_resize", "aspp_1x1"]
    branch = keras.Model(model.input, [model.get_layer(x).output for x in names])
    image = np.full((1, 64, 640, 3), 90, "float32")
    norm = model.get_layer("aspp_image_bn")  # such that no ReLU behind it is at rest
    norm.gamma.assign(0.5 / np.abs(branch(image)[0]).max() + 0 * norm.gamma)
    norm.beta.assign(norm.beta + 1)

    _, pooled, local = map(keras.ops.convert_to_numpy, branch(image))
    image[:, :32, :32] = 255
    _, moved_pooled, moved_local = map(keras.ops.convert_to_numpy, branch(image))
    np.testing.assert_array_equal(moved_local[:, :, -4:], local[:, :, -4:])
    difference = np.abs(moved_pooled - pooled)
    assert difference.shape == (1, 4, 40, 8)
    assert difference.min() > 1e-4
    np.testing.assert_array_equal(difference, difference[:, :1, :1] + 0 * difference)


def test_the_pyramid_may_do_without_the_mean_and_have_other_rates():
    model = kseg.build("deeplabv3plus", rates=(2, 4), image_pooling=False, **SMALL)
    names = {layer.name for layer in model.layers}
    assert {"aspp_rate2_depthwise", "aspp_rate4_depthwise"} < names
    assert not {"aspp_image", "aspp_rate6_depthwise"} & names


def test_corners_are_aligned_where_asked():
    model = kseg.build("deeplabv3plus", align_corners=True, **SMALL)
    scores = keras.Model(model.input, model.get_layer("classifier").output)
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 49, 3)).astype("float32")
    logits, expected = map(keras.ops.convert_to_numpy, (model(image), scores(image)))
    atol = 1e-4 * np.ptp(expected)
    np.testing.assert_allclose(logits[:, ::4, ::4], expected, atol=atol)


def test_output_strides_share_their_weights(model, dense):
    shapes = [v.shape for v in model.variables]
    assert [v.shape for v in dense.variables] == shapes


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(num_classes=1), "`num_classes` must be 2 or more. Received: 1"),
        (dict(output_stride=32), "`output_stride` must be 8 or 16. Received: 32"),
        (dict(backbone="resnet5"), "Did you mean 'resnet50'"),
        (dict(dilate_first=False), "option of 'mobilenet_v2'.*'dilate_first'"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("deeplabv3plus", **argument)
