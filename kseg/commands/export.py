"""`kseg export`: files for devices and servers, verified."""

import argparse
from pathlib import Path

from kseg.commands.arguments import add_data, add_model, open_data, open_model

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
    command.add_argument(
        "--size",
        nargs=2,
        type=int,
        metavar=("HEIGHT", "WIDTH"),
        help="size of the LiteRT files; that of training by default",
    )
    command.add_argument(
        "--result",
        default="logits",
        choices=["logits", "probabilities", "class_map"],
        help="what the LiteRT files return",
    )
    command.add_argument(
        "--output", type=Path, help="folder; exports/<model> by default"
    )


def run(arguments) -> int:
    """Writes the files of a model for devices and servers."""
    from kseg.data import fitted
    from kseg.export import CALIBRATION_IMAGES, USUAL_FORMATS, deploy, markdown_table
    from kseg.models import read_info

    path, model, labels = open_model(arguments.model)
    if path.suffix != ".keras":
        raise ValueError(f"Export needs a .keras model. Received: {path}.")
    formats = arguments.formats or (
        USUAL_FORMATS if arguments.data else USUAL_FORMATS[:3]
    )
    if "int8" in formats and not arguments.data:
        raise ValueError(
            "int8 needs --data, whose training images set the ranges for calibration."
        )
    size = arguments.size or read_info(path).get("input_size")
    if size is None:
        raise ValueError(f"Nothing says the size of {path}. Give --size HEIGHT WIDTH.")
    directory = arguments.output or Path("exports") / path.stem
    calibration, examples = [], []
    if arguments.data:
        train = open_data(arguments, "train", labels)
        val = open_data(arguments, "val", labels)
        calibration = [image for image, _ in fitted(train, size, CALIBRATION_IMAGES)]
        examples = fitted(val, size)
    rows = deploy(
        model,
        path.stem,
        directory,
        tuple(size),
        labels,
        tuple(formats),
        arguments.result,
        calibration,
        examples,
    )
    print(markdown_table(rows) if rows else f"written to {directory}")
    return 0
