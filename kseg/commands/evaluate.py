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
    read_views,
)

HELP = "Score a model on a data set."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_model(command)
    add_data(command, required=True)
    add_views(command)
    command.add_argument("--split", default="val", help="which part; val by default")
    command.add_argument("--output", type=Path, help="JSON file for the scores")


def run(arguments) -> int:
    """Scores a model on a data set."""
    from kseg.inference import evaluate, predict, score_table

    views = read_views(arguments)
    path, model, labels = open_model(arguments.model)
    source = open_data(arguments, arguments.split, labels)
    examples = (source[i] for i in range(len(source)))
    result = evaluate(
        lambda image: predict(model, image, **views),
        examples,
        source.labels,
        len(source),
    )
    print(score_table(result))
    protocol = describe_views(model, views)
    print(f"of {protocol}")
    if arguments.output:
        from kseg.files import write_json

        about = {"model": str(path), "protocol": protocol}
        write_json(arguments.output, {**about, **result})
    return 0
