"""A run from its command line to its files."""

import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import kseg
from kseg.training import checkpoints, run


def start(config, directory, *more):
    return run.main([str(config), "--directory", str(directory), *more])


def test_a_run_writes_everything_it_promises(config, tmp_path, capsys):
    directory = tmp_path / "result"
    assert start(config, directory) == 0
    for name in (
        "tiny.keras",
        "tiny.json",
        "tiny_float32.tflite",
        "metrics.json",
        "README.md",
        "overlay.png",
        "experiment.json",
        "run/log.csv",
        "run/class_iou.csv",
    ):
        assert (directory / name).is_file(), name
    assert not list(directory.rglob(".*"))

    metrics = json.loads((directory / "metrics.json").read_text())
    assert metrics["validation"]["images"] == 3
    assert metrics["files"][1]["agreement"] > 0.999
    log = (directory / "run/log.csv").read_text().splitlines()
    best = max(float(row["val_mean_iou"]) for row in _rows(log))
    assert metrics["validation"]["mean_iou"] == pytest.approx(best, abs=1e-4)

    # The network alone is saved, without the optimizer's moments.
    model = kseg.load(directory / "tiny.keras")
    assert getattr(model, "optimizer", None) is None
    assert model.name == "unet"
    assert "IoU %: sky" in capsys.readouterr().out


def _rows(lines):
    header = lines[0].split(",")
    return [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]


