"""A training step of kseg, on TensorFlow and JAX, beside one in PyTorch.

    python benchmarks/training_step.py [--networks unet_resnet34] [--size 256 256]
        [--batch 4] [--bf16] [--quick] [--json PATH] [--jax-python PATH]
        [--peak-tflops 0.33]

The same networks, of segmentation_models.pytorch and torchvision, on both sides, with
as many weights (checked), the same shapes, cross-entropy with void left out, and SGD
with momentum. kseg trains as `kseg train` does, by `fit` of the compiled model on uint8
images, with its metrics, its guard against losses that are not finite, and a batch that
is always there. PyTorch gets images that are float already and counts no metrics, in a
plain loop with channels first and last in memory, and compiled. Ratios are to the
faster of the two plain ones: above 1 is faster. Ways take turns, each in a process of
its own (`interleaved.py`), which is left out where its framework is missing. The two
first steps have the compilation in them. Memory is that of the GPU where there is one,
and of the process otherwise. The operations of a step are three times those forward,
which PyTorch counts in convolutions and matrix products; with `--peak-tflops` the share
of the machine's peak is told.
"""

import argparse
import itertools
import math
from pathlib import Path

import interleaved
from interleaved import Measured, Way
from training_step_workers import start

# By name: arguments of `kseg.build`, and those of `torch_networks.build`.
NETWORKS = {
    "deeplabv3plus_resnet50": (
        {"name": "smp_deeplabv3plus", "backbone": "resnet50_torch"},
        ("smp", "DeepLabV3Plus", "resnet50"),
    ),
    "deeplabv3plus_mobilenet_v2": (
        {"name": "smp_deeplabv3plus", "backbone": "mobilenet_v2"},
        ("smp", "DeepLabV3Plus", "mobilenet_v2"),
    ),
    "unet_resnet34": (
        {"name": "smp_unet", "backbone": "resnet34_torch"},
        ("smp", "Unet", "resnet34"),
    ),
    "pspnet_resnet50": (
        {"name": "smp_pspnet", "backbone": "resnet50_torch"},
        ("smp", "PSPNet", "resnet50"),
    ),
    "deeplabv3_resnet50": (
        {
            "name": "deeplabv3",
            "backbone": "resnet50_torch",
            "head": "torchvision",
            "output_stride": 8,
        },
        ("torchvision", "deeplabv3", "resnet50"),
    ),
}
# By what tables call them: the framework, its options, and variables.
WAYS = {
    "kseg, TensorFlow": ("kseg", {}, {"KERAS_BACKEND": "tensorflow"}),
    "kseg, TensorFlow, XLA": (
        "kseg",
        {"xla": True},
        {"KERAS_BACKEND": "tensorflow"},
    ),
    "kseg, JAX": (
        "kseg",
        {},
        # On a GPU JAX would take the memory that the others need.
        {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
    ),
    "torch": ("torch", {}, {}),
    "torch, channels last": ("torch", {"channels_last": True}, {}),
    "torch.compile": ("torch", {"channels_last": True, "compiled": True}, {}),
}
# On processors XLA has slow convolutions, and TensorFlow's own are better.
USUAL = [name for name in WAYS if name != "kseg, TensorFlow, XLA"]
# The faster of these is what the others are compared with.
PLAIN = ("torch", "torch, channels last")


def ways(arguments, network: str) -> list[Way]:
    """Returns the ways that are wanted."""
    ours, theirs = NETWORKS[network]
    common = {
        "size": arguments.size,
        "batch": arguments.batch,
        "bf16": arguments.bf16,
    }
    made = []
    for name in arguments.ways:
        framework, options, environment = WAYS[name]
        built = {"network": ours if framework == "kseg" else theirs}
        python = {"python": arguments.jax_python} if name == "kseg, JAX" else {}
        options = {"framework": framework, **built, **common, **options}
        made.append(Way(name, options, environment, **python))
    return made


def check(measured: list[Measured]) -> None:
    """Stops unless all have as many weights, which makes their times comparable."""
    weights = {one.name: one.facts["weights"] for one in measured}
    if len(set(weights.values())) > 1:
        raise SystemExit(f"The networks differ: {weights}.")


def rows(network: str, measured: list[Measured], batch: int, peak: float | None):
    """Yields the rows of a network in the table."""
    plain = [one for one in measured if one.name in PLAIN]
    reference = min(plain, key=lambda one: one.median, default=None)
    for one in measured:
        memory = one.facts.get("device_bytes") or one.peak_bytes or math.nan
        row = [
            f"{network}, {one.name}",
            f"{batch / one.median:.2f}",
            f"{reference.median / one.median:.2f}" if reference else "",
            f"{one.first:.1f}",
            f"{memory / 2**20:.0f}",
            f"{one.facts['weights'] / 1e6:.2f}",
        ]
        if reference:
            pace = reference.facts["operations"] / one.median / 1e12
            row.append(f"{pace:.3g}")
            row += [f"{100 * pace / peak:.0f}"] if peak else []
        yield row


def arguments_of_command_line() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=[*NETWORKS])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=USUAL)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--bf16", action="store_true", help="in mixed precision")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=3, help="steps of a turn")
    parser.add_argument("--quick", action="store_true", help="a minute, one network")
    parser.add_argument("--peak-tflops", type=float, help="of the machine")
    venv = Path(__file__).parents[1] / ".venv-jax"
    parser.add_argument("--jax-python", default=str(venv / "bin" / "python"))
    parser.add_argument("--json", type=Path, help="where to write what was measured")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.networks = ["deeplabv3plus_mobilenet_v2"]
        arguments.ways = ["kseg, TensorFlow", *PLAIN]
        arguments.size, arguments.batch, arguments.rounds = (128, 128), 2, 3
    return arguments


def main() -> None:
    """Prints a table, and writes what was measured."""
    arguments = arguments_of_command_line()
    header = ["network, way", "images/s", "ratio", "two first steps, s", "memory, MiB"]
    header += ["weights, M", "TFLOP/s"]
    header += ["share of peak, %"] if arguments.peak_tflops else []
    lines, found, left_out = [], {}, {}
    turns = arguments.rounds, arguments.repetitions
    for network in arguments.networks:
        measured, missing = interleaved.compare(
            __file__, ways(arguments, network), *turns, settle=0
        )
        check(measured)
        lines += rows(network, measured, arguments.batch, arguments.peak_tflops)
        found[network], left_out = measured, left_out | missing
    height, width = arguments.size
    precision = "mixed bfloat16" if arguments.bf16 else "float32"
    print(f"Batches of {arguments.batch}, {height}x{width}, {precision}.\n")
    print(interleaved.table(header, lines))
    print(interleaved.footnotes(itertools.chain(*found.values()), left_out))
    if arguments.json:
        interleaved.write(arguments.json, vars(arguments), found, left_out)


if __name__ == "__main__":
    interleaved.work(start) if interleaved.is_worker() else main()
