"""`kseg report`: a model on a data set as one HTML page."""

import argparse
from pathlib import Path

from kseg.commands.arguments import (
    add_judged,
    describe_protocol,
    open_data,
    open_model,
    read_views,
)

HELP = "Show scores, curves and pictures of a model as an HTML page."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_judged(command)
    command.add_argument(
        "--compare", metavar="OTHER_MODEL", help="another model, on the same images"
    )
    command.add_argument(
        "--images", type=int, default=12, help="how many images to show; 12"
    )
    command.add_argument(
        "--output", type=Path, required=True, help="the HTML file to write"
    )


def run(arguments) -> int:
    """Runs the model or both over the data, and writes the page."""
    from kseg.inference import score_table
    from kseg.inference.predict import check_options
    from kseg.inference.report import judge, read_run_folder, write_report

    output, views = arguments.output, read_views(arguments)
    if arguments.images < 0:
        raise ValueError(f"--images must be 0 or more. Received: {arguments.images}.")
    if output.is_dir():
        raise ValueError(f"--output must be a file. Received: the folder {output}.")
    opened = []
    for name in filter(None, (arguments.model, arguments.compare)):
        path, model, labels = open_model(name)
        check_options(model, **views)
        given = argparse.Namespace(**{**vars(arguments), "model": name})
        opened.append((path, model, open_data(given, arguments.split, labels)))
    output.parent.mkdir(parents=True, exist_ok=True)
    path, _, source = opened[0]
    run_folder = read_run_folder(path)
    models = [
        judge(
            name,
            model,
            source,
            views,
            describe_protocol(model, views, source.labels.ignore_class),
        )
        for name, (_, model, _) in zip(_names(opened), opened, strict=True)
    ]
    data = f"{arguments.data}, {arguments.split}"
    write_report(output, models, source, data, arguments.images, run_folder)
    for model in models:
        print(f"{model.name}\n{score_table(model.record)}")
    print(f"page: {output}")
    return 0


def _names(opened) -> list[str]:
    """Returns what to call models: the name of their file, or else its path."""
    paths = [path for path, *_ in opened]
    names = [
        path.stem if path.is_file() else f"{path.parent.name}/{path.name}"
        for path in paths
    ]
    return names if len(set(names)) == len(names) else list(map(str, paths))
