"""`kseg bench-data`: images per second of the data and of the model."""

import argparse

from kseg.commands.arguments import add_config

HELP = "Measure how fast a config reads, augments and learns."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_config(command)
    command.add_argument(
        "--seconds", type=float, default=10.0, help="time for each part; 10 by default"
    )


def run(arguments) -> int:
    """Prints the rates, and which part is the limit."""
    from kseg.training.experiment import load_experiment
    from kseg.training.throughput import throughput, verdict

    _, experiment = load_experiment(arguments.config)
    experiment.replace(arguments.set)
    rates = throughput(experiment, arguments.seconds)
    kept = f"{rates['kept']:.0%} of the pictures in memory"
    for part, what in (
        ("read", "pictures and masks read and decoded by one thread"),
        ("feed", f"augmented and batched on all cores, {kept}"),
        ("model", "trained on, where a batch is always there"),
    ):
        print(f"{part:<6} {rates[part]:>9.1f} images/s  {what}")
    print(verdict(rates))
    return 0
