"""What holds for every source; PyTorch is not needed."""

import json
import re

import keras
import numpy as np
import pytest
from checkpoints import hrnet_state, write_safetensors
from every_network import build, images, logits_of

import kseg
from kseg.convert import (
    from_pytorch,
    huggingface_segformer,
    mmseg,
    save,
    sources,
    torchvision,
)
from kseg.convert.notes import Notes
from kseg.models import read_labels


@pytest.fixture(scope="module")
def original():
    return build("hrnet", align_corners=True)


@pytest.fixture
def state(original):
    return hrnet_state(original)


def convert(state, folder, source="hrnet", **options):
    path = write_safetensors(folder / "checkpoint.safetensors", state)
    return from_pytorch(path, source, **options)


def test_a_checkpoint_becomes_the_network(original, state, tmp_path):
    conversion = convert(state, tmp_path)
    pixels = images((33, 47))
    expected = logits_of(original, pixels)
    np.testing.assert_array_equal(logits_of(conversion.model, pixels), expected)
    assert conversion.network == {
        "name": "hrnet",
        "backbone": "hrnet_w18_small_v1",
        "align_corners": True,
        "num_classes": 5,
    }
    again = kseg.build(**conversion.network)
    assert again.count_params() == original.count_params()
    norms = [x for x in original.layers if "BatchNormalization" in type(x).__name__]
    assert len(conversion.left_out) == 1 + len(norms)
    assert conversion.left_out[0] == "loss.criterion.weight"
    assert conversion.new == []


def test_it_is_saved_with_what_it_is(original, state, tmp_path):
    conversion = convert(state, tmp_path)
    save(conversion, tmp_path / "new" / "streets.keras")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "streets.json",
        "streets.keras",
    ]
    info = json.loads((tmp_path / "new" / "streets.json").read_text())
    assert info["name"] == "streets" and info["network"] == conversion.network
    assert info["converted_from"]["file"] == "checkpoint.safetensors"
    assert re.fullmatch("[0-9a-f]{64}", info["converted_from"]["sha256"])
    labels = read_labels(tmp_path / "new" / "streets.keras", 5)
    assert labels.names[4] == "class_4"
    pixels = images((33, 47))
    restored = logits_of(kseg.load(tmp_path / "new" / "streets.keras"), pixels)
    np.testing.assert_array_equal(restored, logits_of(original, pixels))


def test_another_network_takes_the_backbone(state, tmp_path):
    conversion = convert(state, tmp_path, network="ocrnet")
    assert conversion.model.name == "ocrnet"
    assert conversion.network["num_classes"] == 5
    assert {x.split(".")[0] for x in conversion.left_out if "last" in x} == {
        "last_layer"
    }
    assert "pixels" in conversion.new
    assert not any(name.startswith("stage") for name in conversion.new)
    kernel = conversion.model.get_layer("stage4_0_branches_3_1_conv2").kernel
    theirs = state["model.stage4.0.branches.3.1.conv2.weight"]
    kernel = keras.ops.convert_to_numpy(kernel)
    np.testing.assert_array_equal(kernel[0, 2, 5, 7], theirs[7, 5, 0, 2])


def test_what_is_left_over_on_either_side_is_named(state, tmp_path):
    left = dict(state)
    left["model.last_layer.9.weight"] = left.pop("model.last_layer.1.running_mean")
    left["model.conv1.weight"] = left["model.conv1.weight"][:, :1]
    with pytest.raises(ValueError) as error:
        convert(left, tmp_path)
    message = str(error.value)
    assert "without a layer: last_layer.9.weight;" in message
    assert "without a tensor: mix_bn/moving_mean;" in message
    assert "'conv1' is (3, 3, 1, 64), not (3, 3, 3, 64)" in message


def test_an_option_overrules_the_checkpoint(state, tmp_path):
    with pytest.raises(ValueError, match=r"'classifier' is \(1, 1, 240, 5\), not"):
        convert(state, tmp_path, num_classes=7)
    conversion = convert(state, tmp_path, options={"align_corners": False})
    assert conversion.network["align_corners"] is False
    expected = kseg.build("hrnet", num_classes=5, backbone="hrnet_w18_small_v1")
    expected.set_weights(conversion.model.get_weights())
    pixels = images((33, 47))
    np.testing.assert_array_equal(
        logits_of(conversion.model, pixels), logits_of(expected, pixels)
    )
    with pytest.raises(ValueError, match="The backbone is the checkpoint's"):
        convert(state, tmp_path, options={"backbone": "hrnet_w18"})


@pytest.mark.parametrize("source", sources())
def test_other_files_are_refused(source, tmp_path):
    tensors = {"fc.weight": np.zeros((2, 3), "float32")}
    with pytest.raises(ValueError, match=f"of {source!r} must be of .*fc.weight"):
        convert(tensors, tmp_path, source)


def test_a_classifier_needs_a_network_and_its_classes(state, tmp_path):
    trunk = {k: v for k, v in state.items() if not k.startswith("model.last_layer")}
    for given in ({}, {"network": "hrnet"}, {"num_classes": 3}):
        with pytest.raises(ValueError, match="--num-classes.*hrnet_w18_small_v1"):
            convert(trunk, tmp_path, **given)
    conversion = convert(trunk, tmp_path, network="hrnet", num_classes=3)
    assert conversion.new == ["mix", "mix_bn", "classifier"]


def test_an_unknown_source_lists_the_known(state, tmp_path):
    with pytest.raises(ValueError, match="'hrnet', .*Did you mean 'torchvision'"):
        convert(state, tmp_path, "torchvison")


def test_published_files_of_torchvision_know_their_classes():
    labels = torchvision.labels(Notes({}, {}, "cd0a2569" + 56 * "0"))
    assert labels is not None and labels.num_classes == 21
    assert labels.names[15] == "person"
    assert labels.colors[15] == (192, 128, 128)
    assert torchvision.labels(Notes({}, {}, 64 * "0")) is None


NAMES = ["road", "car", "sky", "tree", "sign"]


@pytest.mark.parametrize(
    "meta",
    [
        {"CLASSES": NAMES, "PALETTE": [[9, i, 0] for i in range(5)], "epoch": 3},
        {"dataset_meta": {"classes": NAMES, "palette": [[9, i, 0] for i in range(5)]}},
    ],
)
def test_mmseg_names_its_classes_in_the_file(meta):
    labels = mmseg.labels(Notes(meta, {}, ""))
    assert labels is not None and labels.names == tuple(NAMES)
    assert labels.colors[4] == (9, 4, 0)


def test_names_that_do_not_fit_are_not_taken():
    assert mmseg.labels(Notes({"seed": 0}, {}, "")) is None
    assert mmseg.labels(Notes({"CLASSES": ["a", "a"]}, {}, "")) is None
    of_config = huggingface_segformer.labels
    assert of_config(Notes({}, {"id2label": {"1": "a", "2": "b"}}, "")) is None
    labels = of_config(Notes({}, {"id2label": {"1": "b", "0": "a"}}, ""))
    assert labels is not None and labels.names == ("a", "b")


def test_a_broken_config_is_named(state, tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json.*Move it away"):
        convert(state, tmp_path, "smp")
    # HRNet's authors write none: it is of something else.
    assert convert(state, tmp_path).model.name == "hrnet"
