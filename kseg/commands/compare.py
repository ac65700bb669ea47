"""`kseg compare`: two models by what `kseg evaluate` wrote of them."""

import argparse
from pathlib import Path

from kseg.commands.arguments import add_limits, exit_code, read_limits

HELP = "Compare two models that were scored on the same images."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    for name in ("first", "second"):
        command.add_argument(
            name, type=Path, help="what `kseg evaluate --output` wrote"
        )
    command.add_argument("--output", type=Path, help="JSON file for the differences")
    command.add_argument(
        "--images", type=int, default=5, help="how many changed images to list; 5"
    )
    add_limits(
        command,
        "--max-drop",
        "end with code 1 where the second is lower by more, such as "
        "mean_iou=0.005 class_iou.car=0.01",
    )


def run(arguments) -> int:
    """Compares; returns 1 where the second model is worse than allowed."""
    from kseg.files import write_json
    from kseg.inference.record import (
        compare_records,
        comparison_table,
        read_record,
        score_of,
    )

    allowed = read_limits(arguments.max_drop)
    first, second = read_record(arguments.first), read_record(arguments.second)
    result = compare_records(first, second)
    print(f"first: {first.get('model')}, second: {second.get('model')}")
    for key, text in first.get("protocol", {}).items():
        other = second.get("protocol", {}).get(key)
        if other != text:
            print(f"scored otherwise, {key}: {text}; {other}")
    print(comparison_table(result))
    for row in result["per_image"][: arguments.images]:
        print(
            f"{row['name']}: mean IoU {100 * row['first']:.2f}, then "
            f"{100 * row['second']:.2f}"
        )
    if arguments.output:
        write_json(arguments.output, result)
    least = {key: score_of(first, key) - drop for key, drop in allowed.items()}
    return exit_code(second, least)
