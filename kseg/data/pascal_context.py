"""PASCAL-Context: the images of PASCAL VOC 2010, every pixel labelled.

Mottaghi et al., "The Role of Context for Object Detection and Semantic Segmentation in
the Wild", CVPR 2014. https://cs.stanford.edu/~roozbeh/pascal-context/
Annotators used 459 labels; the task is the 59 most frequent, in the order of the
authors' `59_labels.txt`, PASCAL VOC's 20 first. What is none of them is void here, or
with `background` the class 0 of 60, as in FCN's and most later networks: their scores
are of the one or the other task, and do not compare.
"""

from pathlib import Path, PurePosixPath

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.layout import (
    check_counts,
    check_split,
    complete,
    find_root,
    read_list,
)
from kseg.data.mat_source import MatSource
from kseg.data.sources import FileSource
from kseg.download import cache_dir
from kseg.labels import Labels, default_colors

# Class to its number among the 459 of `labels.txt`, where `diningtable` is "table",
# `clothes` is "cloth" and `bedcloth` is "bedclothes".
NUMBERS = {
    "aeroplane": 2, "bicycle": 23, "bird": 25, "boat": 31, "bottle": 34, "bus": 45,
    "car": 59, "cat": 65, "chair": 72, "cow": 98, "diningtable": 397, "dog": 113,
    "horse": 207, "motorbike": 258, "person": 284, "pottedplant": 308, "sheep": 347,
    "sofa": 368, "train": 416, "tvmonitor": 427, "bag": 9, "bed": 18, "bench": 22,
    "book": 33, "building": 44, "cabinet": 46, "ceiling": 68, "clothes": 80,
    "computer": 85, "cup": 104, "door": 115, "fence": 144, "floor": 158, "flower": 159,
    "food": 162, "grass": 187, "ground": 189, "keyboard": 220, "light": 232,
    "mountain": 259, "mouse": 260, "curtain": 105, "platform": 296, "sign": 355,
    "plate": 295, "road": 324, "rock": 326, "shelves": 349, "sidewalk": 354, "sky": 360,
    "snow": 366, "bedcloth": 19, "track": 415, "tree": 420, "truck": 424, "wall": 440,
    "water": 445, "window": 454, "wood": 458,
}  # fmt: skip
COLORS = default_colors(60)
LABELS = Labels(tuple(NUMBERS), COLORS[1:])
LABELS_60 = Labels(("background", *NUMBERS), COLORS)
CARD = Card(
    title="PASCAL-Context",
    labels=LABELS,
    void="What is none of the 59 classes; with `background` nothing is void.",
    splits={"train": 4998, "val": 5105},
    license="Images: terms of use of Flickr. Labels: none given",
    citation="Mottaghi, Chen, Liu, Cho, Lee, Fidler, Urtasun, Yuille: The Role of "
    "Context for Object Detection and Semantic Segmentation in the Wild, CVPR 2014",
    homepage="https://cs.stanford.edu/~roozbeh/pascal-context/",
    downloads=(
        Download(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
            digest="md5:da459979d0c395079b5c75ee67908abb",  # torchvision
            size=1_300_000_000,
        ),
        Download(
            "https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz",
            size=30_700_000,
        ),
    ),
)
_PICTURES = "SegmentationClassContext"


def pascal_context(
    split: str, path: str | Path | None = None, background: bool = False
) -> MatSource | FileSource:
    """Opens PASCAL-Context.

    Args:
        split: `"train"` or `"val"`.
        path: A folder with VOC 2010's `JPEGImages` and `ImageSets/Main`, in itself, in
            `VOC2010` or in `VOCdevkit/VOC2010`, and in it or beside these the authors'
            `trainval/*.mat`; or, in their place, `SegmentationClassContext/*.png` and
            `ImageSets/SegmentationContext`, as MMSegmentation's converter writes them.
            `None` for kseg's own folder, filled by a download of about 1.3 GB when it
            is not there.
        background: Whether what is none of the classes is a class, the first of 60, or
            void.

    Returns:
        The images of the split.

    Raises:
        FileNotFoundError: If the folder holds neither layout, or not the split's list.
        OSError: If a download fails.
        ValueError: If the split is another, files of it are missing, or downloaded
            files are not those of the data set.
    """
    check_split(CARD, split)
    if path is None:
        path = install(
            CARD.title, cache_dir() / "pascal_context", CARD.downloads, _unpack, _check
        )
    root = find_root(CARD, path, "JPEGImages", ("VOC2010", "VOCdevkit/VOC2010"))
    labels = LABELS_60 if background else LABELS
    for masks in (root / "trainval", Path(path) / "trainval"):
        if masks.is_dir():
            pairs = _pairs(root, "Main", split, masks, ".mat")
            return MatSource(pairs, labels, "LabelMap", _values(background))
    if (root / _PICTURES).is_dir():
        pairs = _pairs(root, "SegmentationContext", split, root / _PICTURES, ".png")
        return FileSource(pairs, labels, values=_picture_values(background))
    raise FileNotFoundError(
        f"`path` must be the folder of {CARD.title}. Received: {path}, which has "
        f"neither a folder trainval of .mat files nor {root / _PICTURES}. Unpack "
        f"{CARD.downloads[1].url} in it."
    )


def _values(background: bool) -> dict[int, int]:
    """Returns what each of the authors' numbers is, 0 to 459."""
    values = dict.fromkeys(range(460), 0 if background else LABELS.ignore_class)
    ids = {number: i + background for i, number in enumerate(NUMBERS.values())}
    return values | ids


def _picture_values(background: bool) -> dict[int, int]:
    """Returns what each grey value is: MMSegmentation's are in the numbers' order."""
    values = _values(background)
    return {i: values[n] for i, n in enumerate([0, *sorted(NUMBERS.values())])}


def _pairs(
    root: Path, lists: str, split: str, masks: Path, suffix: str
) -> list[tuple[Path, Path]]:
    """Returns the images of a split and their masks."""
    names = [
        name for name, *_ in read_list(root / "ImageSets" / lists / f"{split}.txt")
    ]
    images = root / "JPEGImages"
    return complete([(images / f"{n}.jpg", masks / f"{n}{suffix}") for n in names])


def _unpack(archive: Path, target: Path) -> None:
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of either archive goes."""
    folder, name = member.parts[-2:-1], member.name
    if folder == ("Main",) and name in ("train.txt", "val.txt"):
        return PurePosixPath("ImageSets", "Main", name)
    if (folder, member.suffix) in ((("JPEGImages",), ".jpg"), (("trainval",), ".mat")):
        return PurePosixPath(*folder, name)
    return None


def _check(path: Path) -> None:
    """Raises if a folder does not hold all pairs."""
    check_counts(CARD.title, CARD.splits, lambda split: pascal_context(split, path))
