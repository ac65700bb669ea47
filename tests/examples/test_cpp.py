"""The example in C++ is built, and gives the classes that kseg gives."""

import shutil
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from kseg.export import LiteRTModel, export_litert
from kseg.labels import Labels

EXAMPLE = Path(__file__).parents[2] / "examples/cpp"
SIZE = (32, 45)


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    """The program, built from the sources of the example."""
    missing = [tool for tool in ("cmake", "g++") if shutil.which(tool) is None]
    if not Path("/usr/include/png.h").is_file():
        missing.append("libpng-dev")
    if missing:
        pytest.skip(f"what builds the example in C++ is not there: {missing}")
    import ai_edge_litert

    (folder,) = ai_edge_litert.__path__
    build = tmp_path_factory.mktemp("build")
    for command in (
        ["cmake", "-S", EXAMPLE, "-B", build, f"-DCMAKE_LIBRARY_PATH={folder}"],
        ["cmake", "--build", build],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True)
    return build / "segment"


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture of noise, and its file."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(image).save(path)
    return image, path


@pytest.fixture(scope="module")
def exported(tmp_path_factory, photo):
    """A function that exports a layer of random weights."""
    folder = tmp_path_factory.mktemp("exported")

    def export(precision, output, channels):
        keras.utils.set_random_seed(0)
        image = keras.Input((None, None, 3))
        x = layers.Rescaling(1 / 127.5, -1)(image)
        x = layers.Conv2D(channels, 3, padding="same", name="logits")(x)
        path = folder / f"{precision}_{output}_{channels}.tflite"
        labels = Labels.numbered(max(channels, 2))
        calibration = [photo[0]] if precision == "int8" else None
        model = keras.Model(image, x)
        return export_litert(model, path, SIZE, precision, output, calibration, labels)

    return export


@pytest.mark.parametrize(
    ("precision", "output", "channels"),
    [
        ("float32", "logits", 5),
        ("int8", "probabilities", 5),
        ("int8", "class_map", 5),
        ("int8", "logits", 1),
    ],
)
def test_classes_are_those_of_kseg(
    segment, exported, photo, tmp_path, precision, output, channels
):
    image, path = photo
    file = exported(precision, output, channels)
    out = tmp_path / "classes.png"
    subprocess.run([segment, file, path, out, "1"], check=True, capture_output=True)
    model = LiteRTModel(file)
    expected = model.predict_ids(image)
    assert len(np.unique(expected)) == max(channels, 2)
    with Image.open(out) as classes:
        np.testing.assert_array_equal(np.asarray(classes), expected)
        colors = np.reshape(classes.getpalette(), (-1, 3))[: model.labels.num_classes]
    np.testing.assert_array_equal(colors, model.labels.colors)


def test_a_photo_of_another_size_is_refused(segment, exported, tmp_path):
    path = tmp_path / "small.png"
    Image.new("RGB", (8, 6)).save(path)
    file = exported("float32", "logits", 5)
    result = subprocess.run(
        [segment, file, path, tmp_path / "classes.png"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "must be 32x45. Received: 6x8" in result.stderr
    assert not (tmp_path / "classes.png").exists()
