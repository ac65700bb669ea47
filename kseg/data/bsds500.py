"""BSDS500: 500 photographs of 481x321 and the edges that 4 to 9 people drew.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", PAMI 2011.
https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html
200 images train, 100 validate and 200 test; images and drawings come without a
licence. Masks are those of HED: an edge is what half of the people drew, and the rest
is background, even what fewer drew (`train_val.prototxt` of s9xie/hed, whose labels
are rounded means). RCF and its successors leave these weak edges out (Liu et al.,
"Richer Convolutional Features for Edge Detection", CVPR 2017, section 3.2).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from scipy import ndimage

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.matlab import read_matlab
from kseg.data.pairing import pair_files
from kseg.data.sources import check_pair
from kseg.download import cache_dir
from kseg.labels import Labels
from kseg.optional import import_optional
from kseg.raster import read_image

LABELS = Labels(("background", "edge"), ((0, 0, 0), (255, 255, 255)))
URL = (
    "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/"
    "BSR_bsds500.tgz"
)
# Its publisher gives no checksum; this is what must be in it.
COUNTS = {"train": 200, "val": 100, "test": 200}
_DATA = PurePosixPath("BSR", "BSDS500", "data")
# Two people draw one line so many pixels apart, where only their mean is known.
_SPREAD = 1.5
CARD = Card(
    title="BSDS500",
    labels=LABELS,
    void="None; with `ignore_weak`, edges that fewer than `threshold` drew.",
    splits=COUNTS,
    license="None given",
    citation="Arbelaez, Maire, Fowlkes, Malik: Contour Detection and Hierarchical "
    "Image Segmentation, PAMI 2011",
    homepage="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
    "resources.html",
    downloads=(Download(URL, size=70_000_000),),
    mean=(110.73, 112.97, 93.60),
    std=(63.55, 59.74, 61.68),
    statistics="Measured over the 200 training images.",
)


def bsds500(
    split: str,
    path: str | Path | None = None,
    threshold: float = 0.5,
    ignore_weak: bool = False,
    url: str = URL,
) -> "EdgeSource":
    """Opens BSDS500.

    Args:
        split: `"train"`, `"val"` or, if it is there, `"test"`.
        path: The folder of the archive, of `BSDS500` or of its `data`, with
            `images/train/*.jpg` and `groundTruth/train/*.mat`; or a folder with
            `train/images` and `train/edges`, pictures whose grey value is 255 times
            the share of the people who drew an edge there. `None` for kseg's own
            folder, filled by a download of about 70 MB when it is not there.
        threshold: Share of the people who must have drawn an edge, above 0 to 1.
        ignore_weak: Whether what fewer people drew is void, or background.
        url: Where the archive lies.

    Returns:
        The images of the split; masks hold 0 (background), 1 (edge) and, with
        `ignore_weak`, 255.

    Raises:
        FileNotFoundError: If the folder holds neither layout.
        OSError: If the download fails.
        ValueError: If `threshold` is out of range, files have no partner, or the
            archive does not hold BSDS500.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"`threshold` must be above 0, to 1. Received: {threshold}.")
    if path is None:
        path = install(
            "BSDS500", cache_dir() / "bsds500", [Download(url)], _unpack, _check
        )
    pairs = _pairs(Path(path), split)
    return EdgeSource(pairs, threshold, ignore_weak)


