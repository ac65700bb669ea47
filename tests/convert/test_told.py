"""What files say beside the tensors; PyTorch is not needed."""

import numpy as np
import pytest
from checkpoints import write_safetensors

from kseg.convert import from_pytorch, huggingface_segformer, mmseg, smp
from kseg.convert.notes import Notes, named, read_notes
from kseg.labels import default_colors

STAGES = {
    8: "strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)",
    16: "strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)",
}
# As mmengine writes it: lists for tuples, a number a line.
IN_LINES = """strides=[
            1,
            2,
            2,
            1,
        ],
        dilations=[
            1,
            1,
            1,
            2,
        ]"""


def told(backbone, head, tensors, rest="", key="cfg"):
    """What a text tells in which other things stand in front and behind."""
    config = f"""crop_size = (512, 512)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(align_corners=True))))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(note='an :-) and a (', mean=[123.675, 116.28]),  # :-(
    backbone=dict(type='ResNetV1c', depth=50, norm_cfg=norm_cfg, {backbone}),
    decode_head=dict(type='Head', loss_decode=dict(loss_weight=1.0), {head}),
    auxiliary_head=dict(align_corners=True, dilations=(1, 2, 3, 4)){rest})
"""
    return mmseg.told(Notes({key: config}, {}, ""), tensors)


def deeplab(rates=3, channels=4):
    """The tensors of a DeepLabV3 by their names; of their shapes little is right."""
    names = ["backbone.conv1.weight"]
    for stage, units in enumerate((3, 4, 6, 3), start=1):
        for unit in range(units):
            names += [f"backbone.layer{stage}.{unit}.conv{i}.weight" for i in (1, 2, 3)]
    names += [f"decode_head.aspp_modules.{i}.conv.weight" for i in range(rates + 1)]
    names += ["decode_head.image_pool.1.conv.weight", "decode_head.conv_seg.weight"]
    width = (rates + 2) * channels
    bottleneck = np.arange(width).reshape(1, width, 1, 1).repeat(channels, axis=0)
    tensors = {name: np.zeros((5, 1, 1, 1)) for name in names}
    return tensors | {"decode_head.bottleneck.conv.weight": bottleneck}


PSP = {"decode_head.psp_modules.0.1.conv.weight": np.zeros(1)}
SEGFORMER = {"decode_head.fusion_conv.conv.weight": np.zeros(1)}


