"""Training examples before and after augmentation, and whether classes survive it."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from kseg.data.augment.mixes import Mix
from kseg.data.check.findings import Finding
from kseg.data.geometry import Example, fit_inside
from kseg.data.sources import Source
from kseg.labels import Labels
from kseg.raster import write_image
from kseg.raster.pictures import overlay

# Of the mask's colours over the image.
_ALPHA = 0.5


@dataclasses.dataclass(frozen=True)
class Augmented:
    """Examples before and after augmentation.

    Args:
        labels: The classes.
        pairs: Each example, and what became of it.
        names: What to call the examples.
        findings: The augmentations that invent class ids.
    """

    labels: Labels
    pairs: Sequence[tuple[Example, Example]]
    names: Sequence[str]
    findings: Sequence[Finding]

    def rows(self) -> Iterator[tuple[Image.Image, str]]:
        """Yields each example before and after, side by side, with its name."""
        for (before, after), name in zip(self.pairs, self.names, strict=True):
            size = after.mask.shape
            fitted = fit_inside(before, size, self.labels.ignore_class)
            panels = [
                np.asarray(overlay(e.image, e.mask, self.labels, _ALPHA, legend=False))
                for e in (fitted, after)
            ]
            yield Image.fromarray(np.concatenate(panels, axis=1)), name

    def write(self, path: str | Path) -> None:
        """Writes all of them into one PNG, below each other."""
        rows = [np.asarray(picture) for picture, _ in self.rows()]
        write_image(path, Image.fromarray(np.concatenate(rows)))


def augment_examples(
    source: Source,
    functions: Sequence[Callable],
    split: str = "train",
    mixes: Sequence[Mix] = (),
    count: int = 6,
    seed: int = 0,
) -> Augmented:
    """Augments a few examples, and looks whether a function invents class ids.

    Moving a mask may lose classes, and bring in void; it must not make any other.

    Args:
        source: The training examples; those that cannot be read are passed over.
        functions: Augmentations, of `(example, rng)`, one after the other.
        split: What to call the examples.
        mixes: What makes one example of several augmented ones; all are applied, with
            the examples that follow as partners.
        count: How many examples, evenly spaced.
        seed: What the augmentations are drawn from.

    Returns:
        The examples before and after, and a finding for every function at fault.
    """
    void = source.labels.ignore_class
    blamed: dict[str, Finding] = {}

    def applied(function, inputs: Sequence[Example], given, rng, index: int) -> Example:
        """Calls a function, and blames it if it makes ids that its inputs have not."""
        allowed = {void}.union(*(np.unique(e.mask).tolist() for e in inputs))
        example = function(given, rng)
        invented = sorted(set(np.unique(example.mask).tolist()) - allowed)
        if invented:
            name, file = _name(function), source.name(index)
            found = f"{name} makes {invented[:8]} of {file}"
            blame = Finding("augment", split, found, (file,), ((split, index),))
            blamed.setdefault(name, blame)
        return example

    before, after, indices = [], [], []
    for index in np.linspace(0, len(source) - 1, min(count, len(source))):
        index = round(index)
        try:
            image, mask = source[index]
        except Exception:  # a finding of the check itself
            continue
        example = Example(image, mask.astype(source.labels.mask_dtype))
        before.append(example)
        rng = np.random.default_rng((seed, index))
        for function in functions:
            example = applied(function, [example], example, rng, index)
        after.append(example)
        indices.append(index)
    for mix in mixes:
        mixed = []
        for i, index in enumerate(indices):
            members = [after[(i + k) % len(after)] for k in range(mix.partners + 1)]
            rng = np.random.default_rng((seed, len(source), index))
            mixed.append(applied(mix, members, members, rng, index))
        after = mixed
    names = [source.name(index) for index in indices]
    pairs = list(zip(before, after, strict=True))
    return Augmented(source.labels, pairs, names, list(blamed.values()))


def _name(function: Callable) -> str:
    """Returns what to call an augmentation."""
    return getattr(function, "__name__", type(function).__name__)
