"""The `kseg` command; its subcommands are in `kseg.commands`."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from kseg.backend import import_backend

# Name of a subcommand to its module in `kseg.commands`, in the order of the work.
_MODULES = {
    "list": "list",
    "import": "import_labels",
    "check": "check",
    "prepare": "prepare",
    "bench-data": "bench_data",
    "sweep": "sweep",
    "results": "results",
    "evaluate": "evaluate",
    "compare": "compare",
    "report": "report",
    "predict": "predict",
    "batch": "batch",
    "serve": "serve",
    "export": "export",
    "demo": "demo",
    "convert": "convert",
    "scribbles": "scribbles",
    "doctor": "doctor",
    "lr-find": "lr_find",
}

# Of these one runs LiteRT files without any, one says what is missing, one reads JSON
# alone, and one leaves the devices to the runs it starts.
_WITHOUT_BACKEND = ("batch", "doctor", "results", "sweep")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        argv: Arguments of the command line; `None` for the process's.

    Returns:
        The exit code: 0, or 2 for wrong input, which a message explains.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    # File names may hold what the terminal cannot show: no reason to end a run.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if argv[:1] == ["train"]:
        from kseg.training.run import main as train

        return train(argv[1:])
    arguments = _parser().parse_args(argv)
    try:
        if argv[0] not in _WITHOUT_BACKEND:
            import_backend()
        return arguments.run(arguments)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"kseg: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    """Returns the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="kseg",
        description="Semantic segmentation: from images and masks to a checked model.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    train = "Train, evaluate and export a config."
    subparsers.add_parser("train", help=train, description=train)
    for name, module_name in _MODULES.items():
        module = importlib.import_module(f"kseg.commands.{module_name}")
        command = subparsers.add_parser(name, help=module.HELP, description=module.HELP)
        command.set_defaults(run=module.run)
        module.add_arguments(command)
    return parser
