import keras
import numpy as np
import pytest
from every_network import build

import kseg


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def rates(model, prefix):
    """The dilations of the layers of a prefix that are 3x3 convolutions."""
    return [
        layer.dilation_rate[0]
        for layer in model.layers
        if layer.name.startswith(prefix) and getattr(layer, "kernel_size", 0) == (3, 3)
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (dict(backbone="resnet50"), {21: 39_048_533, 11: 39_045_963}),
        (dict(backbone="resnet101"), {21: 58_040_661, 19: 58_040_147}),
        (dict(backbone="resnet50_beta"), {21: 39_172_309}),
        (dict(backbone="resnet101_beta"), {21: 58_164_437}),
        (dict(backbone="mobilenet_v2"), {21: 2_113_557, 11: 2_110_987}),
        (dict(backbone="resnet50_beta", cascade=3), {21: 63_838_165}),
        (dict(backbone="resnet101_beta", cascade=3), {21: 82_830_293}),
        (dict(backbone="resnet101_torch", head="torchvision"), {21: 58_630_997}),
    ],
)
def test_the_parameters_are_counted_as_in_the_papers(arguments, expected):
    for num_classes, count in expected.items():
        model = kseg.build("deeplabv3", num_classes=num_classes, **arguments)
        assert trainable(model) == count
        if arguments["backbone"] == "mobilenet_v2" and num_classes == 21:
            assert model.count_params() == 2_146_645  # with the moving statistics


@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_beta"])
def test_rates_double_with_the_resolution(backbone):
    """Section 3.3: multi-grid 1, 2, 4, and 6, 12, 18 at output stride 16."""
    for output_stride, factor in ((16, 1), (8, 2)):
        model = kseg.build(
            "deeplabv3", backbone=backbone, output_stride=output_stride, filters=4
        )
        assert rates(model, "conv5_") == [factor * rate for rate in (2, 4, 8)]
        assert rates(model, "aspp_") == [factor * rate for rate in (6, 12, 18)]


def test_torchvisions_form_has_its_rates_and_dropout():
    model = kseg.build(
        "deeplabv3", backbone="resnet50_torch", output_stride=8, head="torchvision"
    )
    assert rates(model, "conv5_") == [2, 4, 4]
    assert rates(model, "aspp_") == [12, 24, 36]
    assert model.get_layer("refine").input is model.get_layer("dropout").output
    assert model.get_layer("dropout").rate == 0.5


def test_the_denser_network_holds_the_coarser_one():
    """The same weights see at output stride 8 what they see at 16, and between."""
    keras.utils.set_random_seed(0)
    maps = []
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 65, 82, 3)).astype("float32")
    weights = None
    for output_stride in (16, 8):
        model = kseg.build(
            "deeplabv3",
            num_classes=3,
            output_stride=output_stride,
            rates=(1, 2),
            image_pooling=False,
            filters=4,
        )
        if weights:
            model.set_weights(weights)
        weights = model.get_weights()
        inner = keras.Model(model.input, model.get_layer("aspp_fuse_relu").output)
        maps.append(keras.ops.convert_to_numpy(inner(pixels)))
    coarse, fine = maps
    assert coarse.shape[1:3] == (5, 6) and fine.shape[1:3] == (9, 11)
    assert coarse.std() > 0
    atol = 1e-4 * np.abs(coarse).max()
    np.testing.assert_allclose(fine[:, ::2, ::2], coarse, atol=atol)


def test_the_cascade_takes_the_place_of_the_pyramid():
    model = kseg.build("deeplabv3", cascade=3, multi_grid=(1, 2, 1))
    assert not any(layer.name.startswith("aspp") for layer in model.layers)
    found = [rates(model, f"conv{stage}_") for stage in (5, 6, 7, 8)]
    assert found == [[2, 4, 2], [4, 8, 4], [8, 16, 8], [16, 32, 16]]
    assert (
        model.get_layer("dropout").input is model.get_layer("conv8_block3_out").output
    )


def test_corners_are_aligned_where_asked():
    model = build("deeplabv3", align_corners=True)
    scores = keras.Model(model.input, model.get_layer("classifier").output)
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 49, 3)).astype("float32")
    logits, expected = map(keras.ops.convert_to_numpy, (model(image), scores(image)))
    atol = 1e-4 * np.ptp(expected)
    np.testing.assert_allclose(logits[:, ::16, ::16], expected, atol=atol)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(num_classes=1), "`num_classes` must be 2 or more. Received: 1"),
        (dict(output_stride=32), "`output_stride` must be 8 or 16. Received: 32"),
        (dict(head="torch"), "'deeplab' or 'torchvision'. Received: 'torch'"),
        (dict(cascade=4), "`cascade` must be 0 to 3. Received: 4"),
        (dict(cascade=1, rates=(6, 12)), "cascade has no pyramid.*6, 12"),
        (dict(cascade=1, head="torchvision"), "cascade has no pyramid.*torchvision"),
        (dict(backbone="resnet5"), "Did you mean 'resnet50'"),
        (dict(multi_grid=(1, 2)), "3 rates. Received"),
        (dict(backbone="vgg16", cascade=1), "option of 'vgg16'.*'cascade'"),
        (dict(backbone="vgg16", multi_grid=(1, 2, 4)), "option of 'vgg16'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("deeplabv3", **arguments)


def test_mmsegmentations_form_has_its_rates_and_merges_by_a_3x3():
    model = kseg.build(
        "deeplabv3",
        backbone="resnet50_v1c",
        output_stride=8,
        filters=8,
        fuse_kernel_size=3,
        multi_grid=(1, 1, 1),
        dilate_first=False,
    )
    assert rates(model, "conv5_") == [2, 4, 4]
    assert rates(model, "aspp_rate") == [12, 24, 36]
    assert model.get_layer("aspp_fuse").kernel_size == (3, 3)
    assert model.get_layer("aspp_fuse").dilation_rate == (1, 1)
