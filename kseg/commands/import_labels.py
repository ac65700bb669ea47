"""`kseg import`: data of a label tool as a data set, and masks back to a tool."""

import argparse
from pathlib import Path

HELP = "Turn the files of a label tool into a data set, or masks into such files."

_SOURCES = ("labelme", "cvat", "coco", "yolo", "supervisely", "masks", "folder")
# Options of those that do not take all.
_DRAWN = ("classes", "background", "void", "skip", "overlap")
_TAKES = {
    "yolo": _DRAWN,
    "supervisely": _DRAWN,
    "masks": ("images", "classes", "background"),
    "folder": ("classes", "background"),
}
_TARGETS = ("folder", "labelme", "coco", "yolo")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "source", type=Path, help="folder or file that the tool exported, or of masks"
    )
    command.add_argument(
        "--from",
        dest="tool",
        required=True,
        choices=_SOURCES,
        help="what it is; masks are those of kseg predict",
    )
    command.add_argument(
        "--to", default="folder", choices=_TARGETS, help="what to write; a folder"
    )
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    command.add_argument(
        "--images", type=Path, help="folder of the images, if it is another"
    )
    command.add_argument(
        "--classes",
        type=_names,
        metavar="NAME,...",
        help="the classes in the order of their ids, or a JSON file that has them, as "
        "beside a model; by default as the files say",
    )
    command.add_argument(
        "--background",
        help="class of pixels that nothing covers; 'none' makes them void; background "
        "by default",
    )
    command.add_argument(
        "--void", type=_names, metavar="NAME,...", help="labels that count nothing"
    )
    command.add_argument(
        "--skip", type=_names, metavar="NAME,...", help="labels that are not drawn"
    )
    command.add_argument("--overlap", help="of objects: last, small or void")
    command.add_argument(
        "--split",
        help="write one split of this name: that of the source, or all where it has "
        "none; by default all splits of the source",
    )
    command.add_argument(
        "--simplify",
        type=float,
        metavar="PIXELS",
        help="how far outlines that are written may be away; 0, exact, by default",
    )


def _names(text: str) -> list[str]:
    """Reads names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def run(arguments) -> int:
    """Reads labels and writes them in another form."""
    from kseg.data.label_tools.imports import all_or_nothing, open_splits, write
    from kseg.data.label_tools.views import Tally

    _check_target(arguments)
    options = _options(arguments)
    found = open_splits(arguments.tool, arguments.source, arguments.split, options)
    lines = []
    with all_or_nothing(arguments.output):
        for split, source in found.items():
            tally = Tally(source)
            objects = write(
                arguments.to,
                arguments.output,
                split,
                tally,
                arguments.simplify or 0.0,
                options.get("background", "background"),
            )
            read = "" if tally.objects is None else f", {tally.objects} objects read"
            drawn = "" if objects is None else f", {objects} objects written"
            lines.append(f"{split or 'all'}: {len(source)} images{read}{drawn}")
            lines += [
                f"  {n:<20} {p:>12} {share:>8.2%}" for n, p, share in tally.rows()
            ]
    print(*lines, f"written to {arguments.output}, as {arguments.to}", sep="\n")
    return 0


def _check_target(arguments) -> None:
    """Raises if an option says how objects are drawn, and masks are written."""
    given = ["--simplify"] if arguments.simplify is not None else []
    if arguments.background is not None and arguments.tool in ("masks", "folder"):
        given.append("--background")
    if given and arguments.to == "folder":
        raise ValueError(
            f"{' and '.join(given)} must be of outlines. Received: --from "
            f"{arguments.tool} --to folder, which writes masks as they are. Leave it "
            "out, or say --to labelme, coco or yolo."
        )


def _options(arguments) -> dict:
    """Returns the arguments of the reader that the command line has."""
    from kseg.data.label_tools.imports import read_classes

    names = ("images", "classes", "background", "void", "skip", "overlap")
    given = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    taken = _TAKES.get(arguments.tool, names)
    for name in given:
        if name not in taken:
            raise ValueError(
                f"--from {arguments.tool} takes {', '.join(f'--{n}' for n in taken)}. "
                f"Received: --{name}."
            )
    classes = given.get("classes", [])
    if len(classes) == 1 and classes[0].endswith(".json"):
        given["classes"] = list(read_classes(Path(classes[0])).names)
    if given.get("background") == "none":
        given["background"] = None
    return given
