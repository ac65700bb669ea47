"""`kseg list`: what can be named."""

import argparse

HELP = "List networks, backbones, data sets, configs and models."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds nothing: the command takes no arguments."""


def run(arguments) -> int:
    """Prints what can be named: networks, backbones, data sets, configs, models."""
    from kseg import backbones, data, networks
    from kseg.models import names as models
    from kseg.training.experiment import config_names

    for title, names in (
        ("networks", networks.names()),
        ("backbones", backbones.names()),
        ("data sets", data.names()),
        ("configs", config_names()),
        ("models", models()),
    ):
        print(f"{title:<10} {' '.join(names)}")
    return 0
