"""The logits of MMSegmentation's networks."""

import pytest

pytest.importorskip("torchvision")
from mmseg_original import (  # noqa: E402
    ASPPHead,
    EncoderDecoder,
    FCNHead,
    MixVisionTransformer,
    PSPHead,
    ResNet,
    SegformerHead,
)
from originals import (  # noqa: E402
    assert_same_logits,
    convert,
    left_out,
    randomise,
)


def as_saved(state, config="norm_cfg=dict(type='SyncBN'), align_corners=False"):
    """What mmcv's and mmengine's checkpoints hold."""
    return {"meta": {"epoch": 1, "config": config}, "state_dict": state}


@pytest.mark.parametrize(
    ("head", "deep_stem", "network", "backbone"),
    [
        (ASPPHead, True, "deeplabv3", "resnet50_v1c"),
        (PSPHead, True, "pspnet", "resnet50_v1c"),
        (PSPHead, False, "pspnet", "resnet50_torch"),
    ],
)
def test_the_logits_are_theirs(head, deep_stem, network, backbone, tmp_path):
    original = EncoderDecoder(ResNet(deep_stem), head(5), FCNHead(5))
    conversion = convert(randomise(original), tmp_path, "mmseg", as_saved)
    assert conversion.model.name == network
    assert conversion.network["backbone"] == backbone
    assert left_out(conversion) == {"auxiliary_head"}
    assert_same_logits(conversion.model, original, [(65, 47)])


def test_segformers_logits_are_theirs(tmp_path):
    original = EncoderDecoder(MixVisionTransformer(), SegformerHead(5))
    conversion = convert(randomise(original), tmp_path, "mmseg", as_saved)
    assert conversion.network == {
        "name": "segformer",
        "backbone": "mit_b0",
        "num_classes": 5,
        "filters": 256,
        "form": "mmseg",
    }
    assert left_out(conversion) == set()
    assert_same_logits(conversion.model, original, [(64, 96), (65, 47)])


@pytest.mark.parametrize(
    ("head", "network"), [(ASPPHead, "deeplabv3"), (PSPHead, "pspnet")]
)
def test_the_configuration_tells_what_no_tensor_shows(head, network, tmp_path):
    """The same tensors at stride 16, with aligned corners."""
    original = EncoderDecoder(ResNet(True), head(5), FCNHead(5))
    config = "strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), align_corners=True"
    conversion = convert(original, tmp_path, "mmseg", lambda x: as_saved(x, config))
    assert conversion.network["output_stride"] == 16
    assert conversion.network["align_corners"] is True
    conversion = convert(
        original,
        tmp_path,
        "mmseg",
        lambda x: as_saved(x, config),
        options={"align_corners": False},
    )
    assert conversion.network["align_corners"] is False


def test_a_multi_grid_is_refused(tmp_path):
    original = EncoderDecoder(ResNet(True), ASPPHead(5), FCNHead(5))
    with pytest.raises(ValueError, match="mmseg with `multi_grid`"):
        convert(
            original, tmp_path, "mmseg", lambda x: as_saved(x, "multi_grid=(1, 2, 4)")
        )


def test_other_heads_are_refused(tmp_path):
    original = EncoderDecoder(ResNet(True), FCNHead(5))
    with pytest.raises(ValueError, match="DeepLabV3 or PSPNet.*stem"):
        convert(original, tmp_path, "mmseg")
