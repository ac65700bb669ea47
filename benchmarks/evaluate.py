"""How much of an evaluation is spent outside of the model.

    python benchmarks/evaluate.py --path camvid

Two evaluations of the shipped CamVid model on the 101 validation images of CamVid, in
turn: `kseg.inference.collect`, which reads the next image and scores the last one
while the model sees one, and the same steps one after the other. Of each the share of
the time that is not spent in `kseg.predict` is printed, the median of the rounds.
"""

import argparse
import itertools
import statistics
import time

import kseg
from kseg.data import open_source
from kseg.inference import collect
from kseg.metrics import DatasetScores


def main() -> None:
    """Prints both shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", help="folder of CamVid; downloaded by default")
    parser.add_argument("--images", type=int, default=101)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    model = kseg.load("camvid_deeplabv3plus_mobilenet_v2")
    source = open_source("camvid", "val", path=arguments.path)
    kseg.predict(model, source[0][0])
    shares = {overlapped: [] for overlapped in (True, False)}
    for _ in range(arguments.rounds):
        for overlapped in shares:
            begin = time.perf_counter()
            inside = evaluate(model, source, arguments.images, overlapped)
            shares[overlapped].append(1 - inside / (time.perf_counter() - begin))
    print(f"{arguments.images} images, {arguments.rounds} rounds")
    for overlapped, found in shares.items():
        way = "collect" if overlapped else "one after the other"
        print(f"{way}: {statistics.median(found):.1%} outside of the model")


def evaluate(model, source, images: int, overlapped: bool) -> float:
    """Scores images, and returns the seconds that `kseg.predict` took."""
    inside = 0.0

    def predict(image):
        nonlocal inside
        begin = time.perf_counter()
        ids = kseg.predict(model, image)
        inside += time.perf_counter() - begin
        return ids

    examples = itertools.islice((source[i] for i in range(len(source))), images)
    if overlapped:
        collect(predict, examples, source.labels, images)
        return inside
    collected = DatasetScores(source.labels)
    for image, mask in examples:
        collected.update(mask, predict(image))
    collected.result()
    return inside


if __name__ == "__main__":
    main()
