"""What deciding ahead of the last resize costs in score, and saves in time.

    python benchmarks/coarse_class_map.py --path camvid

Exports the shipped CamVid model in float32 and int8, returning class ids decided at the
size of the image and ahead of the last resize, and scores all four files on CamVid's
validation images, of the same size. Then they run in turn on one image; times are
medians.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import kseg
from kseg.data import open_source
from kseg.export import LiteRTModel, export_litert, operators
from kseg.labels import Labels
from kseg.metrics import DatasetScores

SIZE = (360, 480)


def main() -> None:
    """Prints a row for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", help="folder of CamVid; downloaded by default")
    parser.add_argument("--images", type=int, default=101)
    parser.add_argument("--calibration", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()
    train = open_source("camvid", "train", path=arguments.path)
    val = open_source("camvid", "val", path=arguments.path)
    every = len(train) // arguments.calibration
    images = [train[i * every][0] for i in range(arguments.calibration)]
    examples = [val[i] for i in range(min(arguments.images, len(val)))]
    model = kseg.load("camvid_deeplabv3plus_mobilenet_v2")
    for precision in ("float32", "int8"):
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for output in ("class_map", "coarse_class_map"):
                path = Path(folder, f"{precision}_{output}.tflite")
                given = images if precision == "int8" else None
                export_litert(model, path, SIZE, precision, output, given, val.labels)
                files[path.stem] = path
            for threads in (1, 2):
                for name, times in run(
                    files, examples[0][0], threads, arguments.rounds
                ):
                    median = np.median(times)
                    print(f"{name}, {threads} threads: {median:.1f} ms", flush=True)
            for name, path in files.items():
                found = scores(path, examples, val.labels)
                print(name, found, operators(path), flush=True)


def scores(path: Path, examples, labels: Labels) -> str:
    """Returns mean IoU and boundary F1."""
    file, collected = LiteRTModel(path), DatasetScores(labels)
    for image, mask in examples:
        collected.update(mask, file.predict_ids(image))
    result = collected.result()
    return f"mIoU {result['mean_iou']:.4f}, BF {result['boundary_f1']:.4f}"


def run(files: dict[str, Path], image: np.ndarray, threads: int, rounds: int):
    """Runs the files in turn; yields each one's milliseconds, the first left out."""
    loaded = {name: LiteRTModel(path, threads) for name, path in files.items()}
    times = {name: [] for name in files}
    for _ in range(rounds + 1):
        for name, file in loaded.items():
            start = time.perf_counter()
            file.predict_ids(image)
            times[name].append(1000 * (time.perf_counter() - start))
    for name, each in times.items():
        yield name, each[1:]


if __name__ == "__main__":
    main()
