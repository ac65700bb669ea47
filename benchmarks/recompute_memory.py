"""The memory of a training step with activations that are kept, and computed again.

    python benchmarks/recompute_memory.py

DeepLab v3+ on MobileNetV2 and a U-Net, Adam, float32. The memory is the most that was
resident in a process of its own, less what a step on the least image left; times are
medians of the steps after the first. On JAX (`KERAS_BACKEND=jax`) it is the same.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median

NETWORKS = {
    "deeplabv3plus": {"backbone": "mobilenet_v2", "num_classes": 19},
    "unet": {"filters": 32, "num_classes": 19},
}
STEPS = 4


def peak() -> float:
    """Returns the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, size: int, batch: int, recompute: bool) -> dict[str, float]:
    """Trains for some steps, and returns the memory in MB and the seconds of a step."""
    import keras
    import numpy as np

    import kseg
    from kseg.training.devices import all_devices
    from kseg.training.recompute import recomputed

    with all_devices():
        network = kseg.build(name, **NETWORKS[name])
        trained = keras.Model(network.inputs[0], network.outputs[0])
        if recompute:
            trained = recomputed(trained)
        jit = keras.backend.backend() == "jax"
        trained.compile("adam", kseg.losses.CrossEntropy(), jit_compile=jit)
        seconds = []
        for side in (64, *[size] * STEPS):
            images = np.zeros((batch, side, side, 3), np.uint8)
            masks = np.zeros((batch, side, side), np.uint8)
            begun = time.perf_counter()
            trained.train_on_batch(images, masks)
            seconds.append(time.perf_counter() - begun)
            if side == 64:
                before = peak()
    return {"memory": peak() - before, "seconds": median(seconds[2:])}


def main() -> None:
    """Prints a table; or, for one process, one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "RECOMPUTE"))
    arguments = parser.parse_args()
    size, batch = arguments.size, arguments.batch
    if arguments.one:
        name, recompute = arguments.one
        print(json.dumps(measure(name, size, batch, recompute == "True")))
        return
    print(f"batch {batch} of {size}x{size}")
    print("| network | kept, MB | computed again, MB | memory | time |")
    print("| --- | --: | --: | --: | --: |")
    for name in NETWORKS:
        kept, again = (
            json.loads(
                subprocess.run(
                    [sys.executable, __file__, "--one", name, str(recompute),
                     "--size", str(size), "--batch", str(batch)],
                    check=True, capture_output=True, text=True,
                ).stdout.splitlines()[-1]
            )
            for recompute in (False, True)
        )  # fmt: skip
        print(
            f"| {name} | {kept['memory']:.0f} | {again['memory']:.0f} | "
            f"{again['memory'] / kept['memory']:.2f} | "
            f"{again['seconds'] / kept['seconds']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
