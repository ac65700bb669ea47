"""The logits of torchvision's networks."""

import keras
import numpy as np
import pytest

pytest.importorskip("torchvision")
from originals import (  # noqa: E402
    assert_close,
    assert_same_logits,
    convert,
    images,
    left_out,
    normalised,
    randomise,
    torch,
)
from torchvision import models  # noqa: E402
from torchvision.models import segmentation  # noqa: E402

NONE = {"weights": None, "weights_backbone": None}


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("name", "network", "backbone"),
    [
        ("deeplabv3_resnet50", "deeplabv3", "resnet50_torch"),
        ("deeplabv3_mobilenet_v3_large", "deeplabv3", "mobilenet_v3_large_torch"),
        ("fcn_resnet50", "fcn_resnet", "resnet50_torch"),
        ("lraspp_mobilenet_v3_large", "lraspp", "mobilenet_v3_large_torch"),
        pytest.param(
            "deeplabv3_resnet101",
            "deeplabv3",
            "resnet101_torch",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "fcn_resnet101", "fcn_resnet", "resnet101_torch", marks=pytest.mark.slow
        ),
    ],
)
def test_the_logits_are_torchvisions(name, network, backbone, tmp_path):
    auxiliary = {} if network == "lraspp" else {"aux_loss": True}
    original = getattr(segmentation, name)(num_classes=5, **NONE, **auxiliary)
    conversion = convert(randomise(original), tmp_path, "torchvision")
    assert conversion.network["name"] == network
    assert conversion.network["backbone"] == backbone
    assert conversion.model.output_shape[-1] == 5
    assert left_out(conversion) == ({"aux_classifier"} if auxiliary else set())
    assert conversion.new == []
    assert_same_logits(conversion.model, original, [(65, 47), (64, 96)])
    parameters = {
        key: value.numel()
        for key, value in original.named_parameters()
        if not key.startswith("aux_classifier")
    }
    assert trainable(conversion.model) == sum(parameters.values())


@pytest.mark.parametrize(
    ("name", "options", "network", "last"),
    [
        ("resnet18", {}, "smp_unet", "conv5_block2_out"),
        (
            "mobilenet_v3_small",
            {"dilated": True},
            "lraspp",
            "conv_1_hard_swish",
        ),
    ],
)
def test_a_classifier_is_the_backbone_of_a_network(
    name, options, network, last, tmp_path
):
    original = randomise(getattr(models, name)(weights=None, **options))
    conversion = convert(
        original, tmp_path, "torchvision", network=network, num_classes=3
    )
    model = conversion.model
    assert model.name == network and model.output_shape[-1] == 3
    assert conversion.network["backbone"] == f"{name}_torch"
    assert left_out(conversion) <= {"fc", "classifier"}
    assert any("classifier" in layer for layer in conversion.new)
    assert not any(layer.startswith("conv") for layer in conversion.new)
    pixels = images(65, 47)
    trunk = keras.Model(model.input, model.get_layer(last).output)
    whole = torch.nn.Sequential(*list(original.children())[:-2])
    with torch.no_grad():
        expected = whole(normalised(pixels)).permute(0, 2, 3, 1).numpy()
    assert_close(trunk(pixels, training=False), expected)


def test_a_network_gives_its_backbone_to_another(tmp_path):
    original = segmentation.lraspp_mobilenet_v3_large(num_classes=4, **NONE)
    conversion = convert(
        randomise(original), tmp_path, "torchvision", network="deeplabv3"
    )
    assert conversion.model.name == "deeplabv3"
    assert conversion.model.output_shape[-1] == 4
    assert left_out(conversion) == {"classifier"}
    assert {"aspp_1x1", "aspp_fuse_bn", "classifier"} <= set(conversion.new)
    again = convert(original, tmp_path, "torchvision")
    weight = again.model.get_layer("conv_1").get_weights()[0]
    np.testing.assert_array_equal(
        conversion.model.get_layer("conv_1").get_weights()[0], weight
    )


def test_a_classifier_needs_a_network_and_classes(tmp_path):
    with pytest.raises(ValueError, match="--network.*resnet18_torch"):
        convert(models.resnet18(weights=None), tmp_path, "torchvision")
    with pytest.raises(ValueError, match="argument of 'unet'.*'backbone'"):
        convert(
            models.resnet18(weights=None),
            tmp_path,
            "torchvision",
            network="unet",
            num_classes=3,
        )


def test_other_networks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="DeepLabV3.*features.0.weight"):
        convert(models.squeezenet1_1(weights=None), tmp_path, "torchvision")
