"""PASCAL VOC 2012: 20 kinds of things and the background, in photographs of Flickr.

Everingham et al., "The PASCAL Visual Object Classes Challenge 2012".
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/
1,464 images train and 1,449 validate; the masks of the test images are kept by the
challenge. Most networks train on more: the Semantic Boundaries Dataset (Hariharan et
al., "Semantic Contours from Inverse Detectors", ICCV 2011) drew 11,355 images, and
what of them is not for validation makes 10,582 together with VOC's own (Chen et al.,
"DeepLab", PAMI 2017, section 4.1). There, an image that VOC drew keeps VOC's mask.
"""

from pathlib import Path, PurePosixPath

import numpy as np

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.images import check_ids, read_mask
from kseg.data.layout import check_counts, check_split, complete, find_root, read_list
from kseg.data.matlab import read_matlab
from kseg.data.sources import FileSource
from kseg.download import cache_dir
from kseg.labels import Labels, default_colors

LABELS = Labels(
    names=(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
    colors=default_colors(21),
)
CARD = Card(
    title="PASCAL VOC 2012",
    labels=LABELS,
    void="The outlines of things and what is hard to tell, 255 in the files. The masks "
    "that `train_aug` adds have none.",
    splits={"train": 1464, "val": 1449, "trainval": 2913, "train_aug": 10582},
    license="Images: terms of use of Flickr. Masks that `train_aug` adds: none given",
    citation="Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual "
    "Object Classes Challenge 2012; for `train_aug` also Hariharan, Arbelaez, Bourdev, "
    "Maji, Malik: Semantic Contours from Inverse Detectors, ICCV 2011",
    homepage="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    # Digests: TensorFlow Datasets (url_checksums/voc.txt), and torchvision's prototype
    # of SBD.
    downloads=(
        Download(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
            "VOCtrainval_11-May-2012.tar",
            "sha256:e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
            1_999_639_040,
        ),
        Download(
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
            "semantic_contours/benchmark.tgz",
            "sha256:6a5a2918d5c73ce032fdeba876574d150d9d04113ab87540a1304cbcc715be53",
            1_400_000_000,
        ),
    ),
)
SBD_SPLITS = {"train": 8498, "val": 2857}
_VOC_ROOT = PurePosixPath("VOCdevkit", "VOC2012")
_SBD_ROOT = PurePosixPath("benchmark_RELEASE", "dataset")
_LISTS = "ImageSets/Segmentation"


def voc2012(
    split: str, path: str | Path | None = None, sbd: str | Path | None = None
) -> FileSource:
    """Opens PASCAL VOC 2012.

    Args:
        split: `"train"`, `"val"`, `"trainval"` or `"train_aug"`.
        path: The folder `VOC2012` with `JPEGImages`, `SegmentationClass` and
            `ImageSets/Segmentation`, or one around it; `None` for kseg's own, filled
            by a download of 2 GB when it is not there.
        sbd: For `"train_aug"`: SBD's folder `dataset` with `cls`, `train.txt` and
            `val.txt`, or one around it; `None` for kseg's own, filled by a download of
            1.4 GB when it is not there.

    Returns:
        The images of the split; masks hold 0 (background) to 20, and 255.

    Raises:
        FileNotFoundError: If a folder or a list is missing.
        OSError: If a download fails.
        ValueError: If the split is another, an image or a mask is missing, or the
            downloads do not hold what was published.
    """
    check_split(CARD, split)
    if path is None:
        path = install(
            CARD.title, cache_dir() / "voc2012", CARD.downloads[:1], _unpack, _check
        )
    root = find_root(CARD, path, _LISTS, ("VOC2012", str(_VOC_ROOT)))
    if split != "train_aug":
        return _Masks(_pairs(root, split), LABELS)
    if sbd is None:
        sbd = install(
            "SBD", cache_dir() / "sbd", CARD.downloads[1:], _unpack, _check_sbd
        )
    drawn = find_root(CARD, sbd, "cls", ("dataset", str(_SBD_ROOT)))
    masks = {name: drawn / "cls" / f"{name}.mat" for name in _sbd_names(drawn)}
    for _, mask in _pairs(root, "train"):
        masks[mask.stem] = mask
    for name in _names(root, "val"):
        masks.pop(name, None)
    images = root / "JPEGImages"
    pairs = [(images / f"{name}.jpg", masks[name]) for name in sorted(masks)]
    return _Masks(complete(pairs), LABELS)


class _Masks(FileSource):
    """Images with VOC's masks, which are pictures, or with SBD's."""

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        path = self.pairs[index][1]
        if path.suffix != ".mat":
            return read_mask(path, self.labels)
        ids = read_matlab(
            path,
            lambda file: file["GTcls"][0]["Segmentation"][0].astype(np.int32),
            "`GTcls` with a `Segmentation`, as those of SBD",
        )
        check_ids(ids, self.labels, path)
        return ids.astype(self.labels.mask_dtype)


def _names(root: Path, split: str) -> list[str]:
    return [words[0] for words in read_list(root / _LISTS / f"{split}.txt")]


def _sbd_names(root: Path) -> list[str]:
    lists = (read_list(root / f"{split}.txt") for split in SBD_SPLITS)
    return [words[0] for lines in lists for words in lines]


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Finds the images of a split that VOC drew, and their masks."""
    images, masks = root / "JPEGImages", root / "SegmentationClass"
    names = _names(root, split)
    return complete([(images / f"{n}.jpg", masks / f"{n}.png") for n in names])


def _unpack(archive: Path, target: Path) -> None:
    """Lays images, masks and lists of either archive out in `target`."""
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of either archive goes."""
    for root, kept in (
        (_VOC_ROOT, ("JPEGImages", "SegmentationClass", _LISTS)),
        (_SBD_ROOT, ("cls", "train.txt", "val.txt")),
    ):
        if any(member.is_relative_to(root / below) for below in kept):
            return member.relative_to(root)
    return None


def _check(root: Path) -> None:
    """Raises if a folder does not hold the images of VOC with their masks."""
    own = {split: CARD.splits[split] for split in ("train", "val", "trainval")}
    check_counts(CARD.title, own, lambda split: _pairs(root, split))


def _check_sbd(root: Path) -> None:
    """Raises if a folder does not hold the masks of SBD."""

    def masks(split):
        names = (words[0] for words in read_list(root / f"{split}.txt"))
        return [n for n in names if (root / "cls" / f"{n}.mat").is_file()]

    check_counts("SBD", SBD_SPLITS, masks)
