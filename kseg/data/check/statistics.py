"""What the classes, sizes and colours of a split are, and what that suggests."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from kseg.data.check.findings import Finding
from kseg.data.check.records import Record
from kseg.labels import Labels

# Beyond this share of its split a mistake is likelier than the scene.
_MOST = 0.5
# The largest side over the smallest.
_UNEQUAL = 4
# How often the most frequent class may be seen, in pixels, before it drowns others.
_IMBALANCE = 10
# Sides in pixels; networks shrink an image 32 times.
_STRIDE, _LARGE_CROP = 32, 512


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Counts over the examples of a split that could be read.

    Args:
        split: The split.
        examples: Number of all examples.
        sizes: Height and width to the number of images.
        pixels: int64 `(num_classes + 1,)`: pixels of each class and, last, of void.
        together: int64 `(num_classes, num_classes)`: images that show both classes;
            on the diagonal, images that show the class.
        mean: Of red, green and blue over all pixels, 0 to 255.
        std: Their standard deviations.
    """

    split: str
    examples: int
    sizes: Mapping[tuple[int, int], int]
    pixels: np.ndarray
    together: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    @property
    def readable(self) -> int:
        """The number of examples that could be read."""
        return sum(self.sizes.values())

    @property
    def images(self) -> np.ndarray:
        """The number of images that show each class."""
        return self.together.diagonal()

    @property
    def void(self) -> float:
        """The share of the pixels that is void; 0 where there are none."""
        return float(self.pixels[-1] / max(self.pixels.sum(), 1))

    @property
    def shares(self) -> np.ndarray:
        """The share of each class in the pixels that are not void."""
        known = self.pixels[:-1]
        return known / max(known.sum(), 1)

    def to_dict(self, labels: Labels) -> dict:
        """Returns a dictionary that JSON can hold."""
        return {
            "examples": self.examples,
            "readable": self.readable,
            "sizes": [[*size, count] for size, count in self.sizes.items()],
            "void": self.void,
            "classes": [
                {"name": name, "pixels": int(p), "share": float(s), "images": int(n)}
                for name, p, s, n in zip(
                    labels.names, self.pixels, self.shares, self.images, strict=False
                )
            ],
            "together": self.together.tolist(),
            "mean": self.mean.round(2).tolist(),
            "std": self.std.round(2).tolist(),
        }


def count(records: Sequence[Record], split: str, labels: Labels) -> Statistics:
    """Counts what was read of a split."""
    read = [r for r in records if r.is_read]
    table = np.zeros((len(read), labels.num_classes + 1), np.int64)
    moments = np.zeros((2, 3))
    for row, record in zip(table, read, strict=True):
        row += record.counts
        moments += record.moments
    shown = (table[:, :-1] > 0).astype(np.int64)
    mean, square = moments / max(table.sum(), 1)
    return Statistics(
        split,
        len(records),
        dict(Counter(r.size for r in read).most_common()),
        table.sum(axis=0),
        shown.T @ shown,
        mean,
        np.sqrt(np.maximum(square - mean**2, 0)),
    )


def split_findings(
    records: Sequence[Record], labels: Labels, untranslated: bool = False
) -> list[Finding]:
    """Finds masks of a split that are void, of one class, or binary.

    Args:
        records: What was read of the split.
        labels: The classes.
        untranslated: Whether ids are the values in files, so that 255 may be a class.
    """
    read = [r for r in records if r.is_read]
    if not read:
        return []
    split = read[0].split
    table = np.stack([r.counts for r in read])
    total = table.sum(axis=0)
    if not total[:-1].any():
        return [_of("void", split, f"{len(read)} masks", read)]
    found = []
    may_be_binary = (
        untranslated and labels.num_classes > 1 and labels.ignore_class == 255
    )
    if may_be_binary and total[0] and total[-1] and not total[1:-1].any():
        text = f"{len(read)} masks of class 0 and 255"
        found.append(_of("binary", split, text, read))
    classes = (table[:, :-1] > 0).sum(axis=1)
    for kind, wanted in (("empty", 0), ("one_class", 1)):
        chosen = [
            r for r, number in zip(read, classes, strict=True) if number == wanted
        ]
        if kind == "one_class" and len(chosen) <= _MOST * len(read):
            kind = "single"
        if chosen:
            text = f"{len(chosen)} of {len(read)} masks, such as {chosen[0].file}"
            found.append(_of(kind, split, text, chosen))
    if total[-1] > _MOST * total.sum():
        worst = sorted(read, key=lambda r: -r.counts[-1] / r.counts.sum())
        share = f"{total[-1] / total.sum():.0%} of the pixels"
        found.append(_of("mostly_void", split, share, worst))
    return found


