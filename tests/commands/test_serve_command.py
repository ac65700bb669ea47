import argparse
import json
import sys

import numpy as np
import pytest

import kseg
from kseg.commands import serve
from kseg.commands.arguments import open_model
from kseg.labels import Labels

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One network as all that `kseg predict` opens."""
    import keras

    from kseg.export import export_litert, export_onnx, export_saved_model

    folder = tmp_path_factory.mktemp("serve")
    keras.utils.set_random_seed(0)
    labels = Labels.named(["road", "car", "sky"])
    network = kseg.build("unet", num_classes=3, filters=2, depth=2)
    network.save(folder / "net.keras")
    sides = folder / "net.json"
    sides.write_text(json.dumps({"labels": labels.to_dict()}))
    export_saved_model(network, folder / "net" / "saved_model")
    (folder / "net" / "net.json").write_text(sides.read_text())
    export_litert(
        network,
        folder / "net_float32.tflite",
        (32, 48),
        output="class_map",
        labels=labels,
    )
    export_onnx(network, folder / "any.onnx", labels)
    return folder


@pytest.fixture
def served(monkeypatch):
    """Returns what the command would serve."""
    seen = []
    server = "kseg.serving.server.serve"
    monkeypatch.setattr(server, lambda *given: seen.append(given))

    def run(*arguments):
        parser = argparse.ArgumentParser()
        serve.add_arguments(parser)
        assert serve.run(parser.parse_args([*map(str, arguments)])) == 0
        return seen.pop()

    return run


IMAGES = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("file", "output", "batches"),
    [
        ("net.keras", "logits", True),
        ("net/saved_model", "logits", True),
        ("net_float32.tflite", "class_map", False),
        ("any.onnx", "logits", True),
    ],
)
def test_every_file_gives_what_predict_gives(files, served, file, output, batches):
    model, *_ = served("--model", files / file)
    assert model.output == output and model.labels.names == ("road", "car", "sky")
    assert model.takes_batches == batches
    _, original, _ = open_model(str(files / file))
    count = 3 if model.takes_batches else 1
    for run in model.runs:
        for image, result in zip(IMAGES[:count], run(IMAGES[:count]), strict=True):
            ids = model.ids(result)
            assert (ids == kseg.predict(original, image)).mean() > 0.999
            assert ids.dtype == np.uint8


def test_a_batch_is_its_images(files, served):
    model, *_ = served("--model", files / "net.keras")
    (run,) = model.runs
    alone = [run(image[np.newaxis])[0] for image in IMAGES]
    np.testing.assert_allclose(run(IMAGES), alone, atol=1e-4)
    assert np.ptp(alone) > 0.01


def test_options_become_limits_and_a_name(files, served, monkeypatch):
    model, limits, host, port, _ = served(
        *("--model", files / "net.keras", "--name", "street", "--port", 0),
        *("--max-pixels", 99, "--seconds", 2.5, "--delay", 0),
    )
    assert (model.name, host, port) == ("street", "127.0.0.1", 0)
    assert (limits.max_pixels, limits.seconds, limits.delay) == (99, 2.5, 0)
    assert limits.max_batch == 1
    devices = "keras.distribution.list_devices"
    monkeypatch.setattr(devices, lambda: ["cpu:0", "gpu:0"])
    assert served("--model", files / "net.keras")[1].max_batch == 8
    model, *_ = served("--model", files / "net_float32.tflite", "--copies", 3)
    assert len(model.runs) == 3 and model.name == "net_float32"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "a/b"], "letters, digits.*'a/b'"),
        (["--copies", 2], "LiteRT file.*net.keras"),
        (["--seconds", 0], "`seconds` must be above 0"),
    ],
)
def test_wrong_options_are_explained(files, served, options, words):
    with pytest.raises(ValueError, match=words):
        served("--model", files / "net.keras", *options)


def test_packages_that_are_missing_are_named(files, served, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(ImportError, match=r"`pip install \"kseg\[serve\]\"`"):
        served("--model", files / "net.keras")
