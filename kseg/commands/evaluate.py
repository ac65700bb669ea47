"""`kseg evaluate`: the scores of a model on a data set."""

import argparse
from pathlib import Path

from kseg.commands.arguments import (
    add_judged,
    add_limits,
    describe_protocol,
    exit_code,
    open_data,
    open_model,
    read_limits,
    read_options,
    read_views,
)

HELP = "Score a model on a data set."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_judged(command)
    command.add_argument(
        "--output", type=Path, help="JSON file for the scores, as `kseg compare` wants"
    )
    text = "end with code 1 below these, such as mean_iou=0.7 class_iou.car=0.8"
    add_limits(command, "--require", text)


def run(arguments) -> int:
    """Scores a model on a data set; returns 1 where a required score is missed."""
    from kseg.files import write_json
    from kseg.inference import predict, score_table
    from kseg.inference.record import score_examples

    views = read_views(arguments)
    required = read_limits(arguments.require)
    path, model, labels = open_model(arguments.model)
    source = open_data(arguments, arguments.split, labels)
    scores = score_examples(lambda image: predict(model, image, **views), source)
    record = {
        "model": str(path),
        "data": {
            "name": arguments.data,
            "split": arguments.split,
            "options": read_options(arguments),
        },
        "protocol": describe_protocol(model, views, source.labels.ignore_class),
        **scores,
    }
    print(score_table(record))
    print("\n".join(f"{key}: {text}" for key, text in record["protocol"].items()))
    if arguments.output:
        write_json(arguments.output, record)
    return exit_code(record, required)
