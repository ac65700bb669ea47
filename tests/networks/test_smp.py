import keras
import numpy as np
import pytest
from every_network import images, logits_of

import kseg


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("name", "backbone", "expected"),
    [
        ("smp_unet", "resnet34_torch", {21: 24_439_269, 11: 24_437_819}),
        ("smp_unet", "resnet50_torch", {21: 32_524_005}),
        ("smp_pspnet", "resnet34_torch", {21: 1_593_397, 11: 1_547_307}),
        ("smp_pspnet", "resnet50_torch", {21: 2_330_069}),
        ("smp_deeplabv3plus", "resnet34_torch", {21: 22_442_597, 11: 22_440_027}),
        ("smp_deeplabv3plus", "resnet50_torch", {21: 26_682_725}),
    ],
)
def test_the_parameters_are_counted_as_in_the_package(name, backbone, expected):
    """PSPNet's without the stages of its encoder that do not run."""
    for num_classes, count in expected.items():
        model = kseg.build(name, num_classes=num_classes, backbone=backbone)
        assert trainable(model) == count


@pytest.mark.parametrize(
    ("output_stride", "expected"), [(16, [1, 1, 2, 2]), (8, [2, 2, 4, 4])]
)
def test_deeplab_dilates_all_of_a_stage_and_keeps_its_rates(output_stride, expected):
    model = kseg.build(
        "smp_deeplabv3plus", backbone="resnet18_torch", output_stride=output_stride
    )
    rates = [
        model.get_layer(f"conv{stage}_block1_{number}_conv").dilation_rate[0]
        for stage in (4, 5)
        for number in (1, 2)
    ]
    assert rates == expected
    for rate in (12, 24, 36):
        layer = model.get_layer(f"aspp_rate{rate}_depthwise")
        assert layer.dilation_rate == (rate, rate)


def test_pspnet_sees_nothing_beyond_stride_8():
    model = kseg.build("smp_pspnet", backbone="resnet18_torch", filters=8)
    assert not any(layer.name.startswith("conv4") for layer in model.layers)
    maps = keras.Model(model.input, model.get_layer("pyramid").output)
    assert maps(images((64, 48)).astype("float32")).shape == (2, 8, 6, 256)


def test_unet_repeats_pixels_on_the_way_up():
    """A pixel of the deepest map is a square of 2x2 ahead of the next level."""
    model = kseg.build("smp_unet", backbone="resnet18_torch", filters=(8, 4, 4, 4, 4))
    parts = [model.get_layer(name).output for name in ("conv5_block2_out", "crop1")]
    deep, up = keras.Model(model.input, parts)(images((96, 65)).astype("float32"))
    assert deep.shape[1:3] == (3, 3) and up.shape[1:3] == (6, 5)
    repeated = np.repeat(np.repeat(deep, 2, axis=1), 2, axis=2)[:, :, :5]
    np.testing.assert_array_equal(up, repeated)


def test_a_decoder_has_five_levels_and_a_map_to_carry_to_each():
    with pytest.raises(ValueError, match=r"5 numbers. Received: \(8, 4\)"):
        kseg.build("smp_unet", filters=(8, 4))
    with pytest.raises(ValueError, match="stride 2.*Received: 'mit_b0'"):
        kseg.build("smp_unet", backbone="mit_b0")
    with pytest.raises(ValueError, match="8 or 16. Received: 32"):
        kseg.build("smp_deeplabv3plus", output_stride=32)


def test_a_checkpoint_of_other_classes_is_taken(tmp_path):
    small = {"backbone": "mobilenet_v2", "filters": 8}
    trained = kseg.build("smp_deeplabv3plus", num_classes=3, **small)
    trained.save(tmp_path / "net.keras")
    weights = str(tmp_path / "net.keras")
    model = kseg.build("smp_deeplabv3plus", num_classes=2, weights=weights, **small)
    assert logits_of(model, images((33, 47))).shape == (2, 33, 47, 2)
    kernels = [x.get_layer("aspp_fuse").get_weights()[0] for x in (trained, model)]
    np.testing.assert_array_equal(*kernels)
