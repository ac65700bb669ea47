import dataclasses
import hashlib
import logging

import h5py
import keras
import numpy as np
import pytest
from trunks import randomise, trunk, write_h5

import kseg
from kseg import backbones
from kseg.backbones.weights import IMAGENET

SMALL = dict(filters=8, low_level_filters=4)


def arrays(model, without=()):
    """Layer name to its weights."""
    return {
        layer.name: layer.get_weights()
        for layer in model.layers
        if layer.weights and layer.name not in without
    }


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        for a, b in zip(actual[name], values, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.fixture(scope="module")
def mobilenet():
    return randomise(trunk("mobilenet_v2"))


@pytest.fixture(scope="module")
def target():
    """A network to load into, always by all of its backbone."""
    return trunk("mobilenet_v2")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A network of 5 classes, and its file."""
    path = tmp_path_factory.mktemp("checkpoints") / "net.keras"
    model = randomise(kseg.build("deeplabv3plus", num_classes=5, **SMALL))
    model.save(path)
    return model, path


def load(model, path):
    return backbones.load_weights(model, path, "mobilenet_v2", model.output["c5"])


# Published files.


def test_a_file_fills_the_backbone_and_spares_the_rest(mobilenet, tmp_path):
    path = write_h5(tmp_path / "mobilenet.h5", mobilenet)
    keras.utils.set_random_seed(3)
    untouched = kseg.build("deeplabv3plus", num_classes=5, **SMALL)
    keras.utils.set_random_seed(3)
    filled = kseg.build("deeplabv3plus", num_classes=5, weights=str(path), **SMALL)
    expected = arrays(untouched) | arrays(mobilenet)
    assert_equal(arrays(filled), expected)


def test_a_whole_model_file_holds_the_weights_too(mobilenet, target, tmp_path):
    """Keras 2 keeps them one group deeper in files of `model.save`."""
    path = write_h5(tmp_path / "weights.h5", mobilenet)
    with h5py.File(path) as file, h5py.File(tmp_path / "model.h5", "w") as whole:
        file.copy(file, whole, "model_weights")
    load(randomise(target, 1), tmp_path / "model.h5")
    assert_equal(arrays(target), arrays(mobilenet))


def test_imagenet_weights_are_fetched_once_and_checked(
    mobilenet, target, tmp_path, monkeypatch
):
    published = write_h5(tmp_path / "published.h5", mobilenet)
    digest = f"sha256:{hashlib.sha256(published.read_bytes()).hexdigest()}"
    record = dataclasses.replace(
        IMAGENET["mobilenet_v2"], url=published.as_uri(), digest=digest
    )
    monkeypatch.setitem(IMAGENET, "mobilenet_v2", record)
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "home"))
    load(randomise(target, 1), "imagenet")
    assert_equal(arrays(target), arrays(mobilenet))
    kept = tmp_path / "home" / "weights" / "published.h5"
    assert kept.read_bytes() == published.read_bytes()
    published.unlink()
    load(target, "imagenet")

    kept.unlink()
    with pytest.raises(OSError, match="bring the file by hand.*home/weights"):
        load(target, "imagenet")


@pytest.mark.parametrize("name", IMAGENET)
def test_records_say_where_a_file_lies_and_what_it_is(name):
    record = IMAGENET[name]
    assert name in backbones.names()
    assert record.url.startswith("https://") and record.url.endswith(".h5")
    assert record.channels in ("rgb", "bgr")
    assert record.licence and 0.5 < record.score < 1
    if record.digest:
        algorithm, digest = record.digest.split(":")
        assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size


def test_a_file_without_a_layer_is_refused(mobilenet, target, tmp_path):
    path = write_h5(tmp_path / "w.h5", mobilenet, without=["block_3_expand"])
    with pytest.raises(ValueError, match="every layer.*w.h5, without 'block_3_expand'"):
        load(target, path)


def test_a_file_of_another_width_is_refused(mobilenet, target, tmp_path):
    changed = {"block_3_expand": lambda value: value[..., :70]}
    path = write_h5(tmp_path / "w.h5", mobilenet, changed=changed)
    with pytest.raises(ValueError) as error:
        load(target, path)
    assert "'block_3_expand' must have a 'kernel' of shape" in str(error.value)
    assert "(1, 1, 24, 144). Received: (1, 1, 24, 70)" in str(error.value)


def test_a_file_of_another_backbone_is_refused(mobilenet, tmp_path):
    path = write_h5(tmp_path / "w.h5", mobilenet)
    with pytest.raises(ValueError, match="without 'conv1_conv'"):
        kseg.build("deeplabv3plus", backbone="resnet50", weights=path, **SMALL)


def test_a_file_that_is_no_weights_file_is_refused(target, tmp_path):
    page = tmp_path / "page.h5"
    page.write_text("<html>Not found</html>")
    with pytest.raises(ValueError, match="must be a Keras .h5.*page.h5"):
        load(target, page)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ValueError, match="with layer names. Received: .*other.h5"):
        load(target, tmp_path / "other.h5")


# Checkpoints.


def test_a_checkpoint_fills_the_whole_network(checkpoint, caplog):
    model, path = checkpoint
    copy = kseg.build("deeplabv3plus", num_classes=5, weights=path, **SMALL)
    assert_equal(arrays(copy), arrays(model))
    assert caplog.records == []


def test_another_class_count_starts_only_the_head_anew(checkpoint, caplog):
    model, path = checkpoint
    with caplog.at_level(logging.WARNING, "kseg"):
        copy = kseg.build("deeplabv3plus", num_classes=3, weights=path, **SMALL)
    head = ["classifier"]
    assert_equal(arrays(copy, without=head), arrays(model, without=head))
    kernel, bias = copy.get_layer("classifier").get_weights()
    assert kernel.shape == (1, 1, 8, 3)
    assert np.all(bias == 0)
    assert 0 < np.abs(kernel).max() < 2
    (message,) = [record.getMessage() for record in caplog.records]
    assert "classifier: (1, 1, 8, 5) in the file, (1, 1, 8, 3) here" in message
    assert str(path) in message
    assert message.count("here") == 1


def test_a_checkpoint_of_another_network_is_refused(checkpoint):
    _, path = checkpoint
    with pytest.raises(ValueError, match="'unet'.*Received: .*a 'deeplabv3plus'"):
        kseg.build("unet", num_classes=5, filters=4, depth=2, weights=path)


def test_a_checkpoint_of_another_backbone_is_refused(checkpoint):
    _, path = checkpoint
    with pytest.raises(ValueError, match="same backbone") as error:
        kseg.build(
            "deeplabv3plus", num_classes=5, backbone="resnet50", weights=path, **SMALL
        )
    assert "only the file has: ['Conv1'" in str(error.value)
    assert "only the network has: ['conv1_bn', 'conv1_conv'" in str(error.value)


@pytest.mark.parametrize("num_classes", [3, 4, 5, 8])
def test_a_checkpoint_of_another_width_is_refused(tmp_path, num_classes):
    """Also where as many channels as classes make a layer look like the head."""
    kseg.build("unet", num_classes=3, filters=8, depth=2).save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="shapes. Received: .*a.keras, whose layer"):
        kseg.build(
            "unet",
            num_classes=num_classes,
            filters=4,
            depth=2,
            weights=tmp_path / "a.keras",
        )


# What cannot be weights is refused before anything is built.


@pytest.mark.parametrize(
    ("weights", "backbone", "error", "message"),
    [
        ("imagenet", "xception65", ValueError, "'resnet50'.*backbone='xception65'"),
        ("imagenet", None, ValueError, "has no ImageNet weights"),
        ("image_net", "resnet50", ValueError, "Received: 'image_net'"),
        ("weights.txt", "resnet50", ValueError, "Received: 'weights.txt'"),
        ("absent.h5", "resnet50", FileNotFoundError, "must exist.*absent.h5"),
        ("absent.keras", None, FileNotFoundError, "must exist.*absent.keras"),
        ("absent.h5", None, ValueError, "network has none.*absent.h5"),
    ],
)
def test_what_cannot_be_weights_is_refused(weights, backbone, error, message):
    with pytest.raises(error, match=message):
        backbones.check_weights(weights, backbone)


def test_no_weights_are_right_everywhere(target):
    before = arrays(target)
    assert backbones.check_weights(None) is None
    assert backbones.load_weights(target, None) is target
    assert_equal(arrays(target), before)
