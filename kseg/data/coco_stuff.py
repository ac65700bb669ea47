"""COCO-Stuff: 80 kinds of things and 91 of stuff in the images of COCO 2017.

Caesar et al., "COCO-Stuff: Thing and Stuff Classes in Context", CVPR 2018.
https://github.com/nightrome/cocostuff
Its authors number 182 labels. 11 of COCO's things were never drawn, so that 171 are
trained; what nobody drew is 255 in the files, which hold a label less 1. The files
have no colours, and those of PASCAL VOC are used.
"""

from pathlib import Path, PurePosixPath

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.layout import check_counts, check_split, find_root
from kseg.data.pairing import pair_files
from kseg.data.sources import FileSource
from kseg.download import cache_dir
from kseg.labels import Labels

# `labels.txt` of the authors without its label 0, unlabeled: 91 things, 91 kinds of
# stuff, in the order of their labels.
_NAMED = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
fire hydrant, street sign, stop sign, parking meter, bench, bird, cat, dog, horse,
sheep, cow, elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup,
fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog,
pizza, donut, cake, chair, couch, potted plant, bed, mirror, dining table, window, desk,
toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier,
toothbrush, hair brush,

banner, blanket, branch, bridge, building-other, bush, cabinet, cage, cardboard, carpet,
ceiling-other, ceiling-tile, cloth, clothes, clouds, counter, cupboard, curtain,
desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other, floor-stone, floor-tile,
floor-wood, flower, fog, food-other, fruit, furniture-other, grass, gravel,
ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss, mountain, mud,
napkin, net, paper, pavement, pillow, plant-other, plastic, platform, playingfield,
railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf, sky-other,
skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table, tent,
textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other,
wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind,
window-other, wood
"""
_NEVER_DRAWN = {
    "street sign",
    "hat",
    "shoe",
    "eye glasses",
    "plate",
    "mirror",
    "window",
    "desk",
    "door",
    "blender",
    "hair brush",
}
_NAMES = [" ".join(name.split()) for name in _NAMED.split(",")]
_DRAWN = [i for i, name in enumerate(_NAMES) if name not in _NEVER_DRAWN]
LABELS = Labels.named([_NAMES[value] for value in _DRAWN])
# Value in the files to class id.
VALUES = {
    **{value: i for i, value in enumerate(_DRAWN)},
    LABELS.ignore_class: LABELS.ignore_class,
}
CARD = Card(
    title="COCO-Stuff 164k",
    labels=LABELS,
    void="What nobody drew, 255 in the files.",
    splits={"train": 118_287, "val": 5_000},
    license="Masks: CC BY 4.0. Images: terms of use of Flickr",
    citation="Caesar, Uijlings, Ferrari: COCO-Stuff: Thing and Stuff Classes in "
    "Context, CVPR 2018",
    homepage="https://github.com/nightrome/cocostuff",
    # Digests of the images: TensorFlow Datasets (url_checksums/coco.txt).
    downloads=(
        Download(
            "http://images.cocodataset.org/zips/train2017.zip",
            "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            19_336_861_798,
        ),
        Download(
            "http://images.cocodataset.org/zips/val2017.zip",
            "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            815_585_330,
        ),
        Download(
            "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/"
            "stuffthingmaps_trainval2017.zip",
            size=659_000_000,
        ),
    ),
)
_KINDS = {".jpg": "images", ".png": "annotations"}


def coco_stuff(split: str, path: str | Path | None = None) -> FileSource:
    """Opens COCO-Stuff 164k.

    Args:
        split: `"train"` or `"val"`.
        path: Folder with `images/train2017/*.jpg`, `annotations/train2017/*.png`,
            ..., or the folder `dataset` of the authors around it; `None` for kseg's
            own, filled by a download of 21 GB when it is not there, which needs twice
            that while it is unpacked.

    Returns:
        The images of the split; masks hold 0 (person) to 170 (wood), and 255.

    Raises:
        FileNotFoundError: If the folder or the split is missing.
        OSError: If a download fails.
        ValueError: If the split is another, an image has no mask, or the downloads do
            not hold what was published.
    """
    check_split(CARD, split)
    if path is None:
        path = install(
            CARD.title, cache_dir() / "coco_stuff", CARD.downloads, _unpack, _check
        )
    root = find_root(CARD, path, "annotations", ("dataset",))
    return FileSource(_pairs(root, split), LABELS, values=VALUES)


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    images, masks = (root / kind / f"{split}2017" for kind in _KINDS.values())
    return pair_files(images, masks)


def _unpack(archive: Path, target: Path) -> None:
    """Lays images or masks of an archive out in `target`."""
    extract(archive, target, _place, limit=32 << 30)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of an archive goes."""
    if member.parent.name in ("train2017", "val2017") and member.suffix in _KINDS:
        return PurePosixPath(_KINDS[member.suffix], member.parent.name, member.name)
    return None


def _check(root: Path) -> None:
    """Raises if a folder does not hold all images with their masks."""
    check_counts(CARD.title, CARD.splits, lambda split: _pairs(root, split))
