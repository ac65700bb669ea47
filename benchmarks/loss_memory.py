"""Memory of a loss on large masks: logits enlarged as a whole, and band by band.

python benchmarks/loss_memory.py [--size 1024 2048] [--strides 4 8] [--batches 1 2]
KERAS_BACKEND=jax python benchmarks/loss_memory.py

Cross-entropy of 19 classes, its value and its gradient to the small logits, compiled.
On TensorFlow the memory is the most that was resident in a process of its own, less
what a call on 32x64 pixels left; on JAX, what XLA sets aside beside the arguments.
Times are medians of calls taken in turns in one process. Values and gradients are
compared.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import keras
import numpy as np

from kseg.layers import ResizeLike
from kseg.losses import CrossEntropy, Resized

CLASSES = 19
WAYS = ("whole", "bands")


def resident() -> float:
    """Returns the most memory that was resident in this process, in megabytes."""
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def make_batch(size, stride, batch):
    """Returns random masks, a tenth of them void, and small logits."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, CLASSES, (batch, *size), np.uint8)
    masks[:, : size[0] // 10] = 255
    small = (batch, size[0] // stride, size[1] // stride, CLASSES)
    return masks, 2 * rng.standard_normal(small, np.float32)


def loss_of(way):
    """Returns the loss as a function of masks and small logits."""
    if way == "bands":
        return Resized(CrossEntropy())
    layer, loss = ResizeLike(dtype="float32"), CrossEntropy()
    return lambda masks, small: loss(masks, layer(small, masks[..., None]))


def compiled(way, masks, small):
    """Returns a function of nothing: to the value and the gradient, once computed."""
    loss = loss_of(way)
    if keras.backend.backend() == "jax":
        import jax

        function = jax.jit(jax.value_and_grad(loss, argnums=1))
        arguments = [jax.numpy.asarray(x) for x in (masks, small)]
        return lambda: jax.block_until_ready(function(*arguments))
    import tensorflow as tf

    @tf.function(autograph=False)
    def function(masks, small):
        with tf.GradientTape() as tape:
            tape.watch(small)
            value = loss(masks, small)
        return value, tape.gradient(value, small)

    arguments = [tf.constant(x) for x in (masks, small)]
    return lambda: [x.numpy() for x in function(*arguments)]


def megabytes(way, *setting):
    """Measures one way; on TensorFlow in a process that has done nothing else."""
    # What the first call takes anyhow, such as threads and kernels.
    compiled(way, *make_batch((32, 64), 4, 1))()
    before = resident()
    masks, small = make_batch(*setting)
    if keras.backend.backend() == "jax":
        import jax

        function = jax.jit(jax.value_and_grad(loss_of(way), argnums=1))
        memory = function.lower(masks, small).compile().memory_analysis()
        return (memory.temp_size_in_bytes + memory.output_size_in_bytes) / 1e6
    compiled(way, masks, small)()
    return resident() - before


def compare(*setting, repeats=5):
    """Returns the ratio of the median times, and the largest difference of results."""
    batch = make_batch(*setting)
    functions = [compiled(way, *batch) for way in WAYS]
    results = [[np.asarray(x) for x in function()] for function in functions]
    seconds = []
    for _ in range(repeats):
        for function in functions:
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    whole, bands = np.median(np.reshape(seconds, (repeats, 2)), axis=0)
    difference = max(
        np.abs(b - a).max() / np.abs(a).max() for a, b in zip(*results, strict=True)
    )
    return bands / whole, difference


def row(size, stride, batch) -> None:
    """Prints a row of the table, each number from a process of its own."""
    setting = [*map(str, (*size, stride, batch))]
    numbers = []
    for task in (*WAYS, "compare"):
        command = [sys.executable, __file__, "--run", task, *setting]
        done = subprocess.run(
            command, check=True, env=os.environ, stdout=subprocess.PIPE, text=True
        )
        numbers += map(float, done.stdout.split())
    whole, bands, ratio, difference = numbers
    print(
        f"| {keras.backend.backend()} | {stride} | {batch} | {whole:.0f} | {bands:.0f} "
        f"| {bands / whole:.2f} | {ratio:.2f} | {difference:.0e} |",
        flush=True,
    )


def main() -> None:
    """Measures all settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 2048))
    parser.add_argument("--strides", type=int, nargs="+", default=(4, 8))
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        task, (height, width, *rest) = arguments.run[0], map(int, arguments.run[1:])
        setting = (height, width), *rest
        if task == "compare":
            print(*compare(*setting))
        else:
            print(megabytes(task, *setting))
        return
    print(
        "| backend | stride | batch | whole, MB | bands, MB | ratio | time | differ |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for stride in arguments.strides:
        for batch in arguments.batches:
            row(arguments.size, stride, batch)


if __name__ == "__main__":
    main()
