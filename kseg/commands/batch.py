"""`kseg batch`: masks of many images, on many machines."""

import argparse
import sys

from kseg.commands.arguments import add_beam, add_model, add_views, read_views

HELP = "Segment many images by Apache Beam; goes on where it was stopped."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_model(command)
    command.add_argument(
        "images",
        help="a folder, a pattern such as 'photos/**.jpg', or a .txt file that names "
        "one image a line",
    )
    command.add_argument("--output", required=True, help="folder for masks")
    command.add_argument(
        "--root", help="folder below which masks keep the places of their images"
    )
    add_views(command)
    add_beam(command)


def run(arguments) -> int:
    """Writes the masks of images that have none."""
    from kseg.batch.start import predict_batch

    counts = predict_batch(
        arguments.model,
        arguments.images,
        arguments.output,
        arguments.root,
        read_views(arguments),
        arguments.beam_options,
    )
    print(
        f"{counts.written} masks are new in {arguments.output}, {counts.skipped} were "
        "there"
    )
    if counts.failed:
        print(
            f"kseg: {counts.failed} images failed; {arguments.output}/failures.jsonl "
            "says why",
            file=sys.stderr,
        )
    return 2 if counts.failed else 0
