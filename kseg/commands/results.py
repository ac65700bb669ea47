"""`kseg results`: a table of runs."""

import argparse
import sys
from pathlib import Path

HELP = "Make a table of the results of runs."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "runs", nargs="+", type=Path, help="folders of runs, such as saved_models/*"
    )
    command.add_argument("--output", type=Path, help="file to write the table to")
    command.add_argument(
        "--format",
        choices=["markdown", "csv"],
        help="by default csv for an --output of that ending, and else markdown",
    )
    command.add_argument(
        "--group",
        action="store_true",
        help="one row for runs that differ only in fit.seed: mean, deviation, number",
    )


def run(arguments) -> int:
    """Prints or writes the table; folders without results are named."""
    from kseg.files import whole_file
    from kseg.training.results import csv_table, group, read_results, table

    folders = [x for x in arguments.runs if (x / "metrics.json").is_file()]
    for path in arguments.runs:
        if path not in folders:
            print(f"{path} holds no metrics.json: passed over", file=sys.stderr)
    if not folders:
        raise ValueError(
            "A table needs one folder or more with the metrics.json of a run. "
            f"Received: {[str(path) for path in arguments.runs]}."
        )
    results = read_results(folders)
    results = group(results) if arguments.group else results
    suffix = arguments.output.suffix if arguments.output else ""
    form = arguments.format or ("csv" if suffix == ".csv" else "markdown")
    text = csv_table(results) if form == "csv" else table(results)
    if arguments.output is None:
        print(text, end="")
        return 0
    with whole_file(arguments.output) as temporary:
        temporary.write_text(text)
    print(f"written to {arguments.output}")
    return 0