@pytest.mark.parametrize(
    "policy", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    policy, config, tmp_path, monkeypatch
):
    """Bit for bit, though it was stopped within an epoch and after one."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = (
        "--set", f"fit.dtype_policy={policy}", "export.formats=[]", "optimizer.ema=0.9",
        "fit.checkpoint_steps=1", "network.dropout=0.3",
    )  # fmt: skip
    assert start(config, whole, *options) == 0

    class Stopped(Exception):
        pass

    save = checkpoints.Checkpoints._save

    def stop_at(epochs, step):
        def save_and_stop(self, state):
            save(self, state)
            if (state["epochs"], state["step"]) == (epochs, step):
                raise Stopped

        monkeypatch.setattr(checkpoints.Checkpoints, "_save", save_and_stop)
        with pytest.raises(Stopped):
            start(config, parts, "--resume", *options)
        state = checkpoints.read_state(parts / "run")
        assert (state["epochs"], state["step"]) == (epochs, step)

    stop_at(0, 1)
    stop_at(1, 0)
    stop_at(1, 1)
    monkeypatch.undo()
    assert start(config, parts, "--resume", *options) == 0

    ours, theirs = (_last_checkpoint(d) for d in (whole, parts))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], name)
    for file in ("run/log.csv", "run/class_iou.csv", "run/state.json"):
        assert (whole / file).read_text() == (parts / file).read_text()
    nets = [kseg.load(next(d.glob("*.keras"))).get_weights() for d in (whole, parts)]
    for one, other in zip(*nets, strict=True):
        np.testing.assert_array_equal(one, other)


def _last_checkpoint(directory):
    """All arrays of the last checkpoint."""
    with np.load(checkpoints.checkpoints(directory / "run")[0]) as file:
        return dict(file)


def test_a_run_is_not_written_over(config, tmp_path, capsys):
    assert start(config, tmp_path / "a") == 0
    assert start(config, tmp_path / "a") == 2
    assert "--resume" in capsys.readouterr().err


def test_an_auxiliary_head_trains_and_is_not_shipped(config, tmp_path):
    directory = tmp_path / "result"
    text = config.read_text().replace(
        "export=",
        'auxiliary=dict(tap="encoder3_relu2", weight=0.4, filters=4), export=',
    )
    config.write_text(text)
    assert start(config, directory) == 0
    header = (directory / "run/log.csv").read_text().splitlines()[0]
    assert "auxiliary_loss" in header and "val_logits_mean_iou" in header
    names = [layer.name for layer in kseg.load(directory / "tiny.keras").layers]
    assert not [name for name in names if "auxiliary" in name]


def test_frozen_batch_norms_keep_what_they_were_built_with(config, tmp_path):
    directory = tmp_path / "result"
    assert start(config, directory, "--set", "fit.freeze_batch_norm=True") == 0
    layers = kseg.load(directory / "tiny.keras").layers
    norms = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    assert norms
    for norm in norms:
        assert not np.any(norm.moving_mean) and not np.any(norm.beta)


def test_a_network_trained_in_half_precision_is_shipped_in_full(config, tmp_path):
    directory = tmp_path / "result"
    policy = "fit.dtype_policy=mixed_bfloat16"
    assert start(config, directory, "--set", policy, "export.formats=[]") == 0
    model = kseg.load(directory / "tiny.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    best = json.loads((directory / "run/state.json").read_text())["best_score"]
    measured = json.loads((directory / "metrics.json").read_text())["validation"]
    assert measured["mean_iou"] == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("export.scores=['edge']", "Did you mean 'edges'"),
        ("export.scores=edges", "must be a list"),
        ("export.scores=['edges']", "needs two classes"),
        ("export.scores=['membranes']", "needs a class 'cell'"),
        ("fit.keep=first", "'best' or 'last'"),
        ("export.size=224", "a height and a width"),
        ("export.size=(10,)", "a height and a width"),
        ("export.pictures=many", "`export.pictures`"),
        ("optimizer.multipliers=[1]", "a dictionary from pattern to factor"),
        ("auxiliary.outputs=encoder1_relu1", "must be a list"),
    ],
)
def test_wrong_options_stop_a_run_before_it_trains(
    config, tmp_path, capsys, option, message
):
    assert start(config, tmp_path / "result", "--set", option) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "result" / "run").exists()


def test_a_valid_unet_is_trained_on_the_middle_of_its_images(config, tmp_path):
    text = config.read_text()
    text = text.replace("depth=3", 'depth=2, padding="valid"')
    text = text.replace("crop=(32, 48)", "crop=(32, 48)").replace(
        "(48, 64)", "(48, 64)"
    )
    config.write_text(text)
    assert start(config, tmp_path / "a") == 0
    result = json.loads((tmp_path / "a/metrics.json").read_text())
    assert result["validation"]["images"] == 3


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("network.backbone=resnet50", ["backbone", "filters"]),
        ("fit.epoch=3", ["'epoch'", "Did you mean 'epochs'?"]),
        ("optimizer.name=adam", ["optimizer", "adamw"]),
        ("data.name=cityscape", ["data set", "camvid"]),
        ("network.num_classes=4", ["4", "9 classes", "sky"]),
        ("fit", ["section.key=value"]),
        ("nothing.key=1", ["section", "network"]),
        ("data.path=/nowhere", ["/nowhere"]),
        ("loss.class_weights=[1,2]", ["one number per class"]),
        ("data.crop=5", ["`crop`", "two numbers"]),
        ("export.formats=int8", ["`formats`", "'int8'"]),
        ("export.output=masks", ["output", "class_map"]),
        ("data.classes=road", ["`classes`", "'road'"]),
        ("auxiliary.weight=0.3", ["`tap`"]),
    ],
)
def test_wrong_input_is_explained(config, tmp_path, capsys, assignment, words):
    assert start(config, tmp_path / "a", "--set", assignment) == 2
    message = capsys.readouterr().err
    assert "kseg: " in message
    for word in words:
        assert word in message
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("damage", ["label", "size", "truncated", "binary", "missing"])
def test_broken_data_stops_a_run_before_it_starts(
    config, scenes, tmp_path, capsys, damage
):
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    victim = sorted((data / "val" / "masks").iterdir())[-1]
    if damage == "label":
        Image.fromarray(np.full((48, 64), 77, np.uint8)).save(victim)
    elif damage == "size":
        Image.fromarray(np.zeros((10, 10), np.uint8)).save(victim)
    elif damage == "truncated":
        victim.write_bytes(victim.read_bytes()[:200])
    elif damage == "missing":
        victim.unlink()
    else:
        for path in (data / "val" / "masks").iterdir():
            Image.fromarray(np.eye(48, 64, dtype=np.uint8) * 255).save(path)
    arguments = (f"data.path={data}", "loss.class_weights=none")
    assert start(config, tmp_path / "a", "--set", *arguments) == 2
    message = capsys.readouterr().err
    assert victim.stem in message or damage == "binary"
    assert not (tmp_path / "a").exists()


def test_an_unknown_config_lists_those_that_exist(capsys):
    assert run.main(["camvid_deeplab"]) == 2
    assert "camvid_deeplabv3plus_mobilenet_v2" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(config, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert start(config, tmp_path / "file" / "below") == 2
    assert "file" in capsys.readouterr().err


def test_not_a_number_stops_the_run_and_keeps_the_last_good_epoch(
    config, tmp_path, capsys
):
    directory = tmp_path / "a"
    assert start(config, directory) == 0
    kept = _last_checkpoint(directory)
    more = ("--set", "fit.epochs=4", "optimizer.learning_rate=1e30", "--resume")
    assert start(config, directory, *more) == 2
    assert "finite" in capsys.readouterr().err
    for name, array in _last_checkpoint(directory).items():
        np.testing.assert_array_equal(array, kept[name])


def test_a_run_whose_record_knows_no_scribbles_goes_on(tmp_path):
    """Records of older versions do not have the section."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint-1-0.npz").write_text("")
    (tmp_path / "experiment.json").write_text("{}")
    run.check_directory(tmp_path, True, {})
    with pytest.raises(ValueError, match="began with weak={}"):
        run.check_directory(tmp_path, True, {"rounds": 3})