@pytest.mark.parametrize("key", ["cfg", "config"])
@pytest.mark.parametrize(
    ("backbone", "head", "stride", "distances"),
    [
        (STAGES[8], "dilations=(1, 12, 24, 36)", 8, (12, 24, 36)),
        (STAGES[8], "dilations=(1, 6, 12, 18)", 8, (6, 12, 18)),
        (STAGES[8], "", 8, (6, 12, 18)),
        (STAGES[16], "dilations=(1, 12, 24, 36)", 16, (12, 24, 36)),
        (STAGES[16], "dilations=(1, 6, 12, 18)", 16, (6, 12, 18)),
        (IN_LINES, "dilations=[\n1,\n5,\n7,\n]", 16, (5, 7)),
        (STAGES[16], "dilations=(1, 2, 4, 8, 16)", 16, (2, 4, 8, 16)),
    ],
)
def test_mmsegs_dilations_are_those_of_the_configuration(
    backbone, head, stride, distances, key
):
    tensors = deeplab(len(distances))
    options = told(backbone, head, tensors, key=key)
    recipe = mmseg.recipe(tensors, options)
    assert recipe is not None and recipe.network == "deeplabv3"
    assert recipe.arguments["output_stride"] == stride
    rates = recipe.arguments["rates"]
    assert tuple(rate * 16 // stride for rate in rates) == distances
    layers = [recipe.layers[f"decode_head.aspp_modules.{i}.conv"]
              for i in range(len(distances) + 1)]  # fmt: skip
    assert layers == ["aspp_1x1", *(f"aspp_rate{x}" for x in distances)]
    rows = recipe.tensors["decode_head.bottleneck.conv.weight"][0, :, 0, 0]
    assert rows[-4:].tolist() == [0, 1, 2, 3] and rows[0] == 4


def test_mmsegs_options_overrule_the_configuration():
    tensors = deeplab()
    options = told(STAGES[8], "dilations=(1, 12, 24, 36)", tensors)
    recipe = mmseg.recipe(tensors, options | {"rates": [1, 2, 3]})
    assert recipe is not None and recipe.arguments["rates"] == (1, 2, 3)
    assert recipe.layers["decode_head.aspp_modules.3.conv"] == "aspp_rate6"
    plain = mmseg.recipe(tensors, {})
    assert plain is not None and plain.arguments["rates"] == (6, 12, 18)
    assert plain.arguments["output_stride"] == 8
    assert plain.arguments["dilate_first"] is False


@pytest.mark.parametrize(
    ("backbone", "dilate_first"),
    [
        ("contract_dilation=True", False),
        ("contract_dilation=False", True),
        ("style='pytorch'", True),
    ],
)
def test_mmsegs_first_dilation_is_that_of_the_configuration(backbone, dilate_first):
    options = told(f"{STAGES[8]}, {backbone}", "", PSP)
    assert options == {
        "align_corners": False,
        "output_stride": 8,
        "dilate_first": dilate_first,
    }


def test_mmsegs_alignment_is_that_of_the_head_of_inference():
    assert told(STAGES[8], "align_corners=False", PSP)["align_corners"] is False
    assert told(STAGES[8], "", PSP)["align_corners"] is False
    assert told(STAGES[8], "align_corners=True", PSP)["align_corners"] is True
    assert told("", "align_corners=False", SEGFORMER) == {"align_corners": False}
    options = told("", "align_corners=True", SEGFORMER)
    classified = SEGFORMER | {"decode_head.conv_seg.weight": np.zeros(1)}
    with pytest.raises(ValueError, match="SegFormer.*`align_corners` False.*True"):
        mmseg.recipe(classified, options)


@pytest.mark.parametrize(
    ("backbone", "head", "words"),
    [
        (f"{STAGES[8]}, multi_grid=(1, 2, 4)", "", r"`multi_grid` None.*\(1, 2, 4\)"),
        (f"{STAGES[8]}, style='caffe'", "", "`style` 'pytorch'.*'caffe'"),
        (STAGES[8], "pool_scales=[1, 2, 4, 8]", r"`pool_scales`.*\(1, 2, 4, 8\)"),
        (STAGES[8], "pool_scales=scales", "`pool_scales`.*None"),
        (STAGES[8], "interpolate_mode='nearest'", "`interpolate_mode` 'bilinear'"),
        ("", "", r"strides and dilations.*\(1, 2, 2, 2\) and \(1, 1, 1, 1\)"),
        ("strides=(1, 2, 2, 1)", "", r"\(1, 2, 2, 1\) and \(1, 1, 1, 1\)"),
        (STAGES[8], "dilations=(1, 3, 6, 9)", "multiples of 2.*3, 6, 9"),
        (STAGES[8], "dilations=(6, 12, 18)", r"must be 1 and.*\(6, 12, 18\)"),
        (STAGES[8], "dilations=4", "says 4"),
    ],
)
def test_what_mmseg_computes_otherwise_is_refused(backbone, head, words):
    with pytest.raises(ValueError, match=words):
        told(backbone, head, deeplab())


def test_mmsegs_configuration_may_be_missing_but_not_broken():
    for config in (None, "", "norm_cfg = dict(align_corners=True)", {"model": 1}):
        assert mmseg.told(Notes({"cfg": config}, {}, ""), PSP) == {}
    for config in ("model = dict(backbone=dict(", "model = dict(type=<class 'X'>)"):
        with pytest.raises(ValueError, match="must be Python.*model = dict"):
            mmseg.told(Notes({"cfg": config}, {}, ""), PSP)


# Classes

NAMES = ["road", "car"]


@pytest.mark.parametrize(
    "colors",
    [None, "random", 3, [], [[1, 2, 3]], [[1, 2, 3, 4]] * 2, [[1, 2, 999]] * 2,
     [[1, 2, -1]] * 2, [[1, 2, 0.5]] * 2, [[1, 2, True]] * 2, [1, 2], ["abc", "def"],
     {"road": [1, 2, 3], "car": [3, 2, 1]}],
)  # fmt: skip
def test_colours_that_do_not_fit_are_not_taken(colors):
    labels = named(NAMES, colors)
    assert labels is not None and labels.colors == default_colors(2)
    meta = {"CLASSES": tuple(NAMES), "PALETTE": colors, 7: "epochs"}
    assert mmseg.labels(Notes(meta, {}, "")) == labels


def test_colours_that_fit_are_taken():
    labels = named(tuple(NAMES), [[0, 9, 255], (3, 2, 1)])
    assert labels is not None and labels.names == ("road", "car")
    assert labels.colors == ((0, 9, 255), (3, 2, 1))


@pytest.mark.parametrize("names", [None, "road", 3, [], ["a", None], [1, 2], {"a": 1}])
def test_names_are_a_list_of_texts(names):
    assert named(names) is None
    assert mmseg.labels(Notes({"CLASSES": names}, {}, "")) is None


def test_hugging_faces_names_are_texts():
    notes = Notes({}, {"id2label": {"0": None, "1": "car"}}, "")
    assert huggingface_segformer.labels(notes) is None


# The configuration beside a file


def test_a_config_beside_is_read_where_its_library_writes_one(tmp_path):
    path = write_safetensors(tmp_path / "a.safetensors", {"x": np.zeros(1, "float32")})
    (tmp_path / "config.json").write_text('{"id2label": {}}', "utf-8-sig")
    assert read_notes(path, config=True).config == {"id2label": {}}
    (tmp_path / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="must be a JSON object"):
        read_notes(path, config=True)
    assert read_notes(path, config=False).config == {}
    for source in ("hrnet", "mmseg", "torchvision"):
        with pytest.raises(ValueError, match="whose tensors are x"):
            from_pytorch(path, source)
    for source in ("huggingface-segformer", "smp"):
        with pytest.raises(ValueError, match="must be a JSON object"):
            from_pytorch(path, source)


PLUS = {"decoder.block2.0.0.weight": np.zeros(1)}
UNET = {"decoder.blocks.4.conv1.0.weight": np.zeros(1)}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (16, (12, 24, 36))),
        ({"encoder_output_stride": None, "decoder_atrous_rates": None,
          "decoder_interpolation": None}, (16, (12, 24, 36))),
        ({"encoder_output_stride": 8, "decoder_atrous_rates": [6, 12, 18]},
         (8, (6, 12, 18))),
    ],
)  # fmt: skip
def test_smps_nulls_are_absent(config, expected):
    config = {"_model_class": "DeepLabV3Plus", **config}
    options = smp.told(Notes({}, config, ""), PLUS)
    assert (options["output_stride"], options["rates"]) == expected


def test_smps_config_counts_for_its_own_network():
    plus = {"_model_class": "DeepLabV3Plus", "encoder_output_stride": 8}
    assert smp.told(Notes({}, plus, ""), UNET) == {}
    assert smp.told(Notes({}, plus, ""), {"x": np.zeros(1)}) == {}
    bilinear = {"_model_class": "Unet", "decoder_interpolation": "bilinear"}
    assert smp.told(Notes({}, bilinear, ""), PLUS) == {}
    with pytest.raises(ValueError, match="`decoder_interpolation` 'nearest'"):
        smp.told(Notes({}, bilinear, ""), UNET)
