"""Cityscapes: 19 classes of what a car sees in the streets of 50 cities, 2048x1024.

Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR
2016. https://www.cityscapes-dataset.com
The files say 34 labels; 19 are trained and scored and the rest is void, by the table
of the authors (`helpers/labels.py` of mcordts/cityscapesScripts). Their own masks of
the 19, `*_labelTrainIds.png`, are read where they are. The builder of TensorFlow
Datasets needs the same two archives by hand and keeps a second copy of their 34
labels, so that it is of no use here.
"""

from pathlib import Path

from kseg.data.card import Card
from kseg.data.layout import check_split, complete, find_root
from kseg.data.sources import FileSource
from kseg.labels import Labels

LABELS = Labels(
    names=(
        "road",
        "sidewalk",
        "building",
        "wall",
        "fence",
        "pole",
        "traffic light",
        "traffic sign",
        "vegetation",
        "terrain",
        "sky",
        "person",
        "rider",
        "car",
        "truck",
        "bus",
        "train",
        "motorcycle",
        "bicycle",
    ),
    colors=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
)
# The label in `*_labelIds.png` of each class; the others of 0 to 33 are void.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CARD = Card(
    title="Cityscapes",
    labels=LABELS,
    void="The 15 labels that are not scored, such as the car itself, parking, bridge "
    "and caravan: all but 19 of 0 to 33 in `*_labelIds.png`.",
    splits={"train": 2975, "val": 500},
    license="Non-commercial use, by the agreement on its page; not to be passed on",
    citation="Cordts, Omran, Ramos, Rehfeld, Enzweiler, Benenson, Franke, Roth, "
    "Schiele: The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016",
    homepage="https://www.cityscapes-dataset.com",
    manual="Register at https://www.cityscapes-dataset.com/register/, log in, and from "
    "https://www.cityscapes-dataset.com/downloads/ download gtFine_trainvaltest.zip "
    "(241 MB) and leftImg8bit_trainvaltest.zip (11 GB). Unpack both into one folder, "
    "which holds gtFine and leftImg8bit then, and give it as `path`.",
)
_VOID = LABELS.ignore_class
_FROM_LABELS = {
    **dict.fromkeys(range(34), _VOID),
    **{label: i for i, label in enumerate(LABEL_IDS)},
}
_FROM_TRAIN_IDS = {**{i: i for i in range(LABELS.num_classes)}, _VOID: _VOID}


def cityscapes(split: str, path: str | Path | None = None) -> FileSource:
    """Opens Cityscapes with its fine masks.

    Args:
        split: `"train"` or `"val"`. The masks of `test` are kept by the authors.
        path: Folder with `leftImg8bit/train/aachen/*.png`, ... and
            `gtFine/train/aachen/*_labelIds.png` or `*_labelTrainIds.png`, ...; each of
            the two may lie in a folder of its archive's name. It is not downloaded:
            `None` says how to get it.

    Returns:
        The images of the split; masks hold 0 (road) to 18 (bicycle), and 255.

    Raises:
        FileNotFoundError: If the folder lacks one of the two, or the split.
        ValueError: If there is no `path`, the split is another, or an image has no
            mask.
    """
    check_split(CARD, split)
    images = find_root(
        CARD, path, f"leftImg8bit/{split}", ("leftImg8bit_trainvaltest",)
    )
    masks = find_root(CARD, path, f"gtFine/{split}", ("gtFine_trainvaltest",))
    images, masks = images / "leftImg8bit" / split, masks / "gtFine" / split
    # Both are read alike; those with the 19 classes are not in the archives.
    kind, values = "labelIds", _FROM_LABELS
    if next(masks.glob("*/*_gtFine_labelTrainIds.png"), None):
        kind, values = "labelTrainIds", _FROM_TRAIN_IDS
    pairs = []
    for image in sorted(images.glob("*/*_leftImg8bit.png")):
        name = image.name.removesuffix("_leftImg8bit.png")
        pairs.append((image, masks / image.parent.name / f"{name}_gtFine_{kind}.png"))
    return FileSource(complete(pairs), LABELS, values=values)
