"""What `kseg export --diagnose` does: where int8 loses, and what helps."""

import argparse
from pathlib import Path

from kseg.commands.arguments import check_unused, open_data, read_options

# What is of no use with it, and what only with it.
_WITHOUT = ("dossier", "formats", "result", "max_drop", "images")
_ONLY_WITH = ("cures", "calibration_images", "fine_tune")
# Of the learning rate that the model was trained with.
_SLOWER = 0.01


def add_diagnosis(command: argparse.ArgumentParser) -> None:
    """Adds `--diagnose` and its options."""
    command.add_argument(
        "--diagnose",
        action="store_true",
        help="instead of the files: find the layers that an int8 file loses in, try "
        "the cures, write diagnosis.json",
    )
    command.add_argument(
        "--cures",
        nargs="+",
        help="with --diagnose, of: calibration per_channel equalisation biases "
        "float_layers int16; all but int16 by default",
    )
    command.add_argument(
        "--calibration-images",
        type=int,
        help="with --diagnose: about how many training images set the ranges",
    )
    command.add_argument(
        "--fine-tune",
        type=int,
        metavar="EPOCHS",
        help="with --diagnose: train on with fake quantisation, too",
    )


def diagnose_export(arguments, path: Path, model, labels, size, directory: Path) -> int:
    """Diagnoses the int8 file of a model, tries cures, and writes what they bought.

    Args:
        arguments: Of the command line.
        path: The model's file.
        model: The model.
        labels: Its classes.
        size: Height and width of the file's images in pixels.
        directory: Where everything goes.

    Returns:
        The exit code, 0.

    Raises:
        ValueError: If the model cannot be fine-tuned.
    """
    from kseg.data import fitted
    from kseg.export import CALIBRATION_IMAGES, cures
    from kseg.export.diagnosis import diagnosis_table
    from kseg.export.image_choice import cover_classes
    from kseg.files import write_json

    tried = arguments.cures or cures.CURES
    count = arguments.calibration_images or CALIBRATION_IMAGES
    train = open_data(arguments, "train", labels)
    val = open_data(arguments, "val", labels)
    usual = [image for image, _ in fitted(train, size, count)]
    others = {}
    if "calibration" in tried:
        more = list(fitted(train, size, 3 * count))
        covering = cover_classes(
            (mask for _, mask in more), labels.num_classes, len(usual)
        )
        others = {
            f"{len(more)} images": [image for image, _ in more],
            f"{len(usual)} images of all classes": [more[i][0] for i in covering],
        }
    fine_tuned = None
    if arguments.fine_tune:
        info = {"input_size": size, "labels": labels.to_dict()}
        fine_tuned = _fine_tune(arguments, path, directory, info)
    result = cures.try_cures(
        model, directory, size, labels, usual, fitted(val, size), tried, others,
        fine_tuned,
    )  # fmt: skip
    print(f"{diagnosis_table(result['layers'])}\n")
    print(cures.cures_table(result["variants"]))
    lost = cures.loses(result["variants"])
    most = cures.TARGET
    told = [f"{lost[key]:.2f} {key} (at most {most[key]})" for key in most]
    print(f"int8 loses {' and '.join(told)} points against Keras")
    about = {"model": path.name, "calibration_images": len(usual), "lost": lost}
    write_json(directory / "diagnosis.json", {**about, **result})
    return 0


def check_diagnosis(arguments) -> None:
    """Raises if `--diagnose` or an option of it is wrong.

    Args:
        arguments: Of the command line.

    Raises:
        ValueError: If so.
    """
    from kseg.export.cures import ALL_CURES
    from kseg.registry import unknown

    if not arguments.diagnose:
        check_unused(arguments, _ONLY_WITH, "needs --diagnose.")
        return
    check_unused(arguments, _WITHOUT, "has no use with --diagnose.")
    if not arguments.data:
        raise ValueError(
            "--diagnose needs --data: its training images set the ranges, and those of "
            "validation say what int8 costs."
        )
    for cure in arguments.cures or ():
        if cure not in ALL_CURES:
            raise ValueError(unknown("cure", cure, list(ALL_CURES)))
    for name in ("calibration_images", "fine_tune"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise ValueError(f"--{option} must be 1 or more. Received: {value}.")


def _fine_tune(arguments, path: Path, directory: Path, info: dict):
    """Trains a model on with fake quantisation, as it was trained but slower."""
    import json

    from kseg.files import write_json
    from kseg.training.experiment import Experiment
    from kseg.training.fit import fit
    from kseg.training.run import check_directory

    record = path.parent / "experiment.json"
    if not record.is_file():
        raise ValueError(
            "--fine-tune trains on as the model was trained, which `kseg train` writes "
            f"down beside it. Received: {path} without {record}."
        )
    experiment = Experiment(**json.loads(record.read_text(encoding="utf-8")))
    experiment.network["weights"] = str(path)
    experiment.data = {**experiment.data, "name": arguments.data}
    experiment.data.update(read_options(arguments))
    rate = _SLOWER * experiment.optimizer.get("learning_rate", 0.01)
    experiment.optimizer["learning_rate"] = rate
    kept = {key: experiment.fit[key] for key in ("seed",) if key in experiment.fit}
    experiment.fit = {**kept, "epochs": arguments.fine_tune, "quantisation_aware": True}
    experiment.check()
    folder = directory / "fine_tuned"
    check_directory(folder, resume=False, weak={})
    model, _ = fit(experiment, folder, resume=False, **experiment.fit)
    tuned = folder / path.name
    model.save(tuned)
    write_json(tuned.with_suffix(".json"), {"name": path.stem, **info})
    return model
