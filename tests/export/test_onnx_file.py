"""An ONNX file gives what the Keras model gives, at every size that it takes."""

import keras
import numpy as np
import pytest

import kseg
from kseg.export import export_onnx, open_onnx
from kseg.inference import predict
from kseg.labels import Labels

pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")

LABELS = Labels.named(["ground", "red", "blue"])
IMAGE = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return kseg.build("unet", num_classes=3, filters=2, depth=2)


def test_a_file_takes_any_size_and_knows_its_classes(model, tmp_path):
    path = export_onnx(model, tmp_path / "new" / "unet.onnx", LABELS)
    assert [file.name for file in path.parent.iterdir()] == ["unet.onnx"]
    opened = open_onnx(path)
    assert opened.labels == LABELS and opened.input_size == (None, None)
    for image in (IMAGE, IMAGE[:16, :16]):
        expected = np.asarray(model(image[None].astype("float32")))[0]
        np.testing.assert_allclose(opened.predict(image), expected, atol=1e-4)
    views = dict(scales=(1, 2), flip=True)
    np.testing.assert_array_equal(
        predict(opened, IMAGE, **views), predict(model, IMAGE, **views)
    )


def test_a_model_of_a_fixed_size_stays_one(tmp_path):
    model = kseg.build(
        "unet", num_classes=2, filters=2, depth=2, input_shape=(16, 24, 3)
    )
    opened = open_onnx(export_onnx(model, tmp_path / "fixed.onnx"))
    assert opened.input_size == opened.output_size == (16, 24)
    assert opened.labels.names == ("class_0", "class_1")


def test_a_file_that_differs_is_not_left(model, tmp_path, monkeypatch):
    import kseg.export.onnx_file

    def other(path):
        opened = open_onnx(path)
        run = opened.run
        opened.run = lambda image: run(image) + 1
        return opened

    monkeypatch.setattr(kseg.export.onnx_file, "open_onnx", other)
    (tmp_path / "unet.onnx").write_bytes(b"earlier")
    with pytest.raises(RuntimeError, match="must give the model's logits"):
        export_onnx(model, tmp_path / "unet.onnx")
    assert (tmp_path / "unet.onnx").read_bytes() == b"earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_wrong_path_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"must be a file \*\.onnx"):
        export_onnx(model, tmp_path / "unet.tflite")
