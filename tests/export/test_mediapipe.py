"""MediaPipe reads what `export_litert` writes; `make test-mediapipe`."""

import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from small_network import LABELS, SIZE, build

from kseg.export import LiteRTModel, export_litert
from kseg.labels import Labels

# A virtual environment of its own: its OpenCV is not that of kseg.
PYTHON = Path(__file__).parents[2] / ".venv-mediapipe/bin/python"
SCRIPT = Path(__file__).with_name("mediapipe_segment.py")

pytestmark = pytest.mark.skipif(
    not PYTHON.is_file(), reason="MediaPipe is not installed: `make test-mediapipe`"
)


@pytest.fixture
def segment(tmp_path):
    """A function that runs a file on an image in MediaPipe."""

    def run(path, image):
        files = tmp_path / "image.npy", tmp_path / "result.npz"
        np.save(files[0], image)
        subprocess.run(
            [PYTHON, SCRIPT, path, *files], check=True, capture_output=True, text=True
        )
        return dict(np.load(files[1]))

    return run


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("precision", "output"),
    [
        ("float32", "logits"),
        ("float32", "probabilities"),
        ("float16", "logits"),
        ("int8", "logits"),
        ("int8", "probabilities"),
    ],
)
def test_masks_and_labels_are_those_of_the_file(
    exported, examples, segment, precision, output
):
    file = LiteRTModel(exported(precision, output))
    image, _ = examples[0]
    result = segment(exported(precision, output), image)
    assert tuple(result["labels"]) == LABELS.names
    expected = file.predict_ids(image)
    assert set(np.unique(expected)) == {0, 1, 2}
    np.testing.assert_array_equal(result["category"], expected)
    probabilities = file.predict(image)
    if output == "logits":
        probabilities = softmax(probabilities)
    actual = np.moveaxis(result["confidence"], 0, -1)
    np.testing.assert_allclose(actual, probabilities, atol=1e-6)


def test_masks_have_the_size_of_the_picture(exported, examples, segment):
    image, _ = examples[0]
    larger = image.repeat(3, 0).repeat(3, 1)
    result = segment(exported(), larger)
    assert result["category"].shape == larger.shape[:2]
    expected = LiteRTModel(exported()).predict_ids(image).repeat(3, 0).repeat(3, 1)
    assert (result["category"] == expected).mean() > 0.95


def test_one_logit_is_a_mask_of_class_1(examples, segment, tmp_path):
    model = build(num_classes=1)
    labels = Labels.named(("ground", "road"))
    image, _ = examples[0]
    logits = keras.ops.convert_to_numpy(model(image[np.newaxis].astype("float32")))
    # Half of the pixels are of class 1, without training.
    model.layers[-2].bias.assign([-np.median(logits)])
    path = export_litert(model, tmp_path / "a.tflite", SIZE, labels=labels)
    file = LiteRTModel(path)
    result = segment(path, image)
    assert list(result["labels"]) == ["road"]
    logits = file.predict(image)[..., 0]
    expected = keras.ops.convert_to_numpy(keras.ops.sigmoid(logits))
    np.testing.assert_allclose(result["confidence"][0], expected, atol=1e-6)
    # MediaPipe's ids: the first mask is 0, and 255 is none.
    np.testing.assert_array_equal(result["category"] == 0, file.predict_ids(image) == 1)
    assert set(np.unique(result["category"])) == {0, 255}


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_class_map_is_refused(exported, examples, segment, precision):
    with pytest.raises(subprocess.CalledProcessError) as error:
        segment(exported(precision, "class_map"), examples[0][0])
    assert "ConfigureTensorsToSegmentationCalculator" in error.value.stderr