@dataclasses.dataclass(frozen=True)
class EdgeSource:
    """Images, and the edges that several people drew on each.

    Args:
        pairs: Paths of image and drawings: a `.mat` file of BSDS500, or a picture
            of their mean.
        threshold: Share of the people who must have drawn an edge.
        ignore_weak: Whether what fewer people drew is void, or background.
        labels: The classes.
    """

    pairs: Sequence[tuple[Path, Path]]
    threshold: float = 0.5
    ignore_weak: bool = False
    labels: Labels = LABELS

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an image and its mask.

        Raises:
            ValueError: If a file is broken, or the two differ in size.
        """
        image, mask = read_image(self.pairs[index][0]), self.mask(index)
        check_pair(image, mask, *self.pairs[index])
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads the mask alone."""
        drawn = self._share(index)
        least = self.threshold - 0.5 / 255  # grey values are rounded
        mask = (drawn >= least).astype(np.uint8)
        if self.ignore_weak:
            mask[(drawn > 0) & (mask == 0)] = self.labels.ignore_class
        return mask

    def image_path(self, index: int) -> Path:
        """Returns the file of an image."""
        return self.pairs[index][0]

    def name(self, index: int) -> str:
        """Returns the image file's name without its ending."""
        return self.pairs[index][0].stem

    def annotations(self, index: int) -> np.ndarray:
        """Reads what each person drew, to score predictions by.

        Where there is only the mean, people are made up: the k-th draws the middle
        of every line that k or more drew within a few pixels. Scores by these are
        not those of the benchmark, but 0.02 to 0.04 lower in trials with lines that
        were moved at random.

        Returns:
            Booleans `(people, height, width)`.

        Raises:
            ValueError: If the file is broken.
        """
        if self.pairs[index][1].suffix == ".mat":
            return _read_mat(self.pairs[index][1])
        thin = import_optional("skimage.morphology").thin
        drawn = self._share(index)
        people = round(1 / drawn[drawn > 0].min()) if drawn.any() else 1
        peak = _SPREAD * np.sqrt(2 * np.pi)  # of a line one pixel wide, smoothed, is 1
        smooth = ndimage.gaussian_filter(drawn * people, _SPREAD) * peak
        return np.stack([thin(smooth >= k - 0.5) for k in range(1, people + 1)])

    def _share(self, index: int) -> np.ndarray:
        """Returns the share of the people who drew an edge, float64."""
        path = self.pairs[index][1]
        if path.suffix == ".mat":
            return _read_mat(path).mean(axis=0)
        return read_image(path)[..., 0] / 255


def _read_mat(path: Path) -> np.ndarray:
    """Reads the boundaries of all people from a ground truth file."""

    def boundaries(file):
        people = file["groundTruth"].ravel()
        return np.stack([one["Boundaries"][0, 0] for one in people]) > 0

    return read_matlab(
        path, boundaries, "`groundTruth` with `Boundaries`, as those of BSDS500"
    )


def _pairs(path: Path, split: str) -> list[tuple[Path, Path]]:
    """Finds the images of a split and their edges in one of the layouts."""
    for data in (path, path / "data", path / "BSDS500" / "data", path / _DATA):
        if (data / "groundTruth" / split).is_dir():
            images = sorted((data / "images" / split).glob("*.jpg"))
            truths = sorted((data / "groundTruth" / split).glob("*.mat"))
            lone = {p.stem for p in images} ^ {p.stem for p in truths}
            if lone or not images:
                raise ValueError(
                    "Every image must have a .mat file of the same name. Received: "
                    f"{len(images)} images and {len(truths)} files for {split} in "
                    f"{data}; alone are {sorted(lone)[:3]}."
                )
            return list(zip(images, truths, strict=True))
    if (path / split / "images").is_dir():
        return pair_files(path / split / "images", path / split / "edges")
    raise FileNotFoundError(
        f"`path` must be a folder of BSDS500. Received: {path}, which has neither "
        f"groundTruth/{split} (the archive's layout) nor {split}/images and "
        f"{split}/edges."
    )


def _check(path: Path) -> None:
    """Raises if a folder does not hold all images with readable edges."""
    found = {split: _complete(path, split) for split in COUNTS}
    if found != COUNTS:
        raise ValueError(
            f"BSDS500 must hold {COUNTS} images with edges. Received: {found}."
        )


def _unpack(archive: Path, target: Path) -> None:
    """Lays `images` and `groundTruth` of the archive out in `target`."""
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of the archive goes."""
    if member.suffix in (".jpg", ".mat") and member.is_relative_to(_DATA):
        return member.relative_to(_DATA)
    return None


def _complete(path: Path, split: str) -> int:
    """Returns how many images of a split have a readable file of edges."""
    try:
        pairs = _pairs(path, split)
    except (FileNotFoundError, ValueError):
        return 0
    return sum(bool(_read_mat(truth).any()) for _, truth in pairs)
