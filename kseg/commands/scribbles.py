"""`kseg scribbles`: scribbles drawn from full masks."""

import argparse
from pathlib import Path

from kseg.commands.arguments import add_data, read_options

HELP = "Draw scribbles from full masks."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_data(command, required=True)
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


def run(arguments) -> int:
    """Writes a data set whose training masks are scribbles."""
    import numpy as np

    from kseg.data import open_source, write_folder
    from kseg.data.folder_writer import check_split
    from kseg.weak import draw_points, draw_scribbles

    train, val = (
        open_source(arguments.data, split, **read_options(arguments))
        for split in ("train", "val")
    )
    # Drawing takes long; what hinders the second split is told before the first.
    check_split(arguments.output, "train", train.labels)
    check_split(arguments.output, "val", val.labels)
    labels = train.labels
    pixels, drawn = np.zeros((2, labels.ignore_class + 1), int)

    def scribbled(index, image, mask):
        common = (labels.ignore_class, arguments.width)
        seed = (arguments.seed, index)
        if (mask == labels.ignore_class).all():
            return mask
        if arguments.points is not None:
            result = draw_points(mask, arguments.points, *common, seed=seed)
        else:
            result = draw_scribbles(mask, arguments.fraction, *common, seed=seed)
        for counts, ids in ((pixels, mask), (drawn, result)):
            counts += np.bincount(ids.ravel(), minlength=len(counts))
        return result

    write_folder(arguments.output, "train", train, scribbled)
    write_folder(arguments.output, "val", val)
    print(f"{'class':<16} {'pixels':>12} {'labelled':>9}")
    rows = zip(labels.names, pixels.tolist(), drawn.tolist(), strict=False)
    total = "all", int(pixels[:-1].sum()), int(drawn[:-1].sum())
    for name, number, labelled in (*rows, total):
        print(f"{name:<16} {number:>12} {labelled / max(number, 1):>9.2%}")
    print(
        f"\n{arguments.output} has scribbles in train and full masks in val. Train on "
        f"it:\n  kseg train CONFIG --set data.name=folder data.path={arguments.output}"
        "\nand add weak.rounds=3 to spread the scribbles too, as ScribbleSup does."
    )
    return 0
