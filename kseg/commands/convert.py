"""`kseg convert`: a model of a checkpoint of PyTorch."""

import argparse
import collections
from collections.abc import Sequence
from pathlib import Path

from kseg.commands.arguments import add_set, read_options

HELP = "Make a model of a checkpoint of PyTorch."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    command.add_argument(
        "checkpoint", type=Path, help="a .pth, .pt, .bin or .safetensors file"
    )
    command.add_argument(
        "--from",
        dest="source",
        required=True,
        help="whose network it is: torchvision, smp, hrnet, mmseg or "
        "huggingface-segformer",
    )
    command.add_argument(
        "--network", help="another network, which takes the checkpoint's backbone"
    )
    command.add_argument("--num-classes", type=int, help="classes of another network")
    add_set(command, "what no tensor shows, such as align_corners=True")
    command.add_argument(
        "--output", type=Path, help=".keras file; <checkpoint>.keras here by default"
    )


def run(arguments) -> int:
    """Makes a model of a checkpoint of PyTorch."""
    from kseg.convert import from_pytorch, save

    output = arguments.output or Path(f"{arguments.checkpoint.stem}.keras")
    if output.suffix != ".keras":
        raise ValueError(f"--output must be a .keras file. Received: {output}.")
    conversion = from_pytorch(
        arguments.checkpoint,
        arguments.source,
        arguments.network,
        arguments.num_classes,
        read_options(arguments),
    )
    save(conversion, output)
    print(", ".join(f"{key}={value}" for key, value in conversion.network.items()))
    if conversion.left_out:
        print(f"left out: {_groups(conversion.left_out)}")
    if conversion.new:
        print(f"starts anew: {', '.join(conversion.new)}")
    print(f"classes: {', '.join(conversion.labels.names)}")
    print(f"written to {output}, with its classes in the .json beside it")
    return 0


def _groups(tensors: Sequence[str]) -> str:
    """Counts tensors by the beginnings of their names, or as counters of batches."""
    counts = collections.Counter(
        "num_batches_tracked"
        if tensor.endswith(".num_batches_tracked")
        else tensor.split(".")[0]
        for tensor in tensors
    )
    return ", ".join(f"{name} ({count})" for name, count in counts.items())
