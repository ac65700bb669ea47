"""Arguments that several subcommands take, and what they say."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def add_model(command: argparse.ArgumentParser) -> None:
    """Adds `--model`."""
    command.add_argument(
        "--model",
        required=True,
        help="a name under saved_models/, a .keras, .tflite or .onnx file, or a "
        "SavedModel",
    )


def add_size(command: argparse.ArgumentParser, text: str) -> None:
    """Adds `--size`, with what it is the size of."""
    command.add_argument(
        "--size",
        nargs=2,
        type=int,
        metavar=("HEIGHT", "WIDTH"),
        help=f"{text}; that of training by default",
    )


def read_size(arguments, path: Path) -> tuple[int, int]:
    """Returns the size that `--size` says, or else what lies beside a model."""
    from kseg.models import read_info

    size = arguments.size or read_info(path).get("input_size")
    if size is None:
        raise ValueError(f"Nothing says the size of {path}. Give --size HEIGHT WIDTH.")
    return tuple(size)


def check_unused(arguments, names: Iterable[str], rule: str) -> None:
    """Raises if an option is given where it is of no use.

    Args:
        arguments: Of the command line.
        names: The options; `None`, `False` or an empty list is one that is not given.
        rule: What the message says of the option.

    Raises:
        ValueError: If so.
    """
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value is not False and value != []:
            raise ValueError(f"--{name.replace('_', '-')} {rule}")


def add_beam(command: argparse.ArgumentParser, text: str = "") -> None:
    """Adds `--beam-options`, with what else they do."""
    command.add_argument(
        "--beam-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help=f"where and how Beam runs, such as runner=FlinkRunner{text}",
    )


def add_data(command: argparse.ArgumentParser, required: bool) -> None:
    """Adds `--data` and the options of a data set."""
    command.add_argument("--data", required=required, help="name of a data set")
    add_set(command, "options of the data set, such as path=photos")


def add_config(command: argparse.ArgumentParser) -> None:
    """Adds a config, and `--set` for values of it."""
    command.add_argument("config", help="a config's name, or the path of a .py file")
    text = "replace values of the config, such as data.batch_size=4"
    add_set(command, text, "SECTION.KEY=VALUE")


def add_set(
    command: argparse.ArgumentParser, text: str, metavar: str = "KEY=VALUE"
) -> None:
    """Adds `--set`, with what it is for."""
    command.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar=metavar, help=text
    )


def add_views(command: argparse.ArgumentParser) -> None:
    """Adds the options of `kseg.predict`."""
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


def add_judged(command: argparse.ArgumentParser) -> None:
    """Adds a model, the data that it is judged on, and how it sees that."""
    add_model(command)
    add_data(command, required=True)
    add_views(command)
    command.add_argument("--split", default="val", help="which part; val by default")


def add_limits(command: argparse.ArgumentParser, option: str, text: str) -> None:
    """Adds an option of scores, with what it is for."""
    command.add_argument(
        option, nargs="+", action="extend", default=[], metavar="SCORE=VALUE", help=text
    )


def read_limits(texts: list[str]) -> dict[str, float]:
    """Returns the values of an option of scores."""
    found = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            found[key] = float(value)
        except ValueError:
            raise ValueError(
                f"Scores are given as mean_iou=0.7. Received: {text!r}."
            ) from None
    return found


def exit_code(record: dict, least: dict[str, float]) -> int:
    """Prints the scores that are below what is required; returns 1 if any is."""
    from kseg.inference.record import missed

    lines = missed(record, least)
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


def _numbers(text: str) -> list[float]:
    """Reads numbers with commas between them."""
    return [float(number) for number in text.split(",")]


def read_views(arguments) -> dict:
    """Returns the options of `kseg.predict` that the command line has."""
    names = ("tile", "overlap", "blend", "scales", "flip", "turns", "crf")
    views = {name: getattr(arguments, name) for name in names}
    views = {k: v for k, v in views.items() if v is not None and v is not False}
    if "tile" not in views and not views.keys().isdisjoint(("overlap", "blend")):
        raise ValueError(
            "--overlap and --blend say how tiles lie. Received: no --tile. Give "
            "--tile HEIGHT WIDTH."
        )
    return views


def describe_views(model, views: dict) -> str:
    """Words how predictions were made."""
    from kseg.inference.one_pass import fixed_size
    from kseg.inference.tiling import default_overlap

    height, width = fixed_size(model)
    if "tile" not in views and height is not None:
        parts = [f"images resized to {height}x{width}"]
    else:
        scales = " ".join(f"{scale:g}" for scale in views.get("scales", [1.0]))
        parts = [f"images at scale {scales}"]
    if "tile" in views:
        height, width = views["tile"]
        overlap = views.get("overlap", default_overlap(model, views["tile"]))
        parts.append(
            f"tiles of {height}x{width}, overlap {overlap}, "
            f"blend {views.get('blend', 'none')}"
        )
    else:
        parts.append("seen whole")
    parts += ["mirrored too"] * ("flip" in views) + ["turned too"] * ("turns" in views)
    parts += [f"CRF {views['crf']}"] if "crf" in views else []
    return ", ".join(parts)


def describe_protocol(model, views: dict, ignore_class: int) -> dict[str, str]:
    """Words how scores come about."""
    from kseg.inference.record import LEVEL, SAMPLES

    share = f"{100 * LEVEL:.0f} %"
    return {
        "predictions": describe_views(model, views),
        "masks": f"at their own size, {ignore_class} is void and counts nowhere",
        "means": "over classes that are in a mask or a prediction",
        "boundary F1": "within 0.75 % of an image's diagonal, mean over images",
        "boundary IoU": "in bands of 2 % of an image's diagonal",
        "bounds": f"{share} of {SAMPLES} samples of the images with replacement",
    }


def open_model(name: str):
    """Returns the path, the model, which `kseg.predict` runs, and the classes."""
    from kseg import export, models
    from kseg.labels import Labels

    path = models.find(name)
    if path.suffix == ".tflite":
        model = export.LiteRTModel(path)
        return path, model, model.labels
    if path.suffix == ".onnx" or models.is_saved_model(path):
        info = models.read_info(path)
        labels = Labels.from_dict(info["labels"]) if info else None
        opened = export.open_onnx if path.suffix == ".onnx" else export.open_saved_model
        model = opened(path, labels)
        return path, model, model.labels
    from kseg.inference.one_pass import count_classes

    model = models.load(path)
    return path, model, models.read_labels(path, count_classes(model))


def read_options(arguments) -> dict:
    """Returns what `--set` says."""
    from kseg.training.experiment import literal

    options = {}
    for text in arguments.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes key=value. Received: {text!r}.")
        options[key] = literal(value)
    return options


def open_data(arguments, split: str, labels):
    """Opens the data set of the command line, whose classes must be the model's."""
    from kseg.data import open_source

    source = open_source(arguments.data, split, **read_options(arguments))
    found = source.labels
    if found.num_classes != labels.num_classes:
        raise ValueError(
            "The data must have the model's classes. Received: "
            f"{found.num_classes} classes in {arguments.data!r} and "
            f"{labels.num_classes} in {arguments.model!r}."
        )
    named = not (found.are_numbered or labels.are_numbered)
    if named and found.names != labels.names:
        raise ValueError(
            "The data must have the model's classes in the model's order. Received: "
            f"{list(found.names)} in {arguments.data!r} and {list(labels.names)} in "
            f"{arguments.model!r}. Reorder the classes of the data, or, if they mean "
            "the same, rename them there or in the .json beside the model."
        )
    return source
