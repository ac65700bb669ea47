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


def written(head, stride, contracted=True, options=""):
    """The text of a configuration: that of a ResNet with a head."""
    strides, dilations = {
        8: ("(1, 2, 1, 1)", "(1, 1, 2, 4)"),
        16: ("(1, 2, 2, 1)", "(1, 1, 1, 2)"),
    }[stride]
    return f"""norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='ResNetV1c', depth=50, strides={strides},
        dilations={dilations}, contract_dilation={contracted}),
    decode_head=dict(type='{head}', {options}),
    auxiliary_head=dict(type='FCNHead', align_corners=False))
"""


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


@pytest.mark.parametrize("contracted", [True, False])
@pytest.mark.parametrize(
    ("stride", "dilations"),
    [(8, (1, 12, 24, 36)), (8, (1, 6, 12, 18)), (16, (1, 6, 12, 18)),
     (16, (1, 3, 12, 24))],
)  # fmt: skip
def test_the_configuration_tells_the_dilations(stride, dilations, contracted, tmp_path):
    """Which leave no trace in the tensors; the map has 17 or 9 rows."""
    trunk = ResNet(True, stride, contracted)
    original = EncoderDecoder(trunk, ASPPHead(5, dilations), FCNHead(5))
    config = written("ASPPHead", stride, contracted, f"dilations={dilations}")
    conversion = convert(
        randomise(original), tmp_path, "mmseg", lambda x: as_saved(x, config)
    )
    assert conversion.network["output_stride"] == stride
    assert_same_logits(conversion.model, original, [(129, 97)])


@pytest.mark.parametrize("stride", [8, 16])
def test_the_configuration_tells_the_alignment(stride, tmp_path):
    original = randomise(
        EncoderDecoder(ResNet(True, stride), PSPHead(5, True), FCNHead(5))
    )
    config = written("PSPHead", stride, True, "align_corners=True")
    conversion = convert(original, tmp_path, "mmseg", lambda x: as_saved(x, config))
    assert_same_logits(conversion.model, original, [(65, 47)], align_corners=True)
    conversion = convert(
        original,
        tmp_path,
        "mmseg",
        lambda x: as_saved(x, config),
        options={"align_corners": False},
    )
    assert conversion.network["align_corners"] is False


def test_options_tell_where_there_is_no_configuration(tmp_path):
    original = randomise(
        EncoderDecoder(ResNet(True, 16, False), ASPPHead(5, (1, 3, 12, 24)))
    )
    conversion = convert(
        original,
        tmp_path,
        "mmseg",
        options={"output_stride": 16, "rates": (3, 12, 24), "dilate_first": True},
    )
    assert_same_logits(conversion.model, original, [(129, 97)])


def test_a_segformer_with_aligned_corners_is_refused(tmp_path):
    original = EncoderDecoder(MixVisionTransformer(), SegformerHead(5))
    for aligned in (False, True):
        head = f"type='SegformerHead', align_corners={aligned}"
        config = (
            "model = dict(backbone=dict(type='MixVisionTransformer', "
            f"sr_ratios=[8, 4, 2, 1]), decode_head=dict({head}))"
        )
        given = {"wrap": lambda x, config=config: as_saved(x, config)}
        if aligned:
            with pytest.raises(ValueError, match="SegFormer.*`align_corners` False"):
                convert(original, tmp_path, "mmseg", **given)
        else:
            assert (
                "align_corners"
                not in convert(original, tmp_path, "mmseg", **given).network
            )


def test_other_heads_are_refused(tmp_path):
    original = EncoderDecoder(ResNet(True), FCNHead(5))
    with pytest.raises(ValueError, match="DeepLabV3 or PSPNet.*stem"):
        convert(original, tmp_path, "mmseg")
