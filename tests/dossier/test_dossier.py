"""What `kseg export --dossier` measures, writes and refuses."""

import json
import re

import keras
import numpy as np
import pytest
from PIL import Image

from kseg import cli
from kseg.data import FittedSource, open_source
from kseg.dossier import measure, table_of, write_dossier
from kseg.dossier.timing import latencies
from kseg.export import LiteRTModel, deploy, operators
from kseg.export.deploy import litert_files
from kseg.labels import Labels

NAMES = ("dark", "<grey>", "light")
LABELS = Labels.named(NAMES)
SIZE = (24, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of noisy greys in steps, and a network that tells them apart."""
    folder = tmp_path_factory.mktemp("dossier")
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 5)):
        for kind in ("images", "masks"):
            (folder / "data" / split / kind).mkdir(parents=True)
        for number in range(count):
            mask = np.kron(rng.integers(0, 3, (3, 4)), np.ones((8, 8), int))
            noise = rng.integers(-45, 46, mask.shape)
            image = np.clip(80 * mask + 40 + noise, 0, 255).astype("uint8")
            mask[:2] = 255
            file = f"{number}.png"
            pixels = Image.fromarray(np.stack([image] * 3, -1))
            pixels.save(folder / "data" / split / "images" / file)
            path = folder / "data" / split / "masks" / file
            Image.fromarray(mask.astype("uint8")).save(path)
    threshold(80.0).save(folder / "grey.keras")
    info = {"name": "grey", "input_size": list(SIZE), "labels": LABELS.to_dict()}
    (folder / "grey.json").write_text(json.dumps(info))
    return folder


def threshold(border, crop=0):
    """Returns a network whose class is the brightness in steps of `border`."""
    image = keras.Input((*SIZE, 3) if crop else (None, None, 3))
    layer = keras.layers.Conv2D(3, 1)
    x = keras.layers.Cropping2D(crop)(image) if crop else image
    model = keras.Model(image, layer(x))
    kernel = np.zeros((1, 1, 3, 3), "float32")
    kernel[0, 0, 0] = np.arange(3)
    heights = -border * np.array([0.0, 1, 3])
    layer.set_weights([kernel, heights.astype("float32")])
    return model


def data_of(folder):
    return [
        "--data",
        "folder",
        "--set",
        f"path={folder / 'data'}",
        f"classes={list(NAMES)}",
    ]


def run(folder, output, *more):
    """Runs the command."""
    model = ["--model", str(folder / "grey.keras"), "--output", str(output)]
    return cli.main(["export", *model, *data_of(folder), *more])


@pytest.fixture(scope="module")
def written(folder):
    """The folder of a dossier on two files."""
    output = folder / "out"
    options = ["--formats", "float32", "int8", "--dossier", "--images", "2"]
    assert run(folder, output, *options) == 0
    return output


def test_its_scores_are_those_of_evaluate_and_compare(folder, written, tmp_path):
    result = json.loads((written / "dossier.json").read_text())
    assert list(result["files"]) == ["LiteRT float32", "LiteRT int8"]
    records = {}
    for name, path in (
        ("keras", folder / "grey.keras"),
        ("int8", written / "grey_int8.tflite"),
    ):
        records[name] = tmp_path / f"{name}.json"
        options = ["--model", str(path), "--output", str(records[name])]
        assert cli.main(["evaluate", *options, *data_of(folder)]) == 0
    measured = {"keras": result["keras"], "int8": result["files"]["LiteRT int8"]}
    for name, path in records.items():
        evaluated = json.loads(path.read_text())
        for key, value in measured[name]["record"].items():
            assert evaluated[key] == value, (name, key)
    changes = tmp_path / "changes.json"
    paths = [str(records[name]) for name in ("keras", "int8")]
    assert cli.main(["compare", *paths, "--output", str(changes)]) == 0
    assert json.loads(changes.read_text()) == measured["int8"]["change"]


def test_sameness_operators_and_size_are_those_of_the_file(folder, written):
    result = json.loads((written / "dossier.json").read_text())
    source = open_source("folder", "val", path=folder / "data", classes=list(NAMES))
    keras_model = keras.saving.load_model(folder / "grey.keras")
    path = written / "grey_int8.tflite"
    file = LiteRTModel(path)
    same = total = 0
    for image, mask in (source[index] for index in range(len(source))):
        ours = np.asarray(keras_model(image[np.newaxis].astype("float32"))).argmax(-1)
        scored = mask != 255
        same += int((ours[0] == file.predict_ids(image))[scored].sum())
        total += int(scored.sum())
    found = result["files"]["LiteRT int8"]
    assert found["agreement"] == same / total
    assert found["operators"] == operators(path)
    assert found["bytes"] == path.stat().st_size
    assert set(found["milliseconds"]) == {"1", "2"}
    assert min(found["milliseconds"].values()) > 0


def test_the_page_shows_files_classes_and_changed_images(written):
    text = (written / "dossier.html").read_text()
    assert re.findall("<dt>(LiteRT .*?), ", text) == ["LiteRT float32", "LiteRT int8"]
    assert "&lt;grey&gt;" in text and "<grey>" not in text
    change = json.loads((written / "dossier.json").read_text())["files"]["LiteRT int8"]
    changed = sum(row["difference"] != 0 for row in change["change"]["per_image"])
    assert text.count('<figure class="case"') == min(changed, 2)


def test_a_file_beyond_its_limits_ends_with_code_1(folder, tmp_path, capsys):
    options = ["--formats", "float32", "--dossier", "--images", "0"]
    # Of a drop below 0 a file would have to be better.
    code = run(folder, tmp_path, *options, "--max-drop", "mean_iou=-0.01")
    assert code == 1
    assert "LiteRT float32: mean_iou must be" in capsys.readouterr().out
    result = json.loads((tmp_path / "dossier.json").read_text())
    (line,) = result["missed"]
    text = (tmp_path / "dossier.html").read_text()
    assert "Failed." in text and line in text and "No image is shown" in text
    assert run(folder, tmp_path, *options, "--max-drop", "class_iou.light=0.01") == 0
    assert "Passed." in (tmp_path / "dossier.html").read_text()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--max-drop", "mean_iou=0.1"], "Give --dossier"),
        (["--dossier", "--formats", "saved_model"], "a LiteRT format"),
        (["--dossier", "--images", "-1"], "--images must be 0 or more"),
        (["--dossier", "--max-drop", "mean_iou"], "mean_iou=0.7"),
    ],
)
def test_wrong_input_is_told_before_anything_is_written(
    more, message, folder, tmp_path, capsys
):
    assert run(folder, tmp_path / "new", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_unknown_score_is_named(folder, tmp_path, capsys):
    options = ["--formats", "float32", "--dossier", "--max-drop", "miou=0.1"]
    assert run(folder, tmp_path, *options) == 2
    assert "'miou'" in capsys.readouterr().err
    assert not (tmp_path / "dossier.json").exists()


def test_a_network_that_returns_the_middle_is_measured_there(folder, tmp_path):
    model = threshold(100.0, crop=4)
    source = open_source("folder", "val", path=folder / "data", classes=list(NAMES))
    sized = FittedSource(source, SIZE)
    calibration = [source[0][0]]
    deploy(model, "middle", tmp_path, SIZE, LABELS, ("int8",), calibration=calibration)
    files = litert_files("middle", tmp_path, ("int8",))
    result = write_dossier(tmp_path, "middle", model, files, sized, "greys")
    assert result["output_size"] == [16, 24]
    # Of 24x32 pixels, 4 at each side are not predicted, and 2 rows at the top are void,
    # which lie there.
    assert np.sum(result["keras"]["record"]["confusion_matrix"]) == 5 * 16 * 24
    table = table_of(result).splitlines()
    assert [line.split("  ")[0] for line in table[1:]] == ["Keras", "LiteRT int8"]


def test_no_file_is_refused(folder):
    with pytest.raises(ValueError, match="one LiteRT file"):
        measure(threshold(80.0), {}, FittedSource(None, SIZE))


def test_every_file_is_timed_with_every_number_of_threads(written):
    files = litert_files("grey", written, ("float32", "int8"))
    image = np.zeros((*SIZE, 3), "uint8")
    times = latencies(files, image, (1, 3))
    assert {name: list(found) for name, found in times.items()} == {
        "LiteRT float32": [1, 3],
        "LiteRT int8": [1, 3],
    }
