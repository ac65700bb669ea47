"""Trains, evaluates and exports what a config describes.

    python training/run.py <config> [--set section.key=value ...] [--resume]

A config is a name in `training/configs` or the path of a Python file with a
function `config()` that returns an `Experiment`. Results go to
`saved_models/<config>`. An installed kseg runs the same as `kseg train`.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from kseg.backend import import_backend
from kseg.commands.arguments import add_config


def main(argv: list[str] | None = None) -> int:
    """Runs a config.

    Args:
        argv: Arguments of the command line; `None` for the process's.

    Returns:
        The exit code: 0, or 2 for wrong input, which a message explains.
    """
    arguments = parser().parse_args(argv)
    try:
        import_backend()
        from kseg.training.experiment import load_experiment

        name, experiment = load_experiment(arguments.config)
        experiment.replace(arguments.set)
        experiment.check()
        directory = Path(arguments.directory or Path("saved_models") / name)
        run(name, experiment, directory, arguments.resume)
    except (ValueError, OSError, ImportError, ArithmeticError, RuntimeError) as error:
        print(f"kseg: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line; it imports nothing heavy."""
    result = argparse.ArgumentParser(
        prog="kseg train", description="Trains, evaluates and exports a config."
    )
    add_config(result)
    result.add_argument(
        "--resume", action="store_true", help="go on where an earlier run stopped"
    )
    result.add_argument(
        "--directory", help="where results go; saved_models/<config> by default"
    )
    return result


def run(name, experiment, directory: Path, resume: bool = False) -> dict:
    """Trains, evaluates and exports.

    Args:
        name: What the model is called.
        experiment: What to do.
        directory: Where everything goes.
        resume: Whether to go on from what `directory` holds.

    Returns:
        The scores, as `metrics.json` holds them; of several hosts, on the one that
        writes, and nothing on the others.

    Raises:
        ValueError: If the experiment is wrong, or is not for several hosts.
    """
    from kseg.training import devices
    from kseg.training.checkpoints import read_state
    from kseg.training.export import check_options, export
    from kseg.training.fit import fit
    from kseg.training.scribblesup import alternate

    devices.join_hosts()
    weak = experiment.to_dict()["weak"]
    devices.on_one_host(lambda: check_directory(directory, resume, weak))
    check_options(**experiment.export)
    trained = directory
    if experiment.weak:
        devices.check_alone("`weak`")
        model, feeds, trained = alternate(
            experiment, directory, resume, **experiment.weak
        )
    else:
        with devices.one_host_prints():
            model, feeds = fit(experiment, directory, resume, **experiment.fit)
    if not devices.writes():
        return {}
    state = read_state(trained / "run")
    return export(name, experiment, model, feeds, directory, state, **experiment.export)


def check_directory(directory: Path, resume: bool, weak: dict) -> None:
    """Guards an earlier run in a folder, and asks whether it can be written.

    Args:
        directory: Where results go.
        resume: Whether to go on with an earlier run.
        weak: How labels are spread from scribbles, if they are, as JSON has it.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If it holds a run and `resume` is not asked for, or one whose
            labels were made in another way.
    """
    begun = [*directory.glob("run/checkpoint-*"), *directory.glob("rounds/*/labels")]
    if begun:
        if not resume:
            raise ValueError(
                f"{directory} holds a run already. Say --resume to go on with it, "
                "--directory for another place, or delete it."
            )
        record = directory / "experiment.json"
        earlier = {}
        if record.exists():
            earlier = json.loads(record.read_text()).get("weak", {})
        # More rounds can follow.
        same = {**weak, "rounds": 0} == {**earlier, "rounds": 0}
        if bool(weak) != bool(earlier) or not same:
            raise ValueError(
                "A run goes on with the labels that it began with. Received: "
                f"weak={weak}, and {directory}, which began with weak={earlier}. Take "
                "the same, --directory for another place, or delete it."
            )
    existing = next(p for p in (directory, *directory.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OSError(
            f"Results must go to a folder that can be written, not {existing}."
        )


if __name__ == "__main__":
    sys.exit(main())
