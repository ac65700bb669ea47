"""What `kseg evaluate` and `kseg compare` print, write and refuse."""

import json

import numpy as np
import pytest
from PIL import Image

import kseg
from kseg import cli
from kseg.data import open_source
from kseg.export import export_saved_model
from kseg.inference import read_record
from kseg.labels import Labels
from kseg.metrics import DatasetScores


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of four images whose masks are their brightness in three steps."""
    folder = tmp_path_factory.mktemp("grey")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for number in range(20):
        mask = np.kron(rng.integers(0, 3, (3, 4)), np.ones((8, 8), int)).astype("uint8")
        noise = rng.integers(-45, 46, mask.shape)
        image = np.clip(80 * mask + 40 + noise, 0, 255).astype("uint8")
        mask[:2] = 255
        name = f"grey_{number:02d}.png"
        Image.fromarray(np.stack([image] * 3, -1)).save(folder / "images" / name)
        Image.fromarray(mask).save(folder / "masks" / name)
    return ["--data", "folder", "--set", f"path={folder}", "classes=3"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two networks that tell three greys apart, one of them less well."""
    folder = tmp_path_factory.mktemp("models")
    for name, border in (("good", 80.0), ("bad", 105.0)):
        write_threshold(folder / f"{name}.keras", border)
    return folder


def write_threshold(path, border, broken=False):
    """Writes a network whose class is the brightness in steps of `border`."""
    import keras

    image = keras.Input((None, None, 3))
    # Lines through 0 that cross where the class changes.
    slopes, heights = np.array([0.0, 1, 2]), -border * np.array([0.0, 1, 3])
    logits = keras.layers.Conv2D(3, 1, name="logits")
    model = keras.Model(image, logits(image))
    kernel = np.zeros((1, 1, 3, 3), "float32")
    kernel[0, 0, 0] = slopes
    if broken:
        kernel[0, 0, 1, 2] = np.nan
    logits.set_weights([kernel, heights.astype("float32")])
    model.save(path)


def evaluate(model, data, output, *more):
    arguments = ["--model", str(model), *data, "--output", str(output), *more]
    return cli.main(["evaluate", *arguments])


@pytest.fixture(scope="module")
def written(models, data, tmp_path_factory):
    """What `kseg evaluate` wrote of both."""
    folder = tmp_path_factory.mktemp("written")
    for name in ("good", "bad"):
        assert evaluate(models / f"{name}.keras", data, folder / f"{name}.json") == 0
    return folder


def test_the_scores_of_images_add_up_to_those_of_all(written, models, data):
    record = read_record(written / "good.json")
    options = dict(text.split("=") for text in data[3:])
    source = open_source("folder", "val", path=options["path"], classes=3)
    collected = DatasetScores(source.labels)
    model = kseg.load(models / "good.keras")
    for index in range(len(source)):
        image, mask = source[index]
        collected.update(mask, kseg.predict(model, image))
        row = record["per_image"][index]
        assert row["name"] == source.name(index)
        alone = DatasetScores(source.labels)
        alone.update(mask, kseg.predict(model, image))
        for key in ("mean_iou", "pixel_accuracy", "boundary_f1"):
            assert row[key] == pytest.approx(alone.result()[key])
        assert row["pixels"] == (mask != 255).sum()
    assert record["images"] == len(source) == 4
    assert record["confusion_matrix"] == collected.matrix.tolist()
    expected = collected.result()
    for key in ("mean_iou", "boundary_f1", "boundary_iou", "class_iou"):
        assert record[key] == pytest.approx(expected[key])
        if isinstance(expected[key], float):
            low, high = record["intervals"][key]
            assert low <= expected[key] <= high
    assert record["data"] == {
        "name": "folder", "split": "val",
        "options": {"path": options["path"], "classes": 3},
    }  # fmt: skip
    assert "255 is void" in record["protocol"]["masks"]


def test_a_required_score_decides_the_exit_code(models, data, tmp_path, capsys):
    model, output = models / "good.keras", tmp_path / "a.json"
    require = ["--require", "mean_iou=0.2", "class_iou.class_1=0.2"]
    assert evaluate(model, data, output, *require) == 0
    capsys.readouterr()
    assert evaluate(model, data, output, "--require", "class_iou.class_1=1.0") == 1
    assert "class_iou.class_1 must be 1.0000 or more. Received: 0." in (
        capsys.readouterr().out
    )
    for wrong, message in (
        ("mean_iuo=0.7", "Did you mean 'mean_iou'"),
        ("mean_iou=high", "mean_iou=0.7"),
        ("class_iou.car=0.7", "class_2"),
        ("mean_iou.car=0.7", "has no classes"),
    ):
        assert evaluate(model, data, output, "--require", wrong) == 2
        assert message in capsys.readouterr().err


