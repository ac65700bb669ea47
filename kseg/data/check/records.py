"""Examples, each read once: what is wrong with it, and what there is to count."""

import dataclasses

import numpy as np
from PIL import Image

from kseg.data.check.findings import Problem
from kseg.data.check.hashes import content_hash, perceptual_hash
from kseg.data.check.masks import (
    RAMPS,
    diagnose,
    file_problems,
    files_of,
    ramp_share,
)
from kseg.data.in_threads import in_threads
from kseg.data.sources import FileSource, Source


@dataclasses.dataclass
class Record:
    """What was read of an example.

    Args:
        split: The split that it is of.
        index: Its position there.
        file: The image's path, or the name of the example.
        problems: What is wrong with it.
        image_hash: Equal for equal images; empty if the example could not be read,
            and then what follows is empty, too.
        size: Height and width of the image.
        counts: int64 pixels of each class and, last, of void.
        moments: float64 `(2, 3)`, sum and sum of squares of red, green and blue.
        mask_hash: Equal for equal masks.
        look: Near for images that look alike; `None` for flat ones.
        values: Values in the mask's file where some are no class.
    """

    split: str
    index: int
    file: str
    problems: list[Problem] = dataclasses.field(default_factory=list)
    image_hash: bytes = b""
    size: tuple[int, int] = (0, 0)
    counts: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, int))
    moments: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((2, 3)))
    mask_hash: bytes = b""
    look: int | None = None
    values: np.ndarray | None = None

    @property
    def key(self) -> tuple[str, int]:
        """The split and the position."""
        return self.split, self.index

    @property
    def is_read(self) -> bool:
        """Whether the example could be read."""
        return bool(self.image_hash)


def check_source(source: Source, what: str) -> None:
    """Reads every example once, so that broken data stops a run before it starts.

    Args:
        source: The examples.
        what: What to call them in the progress bar.

    Raises:
        ValueError: As reading an example does; of several, the first one's.
    """

    def read(index: int) -> None:
        source[index]

    for _ in in_threads(read, len(source), f"check {what}"):
        pass


def read_records(source: Source, split: str, workers: int | None) -> list[Record]:
    """Reads all examples of a split; broken ones have their problems told.

    Args:
        source: The examples.
        split: What to call them.
        workers: How many threads; `None` for the processor's.
    """

    def read(index: int) -> Record:
        return _read(source, split, index)

    return list(in_threads(read, len(source), f"check {split}", workers))


def _read(source: Source, split: str, index: int) -> Record:
    """Reads an example."""
    files = files_of(source, index)
    file = str(files[0]) if files else source.name(index)
    if isinstance(source, FileSource) and source.pages:
        file += f", page {source.pages[index]}"
    record = Record(split, index, file)
    try:
        image, mask = source[index]
    except Exception as error:  # whatever breaks, the others are read
        if isinstance(source, FileSource):
            record.problems, record.values = diagnose(source, index)
        if not record.problems:
            record.problems = [Problem("unreadable", str(error), file)]
        return record
    picture = Image.fromarray(np.ascontiguousarray(image))
    record.size = image.shape[0], image.shape[1]
    record.moments = _moments(picture)
    record.image_hash, record.mask_hash = content_hash(image), content_hash(mask)
    record.look = perceptual_hash(picture)
    labels = source.labels
    ids = np.minimum(mask, labels.num_classes)  # void is beyond the classes
    record.counts = np.bincount(ids.ravel(), minlength=labels.num_classes + 1)
    if isinstance(source, FileSource):
        record.problems = file_problems(source, index, mask)
    share = ramp_share(mask)
    if share > RAMPS and not any(p.kind == "smeared" for p in record.problems):
        mask_file = str(files[1]) if files else file
        found = f"{share:.0%} of the steps between classes are ramps"
        record.problems.append(Problem("ramps", found, mask_file))
    return record


def _moments(picture: Image.Image) -> np.ndarray:
    """Returns sum and sum of squares of red, green and blue, `(2, 3)`."""
    counts = np.reshape(picture.histogram(), (3, 256)).astype(np.float64)
    levels = np.arange(256.0)
    return np.stack([counts @ levels, counts @ levels**2])
