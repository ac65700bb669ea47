"""What `kseg demo` writes, serves and refuses."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import keras
import numpy as np
import pytest

from kseg import cli
from kseg.export import LiteRTModel
from kseg.labels import Labels

LABELS = Labels(("road", "car", "sky"), ((200, 0, 0), (0, 200, 0), (0, 0, 0)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Keras model with its JSON file, and its page."""
    folder = tmp_path_factory.mktemp("demo")
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    logits = keras.layers.Conv2D(3, 1, name="classes")(image)
    keras.Model(image, logits, name="tiny").save(folder / "mine.keras")
    info = {"name": "mine", "input_size": [12, 20], "labels": LABELS.to_dict()}
    (folder / "mine.json").write_text(json.dumps(info))
    assert demo(folder, "mine.keras", "--no-serve") == 0
    return folder


def demo(folder, model, *more):
    """Runs the command on a model of a folder."""
    output = ["--output", str(folder / "page")]
    return cli.main(["demo", "--model", str(folder / model), *output, *more])


def test_a_keras_model_becomes_a_page_with_a_file_of_float16(folder):
    model = LiteRTModel(folder / "page" / "mine_float16.tflite")
    assert (model.precision, model.output) == ("float16", "logits")
    assert model.labels == LABELS and model.input_size == (12, 20)
    keras_model = keras.saving.load_model(folder / "mine.keras", compile=False)
    image = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    logits = np.asarray(keras_model(image[np.newaxis].astype("float32")))[0]
    assert np.abs(model.predict(image) - logits).max() < 0.01 * np.abs(logits).max()
    index = (folder / "page" / "index.html").read_text()
    assert 'data-sidecar="mine_float16.json"' in index
    assert "<title>mine_float16</title>" in index


def test_a_size_and_another_file(folder, tmp_path, capsys):
    output = ["--output", str(tmp_path / "a"), "--no-serve"]
    model = ["--model", str(folder / "mine.keras")]
    assert cli.main(["demo", *model, *output, "--size", "16", "24"]) == 0
    file = tmp_path / "a" / "mine_float16.tflite"
    assert LiteRTModel(file).input_size == (16, 24)
    output[1] = str(tmp_path / "b")
    assert cli.main(["demo", "--model", str(file), *output]) == 0
    copied = tmp_path / "b" / file.name
    assert copied.read_bytes() == file.read_bytes()
    assert f"page: {tmp_path / 'b' / 'index.html'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("mine.onnx", [], "The browser runs LiteRT files"),
        ("page/mine_float16.tflite", ["--size", "8", "8"], "--size is for .keras"),
        ("bare.keras", [], "Give --size HEIGHT WIDTH"),
        ("none.keras", [], "none.keras"),
        ("page/mine_float16.tflite", ["--runtime", "."], "npm install @litertjs/core@"),
        ("page/mine_float16.tflite", ["--port", "70000"], "The port must be free"),
    ],
)
def test_wrong_input_is_told(model, more, message, folder, capsys):
    (folder / "mine.onnx").write_bytes(b"")
    (folder / "bare.keras").write_bytes((folder / "mine.keras").read_bytes())
    assert demo(folder, model, *more) == 2
    assert message in capsys.readouterr().err


def test_it_serves_the_page_until_it_is_told_to_end(folder):
    command = [sys.executable, "-m", "kseg", "demo", "--port", "0"]
    command += ["--model", str(folder / "page" / "mine_float16.tflite")]
    command += ["--output", str(folder / "served")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # What is started in the background ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            url = re.search(r"http://127\.0\.0\.1:\d+/", lines[1])
            assert url, lines
            with urllib.request.urlopen(url[0]) as answer:
                assert b"mine_float16" in answer.read()
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_help_tells_it_from_the_training_of_the_same_name(capsys):
    with pytest.raises(SystemExit):
        cli.main(["demo", "--help"])
    assert "kseg train demo" in re.sub(r"\s+", " ", capsys.readouterr().out)
