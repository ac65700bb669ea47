"""`kseg doctor`: what is installed, what a run is on, and whether a config learns."""

import argparse

from kseg.backend import import_backend
from kseg.commands.arguments import add_set

HELP = "Check the installation and the devices; with --config, whether it can learn."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "--config", help="a config that must know a few images by heart, or its path"
    )
    text = "replace values of the config, such as data.batch_size=4"
    add_set(command, text, "SECTION.KEY=VALUE")
    command.add_argument(
        "--images", type=int, default=8, help="how many images; 8 by default"
    )
    command.add_argument(
        "--passes", type=int, default=100, help="most passes over them; 100 by default"
    )


def run(arguments) -> int:
    """Prints what was found; 1 if something is wrong."""
    from kseg.installation import report

    text, good = report()
    print(text)
    if not arguments.config:
        if arguments.set:
            raise ValueError("--set replaces values of a config: give --config too.")
        return 0 if good else 1
    import_backend()
    from kseg.training.experiment import load_experiment
    from kseg.training.overfit import TARGET, overfit, verdict

    _, experiment = load_experiment(arguments.config)
    experiment.replace(arguments.set)
    scores = overfit(experiment, arguments.images, arguments.passes)
    print(verdict(scores))
    return (
        0 if good and min(scores["mean_iou"], 2 * scores["predicted"]) >= TARGET else 1
    )
