"""`kseg lr-find`: the learning rates that a config can take."""

import argparse

from kseg.commands.arguments import add_config

HELP = "Find the learning rate at which a config's loss falls fastest."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_config(command)
    command.add_argument(
        "--first", type=float, default=1e-6, help="lowest rate; 1e-6 by default"
    )
    command.add_argument(
        "--last", type=float, default=1.0, help="highest rate; 1 by default"
    )
    command.add_argument(
        "--steps", type=int, default=100, help="batches, one a rate; 100 by default"
    )


def run(arguments) -> int:
    """Prints the loss at each rate, and the rate where it falls fastest."""
    from kseg.training.experiment import load_experiment
    from kseg.training.lr_find import chart, find_rates, steepest

    _, experiment = load_experiment(arguments.config)
    experiment.replace(arguments.set)
    rates, losses = find_rates(
        experiment, arguments.first, arguments.last, arguments.steps
    )
    print(f"     rate      loss\n{chart(rates, losses)}")
    rate = steepest(rates, losses)
    print(
        f"The loss falls fastest at {rate:.2g}: try "
        f"--set optimizer.learning_rate={rate:.1g}. This config has "
        f"{experiment.optimizer.get('learning_rate', 0.01):g}."
    )
    return 0
