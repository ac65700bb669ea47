"""The `kseg` command: list, train, evaluate, predict, export, convert, scribbles.

The arguments are here, what the subcommands do is in `kseg.commands`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kseg import commands
from kseg.quiet import import_backend


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Arguments of the command line; `None` for the process's.

    Returns:
        The exit code: 0, or 2 for wrong input, which a message explains.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] == ["train"]:
        from kseg.training.run import main as train

        return train(argv[1:])
    arguments = _parser().parse_args(argv)
    try:
        import_backend()
        return getattr(commands, f"run_{arguments.command}")(arguments)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"kseg: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kseg",
        description="Semantic segmentation: from images and masks to a checked model.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, help=text, description=text)
        command.set_defaults(command=name)
        return command

    add("list", "List networks, backbones, data sets, configs and models.")
    add("train", "Train, evaluate and export a config.")
    _add_evaluate(add("evaluate", "Score a model on a data set."))
    _add_predict(add("predict", "Segment images; writes masks and overlays."))
    _add_export(add("export", "Write SavedModel and LiteRT files, verified."))
    _add_convert(add("convert", "Make a model of a checkpoint of PyTorch."))
    _add_scribbles(add("scribbles", "Draw scribbles from full masks."))
    return parser


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    _add_model(command)
    _add_data(command, required=True)
    _add_views(command)
    command.add_argument("--split", default="val", help="which part; val by default")
    command.add_argument("--output", type=Path, help="JSON file for the scores")


def _add_predict(command: argparse.ArgumentParser) -> None:
    _add_model(command)
    command.add_argument("inputs", nargs="+", type=Path, help="image files or folders")
    command.add_argument(
        "--output", type=Path, default=Path("predictions"), help="folder for results"
    )
    _add_views(command)
    command.add_argument(
        "--probabilities",
        action="store_true",
        help="also write float16 probabilities (height, width, classes) as .npy",
    )
    command.add_argument(
        "--alpha", type=float, default=0.5, help="share of colour in the overlay"
    )


def _add_export(command: argparse.ArgumentParser) -> None:
    _add_model(command)
    _add_data(command, required=False)
    command.add_argument(
        "--formats",
        nargs="+",
        help="of: saved_model float32 float16 int8; int8 needs --data; all by default",
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


def _add_convert(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "checkpoint", type=Path, help="a .pth, .pt, .bin or .safetensors file"
    )
    command.add_argument(
        "--from",
        dest="source",
        required=True,
        help="whose network it is: torchvision, smp, hrnet, mmseg or "
        "huggingface-segformer",
    )
    command.add_argument(
        "--network", help="another network, which takes the checkpoint's backbone"
    )
    command.add_argument("--num-classes", type=int, help="classes of another network")
    _add_set(command, "what no tensor shows, such as align_corners=True")
    command.add_argument(
        "--output", type=Path, help=".keras file; <checkpoint>.keras here by default"
    )


def _add_scribbles(command: argparse.ArgumentParser) -> None:
    _add_data(command, required=True)
    amount = command.add_mutually_exclusive_group()
    amount.add_argument(
        "--fraction",
        type=float,
        default=0.03,
        help="share of the labelled pixels that strokes cover; 0.03 by default",
    )
    amount.add_argument(
        "--points", type=int, help="points in every object, instead of strokes"
    )
    command.add_argument(
        "--width", type=int, default=3, help="of strokes and points; 3 pixels"
    )
    command.add_argument("--seed", type=int, default=0, help="of the random numbers")
    command.add_argument(
        "--output", type=Path, required=True, help="folder for train and val"
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        required=True,
        help="a name under saved_models/, or a .keras or .tflite file",
    )


def _add_views(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tile",
        nargs=2,
        type=int,
        metavar=("HEIGHT", "WIDTH"),
        help="see the image by tiles of this size",
    )
    command.add_argument(
        "--overlap",
        type=int,
        help="pixels that tiles share; by default 192, or half of small tiles",
    )
    command.add_argument(
        "--blend", help="of tiles: none, linear or gaussian; none by default"
    )
    command.add_argument(
        "--scales",
        type=_numbers,
        metavar="FACTOR,...",
        help="average over these sizes of the image, such as 0.5,1,1.5",
    )
    command.add_argument(
        "--flip", action="store_true", help="average over the mirror image, too"
    )
    command.add_argument(
        "--turns", action="store_true", help="average over quarter turns, too"
    )
    command.add_argument("--crf", help="end with a dense CRF, such as deeplabv2")


def _add_data(command: argparse.ArgumentParser, required: bool) -> None:
    command.add_argument("--data", required=required, help="name of a data set")
    _add_set(command, "options of the data set, such as path=photos")


def _add_set(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help=text
    )


def _numbers(text: str) -> list[float]:
    """Reads numbers with commas between them."""
    return [float(number) for number in text.split(",")]