def test_two_models_are_compared(written, tmp_path, capsys):
    good, bad = str(written / "good.json"), str(written / "bad.json")
    output = tmp_path / "difference.json"
    assert cli.main(["compare", bad, good, "--output", str(output)]) == 0
    printed = capsys.readouterr().out
    first, second = read_record(bad), read_record(good)
    change = second["mean_iou"] - first["mean_iou"]
    assert change > 0.05
    assert f"{100 * change:+.2f}" in printed
    result = json.loads(output.read_text())
    low, high = result["mean_iou"]["interval"]
    assert 0 < low < change < high
    # Of 4 images the 16 exchanges hold both that change nothing in size.
    assert result["mean_iou"]["p_value"] == pytest.approx(2 / 16, abs=0.03)
    changes = [abs(row["difference"]) for row in result["per_image"]]
    assert changes == sorted(changes, reverse=True)
    change = second["boundary_iou"] - first["boundary_iou"]
    assert result["boundary_iou"]["difference"] == pytest.approx(change)
    row = result["class_iou"]["class_1"]
    assert row["difference"] == pytest.approx(
        second["class_iou"]["class_1"] - first["class_iou"]["class_1"]
    )


def test_a_drop_that_is_not_allowed_ends_with_1(written, capsys):
    good, bad = str(written / "good.json"), str(written / "bad.json")
    assert cli.main(["compare", good, bad, "--max-drop", "mean_iou=0.9"]) == 0
    assert cli.main(["compare", good, bad, "--max-drop", "mean_iou=0.005"]) == 1
    assert cli.main(["compare", bad, good, "--max-drop", "mean_iou=0"]) == 0


def test_what_cannot_be_compared_is_refused(written, tmp_path, capsys):
    good = str(written / "good.json")
    record = json.loads((written / "good.json").read_text())
    other = tmp_path / "other.json"
    for change, message in (
        ({"per_image": record["per_image"][::-1]}, "same images.*another order"),
        ({"per_image": record["per_image"][1:]}, "same images.*grey_"),
        ({"class_iou": {"a": 1.0, "b": 1.0, "c": 1.0}}, "same classes"),
    ):
        other.write_text(json.dumps({**record, **change}))
        assert cli.main(["compare", good, str(other)]) == 2
        error = capsys.readouterr().err
        assert all(part in error for part in message.split(".*")), error
    for text, message in (("{}", "scores of its images"), ("\x00", "must be JSON")):
        other.write_text(text)
        assert cli.main(["compare", good, str(other)]) == 2
        assert message in capsys.readouterr().err


def test_what_gives_no_score_is_refused(data, models, tmp_path, capsys):
    """NaN logits, masks that are all void, no image."""
    write_threshold(tmp_path / "nan.keras", 80.0, broken=True)
    assert evaluate(tmp_path / "nan.keras", data, tmp_path / "a.json") == 2
    assert "must give finite logits. Received: 768 of 768 pixels are NaN" in (
        capsys.readouterr().err
    )
    folder = tmp_path / "void"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(5):
        grey = Image.new("RGB", (8, 8), (99, 99, 99))
        grey.save(folder / "images" / f"{number}.png")
        Image.new("L", (8, 8), 255).save(folder / "masks" / f"{number}.png")
    void = ["--data", "folder", "--set", f"path={folder}", "classes=3"]
    assert evaluate(models / "good.keras", void, tmp_path / "a.json") == 2
    assert "must not be void. Received: masks of 255 alone" in capsys.readouterr().err
    assert not (tmp_path / "a.json").exists()


def test_every_kind_of_file_is_scored(data, models, tmp_path):
    """A SavedModel and an ONNX file have the scores of the Keras model they are of."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    model = kseg.load(models / "good.keras")
    kernel, bias = (np.asarray(weight) for weight in model.get_weights())
    folder = tmp_path / "grey"
    export_saved_model(model, folder / "saved_model")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["image", "kernel"], ["scores"]),
            helper.make_node("Add", ["scores", "bias"], ["logits"]),
        ],
        "graph",
        [helper.make_tensor_value_info("image", real, [None, None, None, 3])],
        [helper.make_tensor_value_info("logits", real, [None, None, None, 3])],
        [
            onnx.numpy_helper.from_array(kernel[0, 0], "kernel"),
            onnx.numpy_helper.from_array(bias, "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(
        helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "g.onnx"
    )
    labels = Labels.named(["dark", "grey", "light"])
    for name in ("grey", "g"):
        (folder / f"{name}.json").write_text(json.dumps({"labels": labels.to_dict()}))
    assert evaluate(models / "good.keras", data, tmp_path / "keras.json") == 0
    expected = read_record(tmp_path / "keras.json")
    for path in (folder / "saved_model", folder / "g.onnx"):
        assert evaluate(path, data, tmp_path / "other.json") == 0
        record = read_record(tmp_path / "other.json")
        assert record["confusion_matrix"] == expected["confusion_matrix"]
        assert kseg.models.read_labels(path, 3) == labels
