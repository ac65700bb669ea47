"""What is known of a published data set before it is opened."""

import dataclasses
from collections.abc import Mapping

from kseg.labels import Labels


@dataclasses.dataclass(frozen=True)
class Download:
    """A file of a data set.

    Args:
        url: Where it lies.
        digest: `"sha256:..."`, `"sha1:..."` or `"md5:..."` as `kseg.download.fetch`
            takes it; `None` where neither its publisher nor a well-known library gives
            one.
        size: About how many bytes; `None` where it is not known.
    """

    url: str
    digest: str | None = None
    size: int | None = None


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of a data set.

    Args:
        title: Its name in full.
        labels: The classes, their colours, and the id of void.
        void: Which pixels are void, in a sentence.
        splits: Number of images of each split.
        license: What it may be used for.
        citation: Authors, title, where and when it was published.
        homepage: Where it is described.
        downloads: Its files; empty where they are not to be had without a login.
        manual: How to bring the files by hand, and what is to be given as `path`;
            empty where all are downloaded.
        mean: Of red, green and blue over the training images, 0 to 255; `None` where
            nobody measured it.
        std: Standard deviation, likewise.
        statistics: Where mean and deviation are from.
    """

    title: str
    labels: Labels
    void: str
    splits: Mapping[str, int]
    license: str
    citation: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    manual: str = ""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    statistics: str = ""
