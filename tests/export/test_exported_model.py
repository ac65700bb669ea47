"""SavedModel and ONNX files give what the Keras model gives."""

import keras
import numpy as np
import pytest

import kseg
from kseg.export import export_saved_model, open_onnx, open_saved_model
from kseg.inference import predict, predict_probabilities
from kseg.labels import Labels

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (20, 28, 3), np.uint8)
KERNEL = RNG.normal(size=(3, 4)).astype("float32")
EXPECTED = IMAGE.astype("float32") @ KERNEL


def write_onnx(path, nodes, shape, result, kind="logits", dtype="FLOAT"):
    """Writes an ONNX file of nodes from `image` to `kind`, with `KERNEL`."""
    helper, types = onnx.helper, onnx.TensorProto
    image = helper.make_tensor_value_info("image", getattr(types, dtype), shape)
    element = types.INT64 if len(result) == 3 else types.FLOAT
    output = helper.make_tensor_value_info(kind, element, result)
    constants = [
        onnx.numpy_helper.from_array(KERNEL, "kernel"),
        onnx.numpy_helper.from_array(KERNEL.T[..., None, None].copy(), "filters"),
    ]
    nodes = [helper.make_node(*node[:3], **node[3]) for node in nodes]
    graph = helper.make_graph(nodes, "graph", [image], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


LAST = [("MatMul", ["image", "kernel"], ["logits"], {})]


def test_a_saved_model_is_its_keras_model(tmp_path):
    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    path = export_saved_model(model, tmp_path / "saved_model")
    opened = open_saved_model(path, Labels.named(["a", "b", "c"]))
    assert (opened.output, opened.input_size) == ("logits", (None, None))
    options = dict(tile=(96, 96), overlap=32, scales=(1, 1.5), flip=True)
    for view in ({}, options):
        np.testing.assert_allclose(
            predict_probabilities(opened, IMAGE, **view),
            predict_probabilities(model, IMAGE, **view),
            atol=1e-5,
        )
    np.testing.assert_array_equal(predict(opened, IMAGE), predict(model, IMAGE))


def test_a_saved_model_of_a_fixed_size_sees_the_image_resized(tmp_path):
    model = kseg.build(
        "unet", num_classes=3, filters=2, depth=2, input_shape=(16, 24, 3)
    )
    opened = open_saved_model(export_saved_model(model, tmp_path / "saved_model"))
    assert opened.input_size == opened.output_size == (16, 24)
    assert opened.labels.names == ("class_0", "class_1", "class_2")
    assert predict(opened, IMAGE).shape == IMAGE.shape[:2]


def test_a_smaller_map_is_never_stretched(tmp_path):
    """As of a network of `valid` convolutions, which returns the middle."""
    image = keras.Input((None, None, 3))
    logits = keras.layers.Conv2D(2, 3)(image)
    path = export_saved_model(keras.Model(image, logits), tmp_path / "saved_model")
    opened = open_saved_model(path)
    with pytest.raises(ValueError, match=r"\(18, 26\) for an image of \(20, 28\)"):
        predict(opened, IMAGE)


def test_onnx_of_channels_last_or_first(tmp_path):
    last = write_onnx(
        tmp_path / "a.onnx", LAST, [None, None, None, 3], [None] * 3 + [4]
    )
    first = write_onnx(
        tmp_path / "b.onnx",
        [("Conv", ["image", "filters"], ["logits"], {})],
        [None, 3, "height", "width"],
        [None, 4, "height", "width"],
    )
    for path in (last, first):
        opened = open_onnx(path)
        assert opened.input_size == (None, None) and opened.output == "logits"
        np.testing.assert_allclose(opened.predict(IMAGE), EXPECTED, rtol=1e-4)
        np.testing.assert_array_equal(predict(opened, IMAGE), EXPECTED.argmax(-1))


def test_onnx_of_bytes_and_of_class_ids(tmp_path):
    nodes = [
        ("Cast", ["image"], ["real"], {"to": onnx.TensorProto.FLOAT}),
        ("MatMul", ["real", "kernel"], ["scores"], {}),
        ("ArgMax", ["scores"], ["ids"], {"axis": -1, "keepdims": 0}),
    ]
    path = write_onnx(
        tmp_path / "c.onnx", nodes, [1, 20, 28, 3], [1, 20, 28], "ids", "UINT8"
    )
    with pytest.raises(ValueError, match="needs the JSON file with its `labels`"):
        open_onnx(path)
    opened = open_onnx(path, Labels.numbered(4))
    assert opened.output == "class_map"
    np.testing.assert_array_equal(predict(opened, IMAGE), EXPECTED.argmax(-1))
    larger = np.kron(IMAGE, np.ones((2, 2, 1), np.uint8))
    assert predict(opened, larger).shape == (40, 56)


def test_probabilities_are_told_by_their_name(tmp_path):
    nodes = [
        ("MatMul", ["image", "kernel"], ["scores"], {}),
        ("Softmax", ["scores"], ["probabilities"], {"axis": -1}),
    ]
    path = write_onnx(
        tmp_path / "d.onnx", nodes, [None] * 3 + [3], [None] * 3 + [4], "probabilities"
    )
    opened = open_onnx(path)
    assert opened.output == "probabilities"
    found = predict_probabilities(opened, IMAGE)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.argmax(-1), EXPECTED.argmax(-1))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"broken\.onnx must be an ONNX model"):
        open_onnx(tmp_path / "broken.onnx")
    path = write_onnx(tmp_path / "e.onnx", LAST, [None, 3], [None, 4])
    with pytest.raises(ValueError, match="must map one tensor of RGB images"):
        open_onnx(path)
    good = write_onnx(tmp_path / "f.onnx", LAST, [None] * 3 + [3], [None] * 3 + [4])
    with pytest.raises(ValueError, match="4 channels and the classes"):
        open_onnx(good, Labels.numbered(5))
