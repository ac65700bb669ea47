"""Images per second of the training feed, beside PyTorch's and albumentations'.

    python benchmarks/feed.py --data camvid --set path=camvid --output feed.json

All feed augmented batches of the same pictures at the same size on every core: kseg's
`tf_feed` and `keras_feed`, and PyTorch's `DataLoader` with a worker process a core,
which reads files with OpenCV. Of each there are two rows: files that are read in every
epoch, and pictures that are decoded once and kept. The augmentations are those of
kseg's preset "strong", and their like in albumentations with the same ranges and
probabilities. Every feed runs in a process of its own, in turn, round by round; a ratio
is to the `DataLoader` that reads as it does, the median over the rounds.
`pip install "kseg[tensorflow,peers]"`.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from interleaved import table, where

from kseg.commands.arguments import add_data, read_options
from kseg.data import (
    CachedSource,
    Examples,
    FileSource,
    keras_feed,
    open_source,
    tf_feed,
)
from kseg.data.presets import preset
from kseg.files import write_json

CORES = os.cpu_count()
PEER = "DataLoader"
FEEDS = ("tf_feed", "keras_feed", PEER)


def main() -> None:
    """Measures every feed in turn, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data(parser, required=True)
    parser.add_argument("--size", nargs=2, type=int, default=(360, 480))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each feed")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--feed", choices=FEEDS, help="one alone, in this process")
    parser.add_argument("--keep", action="store_true", help="with --feed: decode once")
    arguments = parser.parse_args()
    if arguments.feed:
        print(json.dumps(rate(arguments)), flush=True)
        os._exit(0)  # worker processes and threads are of no use any more
    rates: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for keep, feed in itertools.product((False, True), FEEDS):
            more = ["--feed", feed, *["--keep"] * keep]
            command = [sys.executable, __file__, *sys.argv[1:], *more]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            )
            name = f"{feed}, {'decoded once' if keep else 'files'}"
            rates.setdefault(name, []).append(json.loads(done.stdout.split("\n")[-2]))
            print(f"{name:<28} {rates[name][-1]:8.1f} images/s", file=sys.stderr)
    beside = ratios(rates)
    rows = [
        [name, f"{median(values):.0f}", f"{beside[name]:.2f}"]
        for name, values in rates.items()
    ]
    packages = ("torch", "albumentations", "tensorflow", "keras")
    machine = where(*packages, "opencv-python-headless")
    print(f"{machine}\n\n{table(['feed', 'images/s', 'ratio'], rows)}")
    if arguments.output:
        report = {"machine": machine, "images_per_second": rates, "ratios": beside}
        write_json(arguments.output, report)


def rate(arguments) -> float:
    """Returns images per second of one feed, after it has warmed up."""
    source = open_source(arguments.data, "train", **read_options(arguments))
    if arguments.feed == PEER:
        source = PlainSource(source)
    if arguments.keep:
        source = CachedSource(source)
        for index in range(len(source)):
            source[index]
    size = tuple(arguments.size)
    void = source.labels.ignore_class
    if arguments.feed == PEER:
        batches = torch_batches(source, size, void, arguments.batch_size)
    else:
        strong = preset("strong", size, void)
        batches = kseg_batches(
            arguments.feed, Examples(source, size, arguments.batch_size, strong)
        )
    begin = time.perf_counter()
    while time.perf_counter() - begin < arguments.seconds / 2:
        next(batches)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < arguments.seconds:
        next(batches)
        count += arguments.batch_size
    return count / (time.perf_counter() - begin)


class PlainSource:
    """Files as albumentations' examples read them, with OpenCV and without checks.

    Args:
        source: Which files, and what the values in the masks mean.
    """

    def __init__(self, source: FileSource):
        """Makes the table of values."""
        self.pairs = source.pairs
        self.labels = source.labels
        self.table = np.arange(256, dtype=np.uint8)
        for value, identity in (source.values or {}).items():
            self.table[value] = identity

    def __len__(self):
        """Returns the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int):
        """Reads a pair."""
        image, mask = map(str, self.pairs[index])
        image = cv2.cvtColor(cv2.imread(image, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        return image, self.table[cv2.imread(mask, cv2.IMREAD_UNCHANGED)]


def kseg_batches(feed: str, examples: Examples) -> Iterator:
    """Returns an endless iterator of kseg's batches."""
    if feed == "tf_feed":
        return iter(tf_feed(examples))
    batches = keras_feed(examples)
    return (batches[step] for step in itertools.count())


def torch_batches(source, size: tuple[int, int], void: int, batch_size: int):
    """Yields batches of a `DataLoader` over and over."""
    import torch

    # Each worker process is one thread, as the authors of albumentations advise.
    cv2.setNumThreads(0)
    transform = like_strong(size, void)

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return len(source)

        def __getitem__(self, index):
            image, mask = source[index]
            moved = transform(image=image, mask=mask)
            return moved["image"], moved["mask"]

    loader = torch.utils.data.DataLoader(
        Pairs(),
        batch_size,
        shuffle=True,
        num_workers=CORES,
        drop_last=True,
        persistent_workers=True,
        prefetch_factor=4,
    )
    while True:
        yield from loader


def like_strong(size: tuple[int, int], void: int):
    """Returns kseg's preset "strong" in albumentations' words."""
    import albumentations as A

    height, width = size
    fill = dict(fill=127, fill_mask=void)
    return A.Compose(
        [
            A.Affine(
                scale=(0.8, 1.25),
                rotate=(-10, 10),
                shear=(-5, 5),
                translate_percent=(-0.05, 0.05),
                p=0.5,
                **fill,
            ),
            A.RandomScale((-0.5, 1.0), p=1),
            A.PadIfNeeded(height, width, **fill),
            A.RandomCrop(height, width),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter((0.75, 1.25), (0.5, 1.5), (0.5, 1.5), (-0.1, 0.1), p=0.5),
            A.ToGray(p=0.05),
            A.RandomGamma((70, 140), p=0.2),
            A.GaussianBlur(sigma_limit=(0.3, 2.0), p=0.2),
            A.MotionBlur((3, 9), p=0.1),
            A.GaussNoise((2 / 255, 12 / 255), p=0.2),
            A.ImageCompression(quality_range=(30, 95), p=0.2),
            A.CoarseDropout((1, 3), (0.1, 0.3), (0.1, 0.3), p=0.3, **fill),
        ]
    )


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """Returns the median ratio of each feed to the peer's that reads as it does."""
    return {
        name: median(
            own / peer
            for own, peer in zip(
                values, rates[f"{PEER}, {name.split(', ')[1]}"], strict=True
            )
        )
        for name, values in rates.items()
    }


if __name__ == "__main__":
    main()
