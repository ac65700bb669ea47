"""All files of a model at once."""

import json

import numpy as np
import pytest

import kseg
from kseg.export import deploy, open_onnx
from kseg.labels import Labels

LABELS = Labels.named(["a", "b", "c"])


@pytest.fixture(scope="module")
def model():
    return kseg.build("unet", num_classes=3, filters=2, depth=2)


def examples(count=2):
    rng = np.random.default_rng(0)
    return [
        (rng.integers(0, 256, (24, 32, 3), np.uint8), rng.integers(0, 3, (24, 32)))
        for _ in range(count)
    ]


def test_every_format_is_written_and_measured(model, tmp_path):
    images = [image for image, _ in examples()]
    rows = deploy(
        model, "net", tmp_path, (24, 32), LABELS,
        calibration=images, examples=iter(examples()),
    )  # fmt: skip
    assert [row["name"] for row in rows] == [
        "Keras",
        "LiteRT float32",
        "LiteRT float16",
        "LiteRT int8",
    ]
    assert rows[1]["agreement"] > 0.999
    assert (tmp_path / "saved_model" / "saved_model.pb").is_file()
    sidecar = json.loads((tmp_path / "net_int8.json").read_text())
    assert Labels.from_dict(sidecar["labels"]) == LABELS
    # A second time replaces what is there.
    assert deploy(model, "net", tmp_path, (24, 32), LABELS, ("saved_model",)) == []


def test_an_unknown_format_is_refused_before_anything_is_written(model, tmp_path):
    with pytest.raises(ValueError, match="'int4'"):
        deploy(model, "net", tmp_path, (24, 32), LABELS, ("float32", "int4"))
    assert not list(tmp_path.iterdir())


def test_onnx_and_weights_of_a_byte_are_written_where_asked_for(model, tmp_path):
    pytest.importorskip("tf2onnx")
    formats = ("onnx", "float32", "dynamic_range")
    rows = deploy(
        model, "tiny", tmp_path, (24, 32), LABELS, formats, examples=examples()
    )
    assert [row["name"] for row in rows] == [
        "Keras", "LiteRT float32", "LiteRT dynamic range",
    ]  # fmt: skip
    assert rows[2]["agreement"] > 0.9
    assert open_onnx(tmp_path / "tiny.onnx").labels == LABELS
    assert (tmp_path / "tiny_dynamic_range.json").exists()
