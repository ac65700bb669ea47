"""What `kseg export --diagnose` writes and refuses."""

import json

import keras
import pytest

import kseg
from kseg import cli
from kseg.data import open_source
from kseg.export import LiteRTModel
from kseg.training.experiment import Experiment


@pytest.fixture(scope="module")
def model(scenes, tmp_path_factory):
    """A small network of the classes of the scenes, as a run leaves it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    labels = open_source("folder", "train", path=str(scenes)).labels
    network = {"name": "unet", "filters": 4, "depth": 2}
    keras.utils.set_random_seed(0)
    kseg.build(num_classes=labels.num_classes, **network).save(folder / "small.keras")
    info = {"input_size": [48, 64], "labels": labels.to_dict()}
    (folder / "small.json").write_text(json.dumps(info))
    experiment = Experiment(
        network=network,
        data={
            "name": "folder",
            "crop": (32, 32),
            "batch_size": 2,
            "val_size": (48, 64),
        },
        fit={"epochs": 3, "seed": 5, "dtype_policy": "mixed_bfloat16"},
    )
    (folder / "experiment.json").write_text(json.dumps(experiment.to_dict()))
    return folder / "small.keras"


def command(model, scenes, folder, *options):
    return [
        *("export", "--diagnose", "--model", str(model), "--output", str(folder)),
        *("--data", "folder", "--set", f"path={scenes}", *options),
    ]


def test_the_layers_the_cures_and_the_record(model, scenes, tmp_path, capsys):
    options = ("--cures", "calibration", "--fine-tune", "1")
    options += ("--calibration-images", "3")
    assert cli.main(command(model, scenes, tmp_path, *options)) == 0
    printed = capsys.readouterr().out
    record = json.loads((tmp_path / "diagnosis.json").read_text())
    names = [row["name"] for row in record["variants"]]
    assert names == [
        "Keras",
        "int8",
        "6 images",
        "3 images of all classes",
        "fine-tuned",
    ]
    assert record["calibration_images"] == 3
    assert all(f"| {row['layer']} " in printed for row in record["layers"][:20])
    assert all(f"| {name} " in printed for name in names)
    assert f"int8 loses {record['lost']['mean_iou']:.2f} mean_iou" in printed
    for row in record["variants"][1:]:
        assert LiteRTModel(tmp_path / row["file"]).input_size == (48, 64)
    tuned = json.loads((tmp_path / "fine_tuned" / "experiment.json").read_text())
    assert tuned["fit"] == {"seed": 5, "epochs": 1, "quantisation_aware": True}
    assert tuned["optimizer"]["learning_rate"] == pytest.approx(1e-4)
    info = json.loads((tmp_path / "fine_tuned" / "small.json").read_text())
    assert info["input_size"] == [48, 64] and len(info["labels"]["classes"]) > 1
    trained = kseg.load(tmp_path / "fine_tuned" / "small.keras")
    assert [x.name for x in trained.layers] == [x.name for x in kseg.load(model).layers]


def test_what_is_missing_or_wrong_is_told(model, scenes, tmp_path, capsys):
    def refused(text, options):
        assert cli.main(options) == 2
        assert text in capsys.readouterr().err

    plain = ["export", "--model", str(model)]
    refused("--fine-tune needs --diagnose", [*plain, "--fine-tune", "1"])
    plain.append("--diagnose")
    refused("--dossier has no use with --diagnose", [*plain, "--dossier"])
    refused("--formats has no use with", [*plain, "--formats", "int8"])
    refused("--diagnose needs --data", plain)
    base = command(model, scenes, tmp_path)
    refused("Received: 'prayer'", [*base, "--cures", "prayer"])
    refused("--fine-tune must be 1 or more", [*base, "--fine-tune", "0"])
    alone = tmp_path / "alone.keras"
    alone.write_bytes(model.read_bytes())
    alone.with_suffix(".json").write_bytes(model.with_suffix(".json").read_bytes())
    refused(
        "--fine-tune trains on as the model was trained",
        [*command(alone, scenes, tmp_path), "--fine-tune", "1"],
    )
