"""`kseg export`: files for devices and servers, verified."""

import argparse
from pathlib import Path

from kseg.commands.arguments import (
    add_data,
    add_limits,
    add_model,
    add_size,
    check_unused,
    open_data,
    open_model,
    read_limits,
    read_size,
)
from kseg.commands.diagnosis import add_diagnosis, check_diagnosis, diagnose_export

HELP = "Write LiteRT, SavedModel and ONNX files, verified."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_model(command)
    add_data(command, required=False)
    command.add_argument(
        "--formats",
        nargs="+",
        help="of: saved_model onnx, and of LiteRT: float32 float16 dynamic_range int8; "
        "int8 needs --data; all but onnx and dynamic_range by default",
    )
    add_size(command, "size of the LiteRT files")
    command.add_argument(
        "--result",
        choices=["logits", "probabilities", "class_map", "coarse_class_map"],
        help="what the LiteRT files return; logits by default; coarse: decided ahead "
        "of the last resize",
    )
    command.add_argument(
        "--output", type=Path, help="folder; exports/<model> by default"
    )
    command.add_argument(
        "--dossier",
        action="store_true",
        help="write dossier.html and dossier.json, too: what each LiteRT file costs on "
        "--data and on this machine",
    )
    add_limits(
        command,
        "--max-drop",
        "with --dossier: end with code 1 where a file is lower than Keras by more, "
        "such as mean_iou=0.005 boundary_f1=0.01",
    )
    command.add_argument(
        "--images",
        type=int,
        help="with --dossier: how many changed images it shows; 6 by default",
    )
    add_diagnosis(command)


def run(arguments) -> int:
    """Writes the files of a model; returns 1 where one is worse than allowed."""
    from kseg.data import FittedSource, fitted
    from kseg.export import CALIBRATION_IMAGES, deploy, markdown_table
    from kseg.export.deploy import litert_files

    limits = read_limits(arguments.max_drop)
    path, model, labels = open_model(arguments.model)
    if path.suffix != ".keras":
        raise ValueError(f"Export needs a .keras model. Received: {path}.")
    check_diagnosis(arguments)
    formats = _formats(arguments)
    size = read_size(arguments, path)
    directory = arguments.output or Path("exports") / path.stem
    if arguments.diagnose:
        return diagnose_export(arguments, path, model, labels, size, directory)
    source, calibration, examples = None, [], []
    if arguments.data:
        train = open_data(arguments, "train", labels)
        val = open_data(arguments, "val", labels)
        source = FittedSource(val, size)
        calibration = [image for image, _ in fitted(train, size, CALIBRATION_IMAGES)]
        examples = [] if arguments.dossier else fitted(val, size)
    rows = deploy(
        model,
        path.stem,
        directory,
        size,
        labels,
        formats,
        arguments.result or "logits",
        calibration,
        examples,
    )
    if arguments.dossier:
        files = litert_files(path.stem, directory, formats)
        return _dossier(arguments, model, path.stem, directory, source, files, limits)
    print(markdown_table(rows) if rows else f"written to {directory}")
    return 0


def _formats(arguments) -> tuple[str, ...]:
    """Returns the formats that are wanted, once all that they need is there."""
    from kseg.export import USUAL_FORMATS, check_formats
    from kseg.export.litert import PRECISIONS

    formats = arguments.formats or (
        USUAL_FORMATS if arguments.data else USUAL_FORMATS[:3]
    )
    check_formats(formats, arguments.result or "logits")
    if "int8" in formats and not arguments.data:
        raise ValueError(
            "int8 needs --data, whose training images set the ranges for calibration."
        )
    if not arguments.dossier:
        rule = "is about a dossier. Give --dossier, too."
        check_unused(arguments, ("max_drop", "images"), rule)
        return tuple(formats)
    if not arguments.data or not set(formats) & set(PRECISIONS):
        raise ValueError(
            "A dossier needs --data to measure on, and a LiteRT format. Received: "
            f"--data {arguments.data}, formats {list(formats)}."
        )
    if arguments.images is not None and arguments.images < 0:
        raise ValueError(f"--images must be 0 or more. Received: {arguments.images}.")
    return tuple(formats)


def _dossier(arguments, model, name, directory, source, files, limits) -> int:
    """Writes the dossier; returns 1 where a file is lower than the limits."""
    from kseg.dossier import table_of, write_dossier

    shown = {} if arguments.images is None else {"images": arguments.images}
    result = write_dossier(
        directory,
        name,
        model,
        files,
        source,
        f"{arguments.data}, val",
        limits,
        **shown,
    )
    print(table_of(result))
    print(f"page: {directory / 'dossier.html'}")
    print("\n".join(result["missed"]), end="\n" if result["missed"] else "")
    return 1 if result["missed"] else 0
