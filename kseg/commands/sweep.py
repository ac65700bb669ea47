"""`kseg sweep`: a config with every combination of some values."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from kseg.commands.arguments import add_set

HELP = "Train a config with every combination of some values."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument("config", help="a config's name, or the path of a .py file")
    add_set(
        command,
        "values of the config, such as optimizer.learning_rate=1e-3,3e-4 fit.seed=0,1",
        "SECTION.KEY=VALUE,...",
    )
    command.add_argument(
        "--directory",
        type=Path,
        help="where the folders of the runs go; saved_models/<config>_sweep by default",
    )


def run(arguments) -> int:
    """Runs a sweep; returns 1 if a run failed."""
    from kseg.backend import import_backend

    name = Path(arguments.config).stem
    directory = arguments.directory or Path("saved_models") / f"{name}_sweep"
    with _hidden_devices():
        import_backend()
        from kseg.training.results import read_results, table
        from kseg.training.sweep import check_runs, grid, run_sweep

        runs = grid(arguments.set, name)
        check_runs(arguments.config, runs, directory)
    failed = run_sweep(arguments.config, runs, directory)
    finished = [directory / run.name for run in runs if run not in failed]
    if finished:
        print(table(read_results(finished)), end="")
    for each in failed:
        print(f"failed: {each.name}; see {directory / each.name / 'output.log'}")
    return 1 if failed else 0


@contextlib.contextmanager
def _hidden_devices() -> Iterator[None]:
    """Hides accelerators: this process reads configs, its runs need all the memory."""
    variables = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    kept = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
