"""`kseg evaluate`: the scores of a model on a data set."""

import argparse
from pathlib import Path

from kseg.commands.arguments import (
    add_data,
    add_model,
    add_views,
    describe_views,
    open_data,
    open_model,
    read_options,
    read_views,
)

HELP = "Score a model on a data set."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_model(command)
    add_data(command, required=True)
    add_views(command)
    command.add_argument("--split", default="val", help="which part; val by default")
    command.add_argument(
        "--output", type=Path, help="JSON file for the scores, as `kseg compare` wants"
    )
    command.add_argument(
        "--require",
        nargs="+",
        action="extend",
        default=[],
        metavar="SCORE=VALUE",
        help="end with code 1 below these, such as mean_iou=0.7 class_iou.car=0.8",
    )


def run(arguments) -> int:
    """Scores a model on a data set; returns 1 where a required score is missed."""
    from kseg.files import write_json
    from kseg.inference import predict, score_record, score_table
    from kseg.inference.evaluate import collect
    from kseg.inference.record import missed

    views = read_views(arguments)
    required = read_required(arguments.require)
    path, model, labels = open_model(arguments.model)
    source = open_data(arguments, arguments.split, labels)
    names = [source.name(index) for index in range(len(source))]
    collected = collect(
        lambda image: predict(model, image, **views),
        (source[index] for index in range(len(source))),
        source.labels,
        len(source),
        names,
    )
    record = {
        "model": str(path),
        "data": {
            "name": arguments.data,
            "split": arguments.split,
            "options": read_options(arguments),
        },
        "protocol": describe_protocol(model, views, source.labels.ignore_class),
        **score_record(collected, names),
    }
    print(score_table(record))
    print("\n".join(f"{key}: {text}" for key, text in record["protocol"].items()))
    if arguments.output:
        write_json(arguments.output, record)
    lines = missed(record, required)
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines else 0


def read_required(texts: list[str]) -> dict[str, float]:
    """Reads `score=value` of the command line."""
    found = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            found[key] = float(value)
        except ValueError:
            raise ValueError(
                f"A score is required as mean_iou=0.7. Received: {text!r}."
            ) from None
    return found


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
