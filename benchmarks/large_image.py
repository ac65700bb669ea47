"""Prediction from file to file: memory does not grow with the image's area.

python benchmarks/large_image.py [--sides 5000 20000] [--classes 2]

Writes square RGB TIFF files, in tiles and deflated, into a temporary folder, and
segments each with a small U-Net in a process of its own; prints the most memory that
was resident in it, TensorFlow and all, and the seconds.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

TILE = 512


def tiles(side: int) -> Iterator[np.ndarray]:
    """Yields tiles of a few shapes in plain colours, which deflate to little."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (16, 3), np.uint8)
    shapes = rng.integers(0, 16, (16, TILE // 64, TILE // 64))
    shapes = shapes.repeat(64, axis=1).repeat(64, axis=2)
    for number in range((-(-side // TILE)) ** 2):
        yield colors[shapes[number % 16]]


def write_image(path: Path, side: int) -> None:
    """Writes an image tile by tile."""
    tifffile.imwrite(
        path,
        tiles(side),
        shape=(side, side, 3),
        dtype="uint8",
        tile=(TILE, TILE),
        photometric="rgb",
        compression="zlib",
        metadata=None,
    )


def segment(path: Path, output: Path, num_classes: int) -> None:
    """Segments an image, and prints what it took."""
    import kseg
    from kseg.inference import predict_file

    model = kseg.build("unet", num_classes=num_classes, filters=2, depth=2)
    start = time.perf_counter()
    predict_file(model, path, output, tile=(1024, 1024), overlap=64)
    seconds = time.perf_counter() - start
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    with tifffile.TiffFile(output) as file:
        size = "x".join(map(str, file.pages[0].shape))
    print(f"{size}, {num_classes} classes: {most / 1e9:.2f} GB, {seconds:.0f} s")


def main() -> None:
    """Measures all sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=(5000, 20000))
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--run", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        segment(*arguments.run, arguments.classes)
        return
    with tempfile.TemporaryDirectory() as folder:
        for side in arguments.sides:
            image, output = Path(folder, "image.tif"), Path(folder, "ids.tif")
            write_image(image, side)
            command = [sys.executable, __file__, "--classes", str(arguments.classes)]
            subprocess.run(
                [*command, "--run", str(image), str(output)], check=True, env=os.environ
            )


if __name__ == "__main__":
    main()
