"""Class ids that are decided ahead of the last resize."""

import json

import numpy as np
import pytest
from every_network import build, images, logits_of

import kseg
from kseg.export import LiteRTModel, export_litert, operators
from kseg.export.outputs import decided_on

SIZE = (48, 64)
ENLARGED = {
    "deeplabv3", "deeplabv3plus", "fcn_resnet", "hrnet", "lraspp", "ocrnet", "pspnet",
    "refinenet", "segformer", "smp_deeplabv3plus", "smp_pspnet",
}  # fmt: skip


@pytest.fixture(scope="module")
def model():
    return build("lraspp")


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_each_id_is_the_argmax_of_its_cell(model, precision, tmp_path):
    calibration = list(images(SIZE, 4, 1)) if precision == "int8" else None
    path = tmp_path / "a.tflite"
    export_litert(model, path, SIZE, precision, "coarse_class_map", calibration)
    small = decided_on(model, "coarse_class_map", SIZE)
    (pixels,) = images(SIZE, 1)
    expected = logits_of(small, pixels[np.newaxis])[0].argmax(-1)
    assert expected.shape == (6, 8) and len(np.unique(expected)) > 2
    file = LiteRTModel(path)
    ids = file.predict(pixels)
    assert ids.dtype == np.uint8 and ids.shape == SIZE
    blocks = ids.reshape(6, 8, 8, 8)
    assert (blocks == blocks[:, :1, :, :1]).all()
    same = (blocks[:, 0, :, 0] == expected).mean()
    assert same == 1 if precision == "float32" else same > 0.9
    assert np.array_equal(file.predict_ids(pixels), ids)
    # To whoever reads it, it is a class map.
    assert file.output == "class_map"
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar["output"]["name"] == "class_map"
    assert sidecar["output"]["dtype"] == "uint8"
    assert operators(path)["RESIZE_BILINEAR"] == 1  # that of the network's middle


@pytest.mark.parametrize("name", [n for n in kseg.names() if n not in ENLARGED])
def test_other_networks_have_no_small_logits(name, tmp_path):
    with pytest.raises(ValueError, match='ends by enlarging.*Export "class_map"'):
        path = tmp_path / "a.tflite"
        export_litert(build(name), path, (64, 64), output="coarse_class_map")
    assert not list(tmp_path.iterdir())


def test_sizes_must_be_multiples(model, tmp_path):
    with pytest.raises(ValueError, match=r"\(50, 64\) for logits of \(7, 8\)"):
        export_litert(model, tmp_path / "a.tflite", (50, 64), output="coarse_class_map")


def test_corners_must_not_be_aligned():
    model = kseg.build("deeplabv3plus", num_classes=3, filters=4, align_corners=True)
    with pytest.raises(ValueError, match="without aligned corners"):
        decided_on(model, "coarse_class_map", (64, 64))