def class_findings(counted: Sequence[Statistics], labels: Labels) -> list[Finding]:
    """Finds classes that do not occur: everywhere, or in one split."""
    counted = [statistics for statistics in counted if statistics.pixels[:-1].any()]
    if not counted:
        return []
    everywhere = np.sum([s.pixels for s in counted], axis=0)[:-1]
    names, found = np.array(labels.names), []
    last = int(np.flatnonzero(everywhere)[-1])
    below = np.flatnonzero(everywhere[:last] == 0)
    if below.size:
        text = ", ".join(f"{i} ({names[i]})" for i in below)
        advice = "Leave them out of `classes`, and translate the ids by `values`."
        if below[0] == 0:
            ids = ", ".join(f"{i}: {i - 1}" for i in range(1, labels.num_classes))
            advice = (
                "If the ids in the files begin with 1, say so: "
                f"`values={{0: {labels.ignore_class}, {ids}}}`, with one class less."
            )
        found.append(Finding("gap", "", text, advice=advice))
    beyond = names[last + 1 :]
    if beyond.size:
        found.append(Finding("absent", "", f"nowhere: {', '.join(beyond)}"))
    for statistics in counted:
        lost = (statistics.pixels[:-1] == 0) & (everywhere > 0)
        if lost.any():
            text = f"not in {statistics.split}: {', '.join(names[lost])}"
            found.append(Finding("absent", statistics.split, text))
    return found


def size_findings(
    records: Sequence[Record], crop: tuple[int, int] | None
) -> list[Finding]:
    """Finds images that are small, or of very unequal sizes.

    Args:
        records: Of all splits.
        crop: Height and width of the training crops; `None` if it is not known.
    """
    read = [r for r in records if r.is_read]
    if not read:
        return []
    least = crop or (_STRIDE, _STRIDE)
    small = [r for r in read if r.size[0] < least[0] or r.size[1] < least[1]]
    found = []
    if small:
        size = "x".join(map(str, small[0].size))
        text = f"{len(small)} images are smaller than {least[0]}x{least[1]}, such as "
        found.append(_of("small", "", f"{text}{small[0].file} of {size}", small))
    by_side = sorted(read, key=lambda r: max(r.size))
    ends = [by_side[0], by_side[-1]]
    first, last = (max(r.size) for r in ends)
    if last > _UNEQUAL * first:
        sizes = [f"{'x'.join(map(str, r.size))} ({r.file})" for r in ends]
        found.append(_of("unequal", "", " to ".join(sizes), ends))
    return found


def suggestions(train: Statistics, labels: Labels) -> list[str]:
    """Returns what a config could say, in view of the training split."""
    found = []
    shares = train.shares[train.shares > 0]
    if len(shares) > 1 and shares.max() > _IMBALANCE * shares.min():
        most, least = (labels.names[int(i)] for i in _extremes(train.shares))
        found.append(
            f"loss.class_weights=median_frequency: {most!r} has "
            f"{shares.max() / shares.min():.0f} times the pixels of {least!r}"
        )
    if train.sizes:
        sides = np.repeat(list(train.sizes), list(train.sizes.values()), axis=0)
        height, width = (
            max(min(int(side), _LARGE_CROP) // _STRIDE * _STRIDE, _STRIDE)
            for side in np.median(sides, axis=0)
        )
        found.append(
            f"data.crop=({height},{width}): multiples of {_STRIDE} that most images "
            "fill"
        )
    return found


def _extremes(shares: np.ndarray) -> tuple[int, int]:
    """Returns the most and the least frequent class of those that occur."""
    return int(shares.argmax()), int(np.where(shares > 0, shares, np.inf).argmin())


def _of(kind: str, split: str, found: str, members: Sequence[Record]) -> Finding:
    """Returns a finding with the files of its members."""
    files = tuple(record.file for record in members)
    return Finding(kind, split, found, files, tuple(record.key for record in members))
