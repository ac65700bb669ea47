"""What native dilation saves: files of one size beside a file of any size.

    python benchmarks/native_dilation.py

The converter writes a dilated depthwise convolution as one operator where it knows the
size of the image, which `kseg.export.export_litert` tells it, and otherwise moves
pixels into the batch and back, by `SPACE_TO_BATCH_ND` and `BATCH_TO_SPACE_ND`. Both
files of the shipped CamVid model in float32 run in turn on one image of 360x480, the
second resized to it; times are medians. Their logits are compared.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import kseg
from kseg.export import export_litert, operators
from kseg.export.saved_model import SIGNATURE, write_signature

SIZE = (360, 480)


def main() -> None:
    """Prints what is in the files, how long they run, and how far they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    model = kseg.load("camvid_deeplabv3plus_mobilenet_v2")
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "one size": export_litert(model, Path(folder, "one.tflite"), SIZE),
            "any size": any_size(model, Path(folder)),
        }
        for name, path in paths.items():
            print(f"{name}: {path.stat().st_size / 1000:.0f} kB, {operators(path)}")
        for threads in (1, 2):
            measure(paths, threads, rounds)


def any_size(model, folder: Path) -> Path:
    """Writes the file that takes images of any size."""

    def serve(image):
        return {"logits": model(image, training=False)}

    saved, path = folder / "saved_model", folder / "any.tflite"
    write_signature(model, serve, (None, None, None, 3), saved)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved), [SIGNATURE])
    path.write_bytes(converter.convert())
    return path


def measure(paths: dict[str, Path], threads: int, rounds: int) -> None:
    """Runs both files in turn, and prints times and the largest difference."""
    image = np.random.default_rng(0).uniform(0, 255, (1, *SIZE, 3)).astype("float32")
    loaded, times, logits = {}, {name: [] for name in paths}, {}
    for name, path in paths.items():
        loaded[name] = Interpreter(str(path), num_threads=threads)
        index = loaded[name].get_input_details()[0]["index"]
        loaded[name].resize_tensor_input(index, image.shape)
        loaded[name].allocate_tensors()
    for _ in range(rounds + 1):
        for name, file in loaded.items():
            file.set_tensor(file.get_input_details()[0]["index"], image)
            start = time.perf_counter()
            file.invoke()
            times[name].append(1000 * (time.perf_counter() - start))
            logits[name] = file.get_tensor(file.get_output_details()[0]["index"])
    for name in paths:
        print(f"{name}, {threads} threads: {np.median(times[name][1:]):.1f} ms")
    one, other = logits.values()
    print(f"largest difference {np.abs(one - other).max():.2g} of {np.ptp(one):.3g}")


if __name__ == "__main__":
    main()
