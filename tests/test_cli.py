"""The command line, as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from checkpoints import hrnet_state, write_safetensors
from PIL import Image

import kseg
from kseg import cli
from kseg.data.folder import folder
from kseg.data.synthetic import LABELS
from kseg.labels import Labels
from kseg.raster import read_image


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Path of an untrained model for the scenes, with its sidecar."""
    folder = tmp_path_factory.mktemp("model")
    kseg.build("unet", num_classes=9, filters=2, depth=2).save(folder / "net.keras")
    info = {"name": "net", "input_size": [48, 64], "labels": LABELS.to_dict()}
    (folder / "net.json").write_text(json.dumps(info))
    return folder / "net.keras"


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


COMMANDS = """train list import check prepare bench-data sweep results evaluate compare
report predict batch serve export demo convert doctor lr-find"""


@pytest.mark.parametrize(
    "command", [[], *([name] for name in (*COMMANDS.split(), "scribbles"))]
)
def test_help_imports_neither_keras_nor_tensorflow(command):
    code = (
        "import sys\nfrom kseg.cli import main\n"
        f"try:\n    main({[*command, '--help']!r})\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        "assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_list_names_what_there_is(capsys):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for name in ("deeplabv3plus", "xception65", "camvid", "demo"):
        assert name in out


def test_predict_writes_masks_overlays_and_probabilities(model, scenes, tmp_path):
    out = tmp_path / "out"
    arguments = ["--model", str(model), "--output", str(out), "--probabilities"]
    assert cli.main(["predict", *arguments, str(scenes / "val" / "images")]) == 0
    masks = sorted(out.glob("*_mask.png"))
    assert len(masks) == 3
    with Image.open(masks[0]) as mask:
        assert mask.mode == "P" and mask.size == (64, 48)
        assert mask.getpalette()[:3] == list(LABELS.colors[0])
        ids = np.asarray(mask)
    stem = masks[0].name.removesuffix("_mask.png")
    probabilities = np.load(out / f"{stem}_probabilities.npy")
    assert probabilities.shape == (48, 64, 9)
    chosen = np.take_along_axis(probabilities, ids[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(chosen, probabilities.max(-1), atol=1e-3)
    assert (out / f"{stem}_overlay.png").is_file()
    read = json.loads((out / "labels.json").read_text())
    assert Labels.from_dict(read) == LABELS


def test_a_single_pixel_is_an_image_too(model, tmp_path):
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    arguments = ["--model", str(model), "--output", str(tmp_path / "out")]
    assert cli.main(["predict", *arguments, str(tmp_path / "dot.png")]) == 0
    assert size_of(tmp_path / "out" / "dot_mask.png") == (1, 1)


def test_evaluate_prints_and_writes_scores(model, scenes, tmp_path, capsys):
    data = ["--data", "folder", "--set", f"path={scenes}"]
    output = tmp_path / "scores.json"
    arguments = ["--model", str(model), *data, "--output", str(output)]
    assert cli.main(["evaluate", *arguments]) == 0
    result = json.loads(output.read_text())
    assert result["images"] == 3
    assert f"{100 * result['mean_iou']:.2f}" in capsys.readouterr().out


VIEWS = ["--tile", "96", "96", "--overlap", "32", "--blend", "linear"]
VIEWS += ["--scales", "1,1.5", "--flip", "--turns", "--crf", "deeplab"]


def test_predict_and_evaluate_take_the_same_views(model, scenes, tmp_path, capsys):
    path = min((scenes / "val" / "images").iterdir())
    arguments = ["--model", str(model), *VIEWS, "--output", str(tmp_path), str(path)]
    assert cli.main(["predict", *arguments]) == 0
    expected = kseg.predict(
        kseg.load(model),
        read_image(path),
        (96, 96),
        32,
        "linear",
        (1, 1.5),
        flip=True,
        turns=True,
        crf="deeplab",
    )
    with Image.open(tmp_path / f"{path.stem}_mask.png") as mask:
        np.testing.assert_array_equal(mask, expected)

    data = ["--data", "folder", "--set", f"path={scenes}"]
    output = tmp_path / "scores.json"
    found = {}
    for views in ([], VIEWS):
        arguments = ["--model", str(model), *data, "--output", str(output), *views]
        assert cli.main(["evaluate", *arguments]) == 0
        result = json.loads(output.read_text())
        predictions = result["protocol"]["predictions"]
        assert f"predictions: {predictions}\n" in capsys.readouterr().out
        found[predictions] = result["mean_iou"]
    assert list(found) == [
        "images at scale 1, seen whole",
        "images at scale 1 1.5, tiles of 96x96, overlap 32, blend linear, mirrored "
        "too, turned too, CRF deeplab",
    ]
    assert len(set(found.values())) == 2


def test_large_files_are_predicted_by_windows(model, tmp_path, capsys, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    photo = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    tifffile.imwrite(tmp_path / "map.tif", photo, tile=(64, 64), compression="zlib")
    Image.fromarray(photo[:99]).save(tmp_path / "photo.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 200)
    out = tmp_path / "out"
    files = [str(tmp_path / "map.tif"), str(tmp_path / "photo.png")]
    arguments = ["predict", "--model", str(model), "--output", str(out), *files]
    assert cli.main(arguments) == 0
    assert "1 of them" in capsys.readouterr().out
    names = sorted(path.name for path in out.iterdir())
    expected = "labels.json map_mask.tif photo_mask.png photo_overlay.png"
    assert names == expected.split()
    mask = tifffile.imread(out / "map_mask.tif")
    # Rounding may decide where two classes are as good as equal.
    assert np.mean(mask != kseg.predict(kseg.load(model), photo)) < 1e-3
    assert cli.main([*arguments, "--probabilities"]) == 2
    assert "map.tif, which is read by windows" in capsys.readouterr().err


def test_export_verifies_and_the_file_predicts(model, scenes, tmp_path, capsys):
    data = ["--data", "folder", "--set", f"path={scenes}"]
    more = ["--formats", "int8", "--result", "class_map", "--output", str(tmp_path)]
    assert cli.main(["export", "--model", str(model), *data, *more]) == 0
    assert "LiteRT int8" in capsys.readouterr().out
    lite = tmp_path / "net_int8.tflite"
    image = next((scenes / "val" / "images").iterdir())
    out = tmp_path / "out"
    arguments = ["--model", str(lite), "--output", str(out), str(image)]
    assert cli.main(["predict", *arguments]) == 0
    assert size_of(out / f"{image.stem}_mask.png") == (64, 48)
    assert cli.main(["evaluate", "--model", str(lite), *data]) == 0
    assert cli.main(["predict", *arguments, "--probabilities"]) == 2
    assert "class map" in capsys.readouterr().err


def test_scribbles_make_a_folder_to_train_on(scenes, tmp_path, capsys):
    data = ["--data", "folder", "--set", f"path={scenes}"]
    strokes = ["scribbles", *data, "--fraction", "0.1", "--output"]
    assert cli.main([*strokes, str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    assert f"data.path={tmp_path / 'a'}" in out and "weak.rounds=3" in out
    full, drawn = (folder("train", path) for path in (scenes, tmp_path / "a"))
    assert drawn.labels == full.labels and len(drawn) == len(full) == 6
    pixels = labelled = 0
    for index in range(6):
        mask, scribbles = full.mask(index), drawn.mask(index)
        on = scribbles != 255
        np.testing.assert_array_equal(scribbles[on], mask[on])
        np.testing.assert_array_equal(drawn[index][0], full[index][0])
        pixels += (mask != 255).sum()
        labelled += on.sum()
    assert labelled / pixels == pytest.approx(0.1, rel=0.2)
    (row,) = [line.split() for line in out.splitlines() if line.startswith("all ")]
    assert row == ["all", str(pixels), f"{labelled / pixels:.2%}"]
    for index in range(3):
        masks = [folder("val", path).mask(index) for path in (scenes, tmp_path / "a")]
        np.testing.assert_array_equal(*masks)

    assert cli.main([*strokes, str(tmp_path / "a")]) == 2
    assert "new or empty" in capsys.readouterr().err
    assert cli.main([*strokes, str(tmp_path / "b"), "--seed", "1"]) == 0
    assert (folder("train", tmp_path / "b").mask(0) != drawn.mask(0)).any()
    points = ["scribbles", *data, "--points", "1", "--width", "1", "--output"]
    assert cli.main([*points, str(tmp_path / "c")]) == 0
    dots = folder("train", tmp_path / "c").mask(0) != 255
    assert 0 < dots.sum() < 100


def test_convert_makes_a_model_that_predicts(tmp_path, capsys, monkeypatch):
    arguments = {"backbone": "hrnet_w18_small_v1", "num_classes": 4}
    state = hrnet_state(kseg.build("hrnet", **arguments))
    path = write_safetensors(tmp_path / "net.safetensors", state)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["convert", str(path), "--from", "hrnet"]) == 0
    out = capsys.readouterr().out
    assert "name=hrnet" in out and "num_classes=4" in out
    assert "left out: loss (1), num_batches_tracked (" in out
    Image.new("RGB", (9, 5)).save("dot.png")
    assert cli.main(["predict", "--model", "net.keras", "dot.png"]) == 0
    assert size_of(Path("predictions", "dot_mask.png")) == (9, 5)

    assert cli.main(["convert", str(path), "--from", "hrnet", "--output", "b.h5"]) == 2
    assert ".keras file. Received: b.h5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "--model", "none", "{scenes}/val/images"], ["'none'", ".keras"]),
        (["predict", "--model", "{model}", "nowhere.jpg"], ["nowhere.jpg"]),
        (["predict", "--model", "{model}", "{empty}"], ["holds none"]),
        (["predict", "--model", "{model}", "--alpha", "2", "."], ["--alpha"]),
        (["predict", "--model", "{model}", "--overlap", "0", "{photo}"], ["--tile"]),
        (
            ["predict", "--model", "{model}", "--tile", "60", "60", "{photo}"],
            ["63 pixels", "overlap=0"],
        ),
        (
            ["predict", "--model", "{model}", "--tile", "-5", "64", "{photo}"],
            ["`tile`", "[-5, 64]"],
        ),
        (["predict", "--model", "{model}", "{photo}", "--scales", "0"], ["`scales`"]),
        (
            ["predict", "--model", "{model}", "--crf", "deeplabv4", "{photo}"],
            ["'deeplabv2'", "'kraehenbuehl'"],
        ),
        (
            ["predict", "--model", "{model}", "--tile", "96", "96", "--overlap", "32",
             "--blend", "soft", "{photo}"],
            ["'soft'", "'gaussian'"],
        ),
        (["evaluate", "--model", "{model}", "--data", "cars"], ["data set", "camvid"]),
        (
            ["evaluate", "--model", "{model}", "--data", "folder", "--set", "pth=x"],
            ["'pth'", "Did you mean 'path'"],
        ),
        (
            ["evaluate", "--model", "{model}", "--data", "folder", "--set",
             "path={scenes}", "classes=20"],
            ["20 classes", "9"],
        ),
        (
            ["evaluate", "--model", "{model}", "--data", "folder", "--set",
             "path={scenes}", "classes=['a','b','c','d','e','f','g','h','i']"],
            ["['a', 'b', 'c'", "['sky'", "the model's order", ".json"],
        ),
        (["export", "--model", "{model}", "--formats", "int8"], ["calibration"]),
        (["export", "--model", "{model}", "--formats", "int4"], ["int4", "int8"]),
        (["evaluate", "--model", "{model}", "--data", "folder"], ["'path'", "options"]),
        (
            ["scribbles", "--data", "folder", "--set", "path={scenes}",
             "--fraction", "5", "--output", "{empty}/out"],
            ["`fraction`", "5"],
        ),
        (["convert", "nowhere.pth", "--from", "smp"], ["nowhere.pth"]),
        (["convert", "{model}", "--from", "timm"], ["'timm'", "torchvision"]),
        (["convert", "{model}", "--from", "smp"], ["{model}", "torch.save"]),
    ],
)  # fmt: skip
def test_wrong_input_is_explained(model, scenes, tmp_path, capsys, arguments, words):
    photo = min((scenes / "val" / "images").iterdir())
    places = {"model": str(model), "scenes": str(scenes), "empty": str(tmp_path)}
    places["photo"] = str(photo)
    assert cli.main([argument.format(**places) for argument in arguments]) == 2
    message = capsys.readouterr().err
    for word in words:
        assert word.format(**places) in message


def test_a_wheel_trains_outside_the_repository(tmp_path, scenes):
    repository = Path(__file__).parents[1]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path]
    subprocess.run([*map(str, [*pip, *build, repository])], check=True)
    (wheel,) = tmp_path.glob("kseg-*.whl")
    assert wheel.stat().st_size < 1_000_000
    site = tmp_path / "site"
    install = ["install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run([*map(str, [*pip, *install])], check=True)
    (tmp_path / "mine.py").write_text(
        "from kseg.training.experiment import Experiment\n"
        "def config():\n"
        "    return Experiment(network=dict(name='unet', filters=2, depth=2),\n"
        f"        data=dict(name='folder', path={str(scenes)!r}, crop=(32, 32),\n"
        "                  batch_size=2, val_size=(48, 64)),\n"
        "        fit=dict(epochs=1, steps_per_epoch=1), export=dict(formats=()))\n"
    )
    code = (
        "import kseg, sys\n"
        f"assert kseg.__file__.startswith({str(site)!r}), kseg.__file__\n"
        "from kseg.cli import main\n"
        "sys.exit(main(['train', 'mine.py']))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment
    )
    assert (tmp_path / "saved_models" / "mine" / "mine.keras").is_file()


def test_classes_without_names_are_any(model, scenes, tmp_path, capsys):
    data = ["--data", "folder", "--set", f"path={scenes}"]
    assert cli.main(["evaluate", "--model", str(model), *data, "classes=9"]) == 0
    bare = tmp_path / "bare.keras"
    bare.write_bytes(model.read_bytes())
    assert cli.main(["evaluate", "--model", str(bare), *data]) == 0


def test_the_protocol_says_the_overlap_that_the_tile_has(model, scenes, capsys):
    data = ["--data", "folder", "--set", f"path={scenes}"]
    tile = ["--tile", "128", "128"]
    assert cli.main(["evaluate", "--model", str(model), *data, *tile]) == 0
    assert "tiles of 128x128, overlap 64, blend none" in capsys.readouterr().out


def test_a_broken_picture_does_not_end_the_run(model, tmp_path, capsys):
    for name in ("a.png", "c.png"):
        Image.new("RGB", (9, 5)).save(tmp_path / name)
    (tmp_path / "b.png").write_text("no picture")
    out = tmp_path / "out"
    arguments = ["--model", str(model), "--output", str(out), str(tmp_path)]
    assert cli.main(["predict", *arguments]) == 2
    said = capsys.readouterr()
    assert "2 images" in said.out
    assert f"{tmp_path / 'b.png'} failed: A picture must be a whole file" in said.err
    assert sorted(path.name for path in out.glob("*_mask.png")) == [
        "a_mask.png",
        "c_mask.png",
    ]


@pytest.mark.parametrize("classes", [1, 255, 300])
@pytest.mark.parametrize("probabilities", [[], ["--probabilities"]])
def test_any_number_of_classes_is_written(classes, probabilities, tmp_path):
    image = keras.Input((None, None, 3))
    # Of one logit class 1, of many the last.
    bias = np.linspace(0, 9, classes) if classes > 1 else np.ones(1)
    layer = keras.layers.Conv2D(classes, 1, kernel_initializer="zeros")
    model = keras.Model(image, layer(image))
    layer.bias.assign(bias)
    model.save(tmp_path / "net.keras")
    Image.new("RGB", (9, 5)).save(tmp_path / "i.png")
    arguments = ["--model", str(tmp_path / "net.keras"), "--output", str(tmp_path)]
    arguments += [*probabilities, str(tmp_path / "i.png")]
    if classes > 256:
        pytest.importorskip("tifffile")
    assert cli.main(["predict", *arguments]) == 0
    ending = "tif" if classes > 256 else "png"
    with Image.open(tmp_path / f"i_mask.{ending}") as mask:
        np.testing.assert_array_equal(mask, max(classes - 1, 1))
    with Image.open(tmp_path / "i_overlay.png") as overlay:
        labels = Labels.numbered(max(classes, 2))
        color = np.asarray(labels.colors[max(classes - 1, 1)])
        assert abs(np.asarray(overlay)[0, 0] - color / 2).max() <= 1


def test_a_litert_file_has_one_mask_with_and_without_probabilities(
    model, scenes, tmp_path
):
    more = ["--formats", "float32", "--output", str(tmp_path)]
    assert cli.main(["export", "--model", str(model), *more]) == 0
    photo = np.random.default_rng(0).integers(0, 256, (75, 90, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "i.png")
    found = []
    for options in ([], ["--probabilities"]):
        out = tmp_path / f"out{len(options)}"
        arguments = ["--output", str(out), *options, str(tmp_path / "i.png")]
        file = str(tmp_path / "net_float32.tflite")
        assert cli.main(["predict", "--model", file, *arguments]) == 0
        found.append((out / "i_mask.png").read_bytes())
    assert found[0] == found[1]
