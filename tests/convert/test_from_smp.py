"""The logits of segmentation_models.pytorch's networks."""

import keras
import numpy as np
import pytest

smp = pytest.importorskip("segmentation_models_pytorch")
from originals import (  # noqa: E402
    assert_close,
    assert_same_logits,
    convert,
    images,
    left_out,
    logits_of,
    randomise,
)

from kseg.convert import from_pytorch  # noqa: E402

HEAD = "segmentation_head.0.bias"


def build(kind, encoder="resnet18", **options):
    model = getattr(smp, kind)(encoder, encoder_weights=None, **options)
    return randomise(model)


@pytest.mark.parametrize(
    ("kind", "options", "network", "unused", "sizes"),
    [
        ("Unet", {}, "smp_unet", set(), [(64, 96), (65, 47)]),
        ("PSPNet", {}, "smp_pspnet", {"encoder"}, [(64, 96), (48, 72)]),
        ("PSPNet", {"encoder": "resnet50"}, "smp_pspnet", {"encoder"}, [(64, 96)]),
        ("DeepLabV3Plus", {}, "smp_deeplabv3plus", set(), [(64, 96), (48, 80)]),
        ("DeepLabV3Plus", {"encoder": "resnet50"}, "smp_deeplabv3plus", set(),
         [(64, 96)]),
        ("Unet", {"decoder_channels": (64, 32, 16, 8, 4)}, "smp_unet", set(),
         [(33, 64)]),
        ("Unet", {"aux_params": {"classes": 4}}, "smp_unet",
         {"classification_head"}, []),
    ],
)  # fmt: skip
def test_the_logits_are_theirs(kind, options, network, unused, sizes, tmp_path):
    original = build(kind, classes=5, **options)
    conversion = convert(original, tmp_path, "smp")
    assert conversion.model.name == network
    encoder = options.get("encoder", "resnet18")
    assert conversion.network["backbone"] == f"{encoder}_torch"
    assert left_out(conversion) == unused
    assert all(
        name.startswith(("encoder.layer3", "encoder.layer4", "classification_head"))
        or name.endswith("num_batches_tracked")
        for name in conversion.left_out
    )
    assert_same_logits(conversion.model, original, sizes)


def test_the_config_beside_a_file_tells_what_no_tensor_shows(tmp_path):
    original = build(
        "DeepLabV3Plus",
        classes=5,
        encoder_output_stride=8,
        decoder_atrous_rates=(6, 12, 18),
    )
    original.save_pretrained(tmp_path)
    conversion = from_pytorch(tmp_path / "model.safetensors", "smp")
    assert conversion.network["output_stride"] == 8
    assert conversion.network["rates"] == (6, 12, 18)
    assert_same_logits(conversion.model, original, [(64, 96)])


def test_other_upsampling_in_the_config_is_refused(tmp_path):
    original = build("Unet", classes=5, decoder_interpolation="bilinear")
    original.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="`decoder_interpolation` 'nearest'"):
        from_pytorch(tmp_path / "model.safetensors", "smp")


def test_a_network_inside_a_training_module(tmp_path):
    """As checkpoints of Lightning have it, where it is called what it may."""

    def as_trained(state):
        state = {f"net.{name}": x for name, x in state.items()}
        return {"state_dict": state | {"loss_fn.weight": state[f"net.{HEAD}"]}}

    original = build("Unet", classes=5)
    conversion = convert(original, tmp_path, "smp", as_trained)
    assert left_out(conversion) == {"loss_fn"}
    assert_same_logits(conversion.model, original, [(64, 96)])


def test_one_class_becomes_two_of_the_same_probability(tmp_path):
    original = build("Unet", classes=1)
    conversion = convert(original, tmp_path, "smp")
    pixels = images(64, 64)
    probability = 1 / (1 + np.exp(-logits_of(original, pixels)[..., 0]))
    result = keras.ops.softmax(conversion.model(pixels, training=False))
    assert conversion.network["num_classes"] == 2
    assert_close(result[..., 1], probability)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("FPN", {}, "Unet, PSPNet and DeepLabV3Plus"),
        ("Unet", {"encoder": "vgg11"}, "resnet34"),
        ("Unet", {"decoder_attention_type": "scse"}, "without a layer: .*attention1"),
        ("DeepLabV3Plus", {"decoder_aspp_separable": False}, "without a tensor: "),
        ("PSPNet", {"encoder_depth": 4}, "other shapes: "),
        ("Unet", {"in_channels": 1}, r"\(7, 7, 1, 64\), not \(7, 7, 3, 64\)"),
    ],
)
def test_what_is_not_covered_is_refused(kind, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        convert(build(kind, classes=3, **options), tmp_path, "smp")
