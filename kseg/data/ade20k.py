"""ADE20K for scene parsing: 150 classes of what is indoors and outdoors.

Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017, in the selection of the
MIT Scene Parsing Benchmark of 2016. http://sceneparsing.csail.mit.edu
The files hold 1 to 150, and 0 where something else is, which is not scored: classes
are the files' values less 1. Names are the first of the benchmark's synonyms
(`objectInfo150.txt` of CSAILVision/sceneparsing), colours those of its `color150.mat`
as OpenMMLab's MMSegmentation lists them.
"""

from pathlib import Path, PurePosixPath

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.layout import check_counts, check_split, find_root
from kseg.data.pairing import pair_files
from kseg.data.sources import FileSource
from kseg.download import cache_dir
from kseg.labels import Color, Labels

# Name and colour of each class, the colour in hexadecimal.
_CLASSES = """
wall 787878, building b47878, sky 06e6e6, floor 503232, tree 04c803, ceiling 787850,
road 8c8c8c, bed cc05ff, windowpane e6e6e6, grass 04fa07, cabinet e005ff,
sidewalk ebff07, person 96053d, earth 787846, door 08ff33, table ff0652,
mountain 8fff8c, plant ccff04, curtain ff3307, chair cc4603, car 0066c8, water 3de6fa,
painting ff0633, sofa 0b66ff, shelf ff0747, house ff09e0, sea 0907e6, mirror dcdcdc,
rug ff095c, field 7009ff, armchair 08ffd6, seat 07ffe0, fence ffb806, desk 0aff47,
rock ff290a, wardrobe 07ffff, lamp e0ff08, bathtub 6608ff, railing ff3d06,
cushion ffc207, base ff7a08, box 00ff14, column ff0829, signboard ff0599,
chest of drawers 0633ff, counter eb0cff, sand a09614, sink 00a3ff, skyscraper 8c8c8c,
fireplace fa0a0f, refrigerator 14ff00, grandstand 1fff00, path ff1f00, stairs ffe000,
runway 99ff00, case 0000ff, pool table ff4700, pillow 00ebff, screen door 00adff,
stairway 1f00ff, river 0bc8c8, bridge ff5200, bookcase 00fff5, blind 003dff,
coffee table 00ff70, toilet 00ff85, flower ff0000, book ffa300, hill ff6600,
bench c2ff00, countertop 008fff, stove 33ff00, palm 0052ff, kitchen island 00ff29,
computer 00ffad, swivel chair 0a00ff, boat adff00, bar 00ff99, arcade machine ff5c00,
hovel ff00ff, bus ff00f5, towel ff0066, light ffad00, truck ff0014, tower ffb8b8,
chandelier 001fff, awning 00ff3d, streetlight 0047ff, booth ff00cc, television 00ffc2,
airplane 00ff52, dirt track 000aff, apparel 0070ff, pole 3300ff, land 00c2ff,
bannister 007aff, escalator 00ffa3, ottoman ff9900, bottle 00ff0a, buffet ff7000,
poster 8fff00, stage 5200ff, van a3ff00, ship ffeb00, fountain 08b8aa,
conveyer belt 8500ff, canopy 00ff5c, washer b800ff, plaything ff001f,
swimming pool 00b8ff, stool 00d6ff, barrel ff0070, basket 5cff00, waterfall 00e0ff,
tent 70e0ff, bag 46b8a0, minibike a300ff, cradle 9900ff, oven 47ff00, ball ff00a3,
food ffcc00, step ff008f, tank 00ffeb, trade name 85ff00, microwave ff00eb, pot f500ff,
animal ff007a, bicycle fff500, lake 0abed4, dishwasher d6ff00, screen 00ccff,
blanket 1400ff, sculpture ffff00, hood 0099ff, sconce 0029ff, vase 00ffcc,
traffic light 2900ff, tray 29ff00, ashcan ad00ff, fan 00f5ff, pier 4700ff,
crt screen 7a00ff, plate 00ffb8, monitor 005cff, bulletin board b8ff00, shower 0085ff,
radiator ffd600, glass 19c2c2, clock 66ff00, flag 5c00ff
"""


def _labels() -> Labels:
    """Reads names and colours from the table."""
    rows = [" ".join(row.split()) for row in _CLASSES.split(",")]
    names, codes = zip(*(row.rsplit(" ", 1) for row in rows), strict=True)
    colors: list[Color] = []
    for red, green, blue in map(bytes.fromhex, codes):
        colors.append((red, green, blue))
    return Labels(names, tuple(colors))


LABELS = _labels()
# Value in the files to class id.
VALUES = {0: LABELS.ignore_class, **{i + 1: i for i in range(LABELS.num_classes)}}
CARD = Card(
    title="ADE20K (scene parsing, 150 classes)",
    labels=LABELS,
    void="What is none of the 150 classes, 0 in the files.",
    splits={"train": 20_210, "val": 2_000},
    license="Images: non-commercial research and education. Masks: BSD 3-Clause",
    citation="Zhou, Zhao, Puig, Fidler, Barriuso, Torralba: Scene Parsing through "
    "ADE20K Dataset, CVPR 2017",
    homepage="http://sceneparsing.csail.mit.edu",
    # Digest: GluonCV (scripts/datasets/ade20k.py).
    downloads=(
        Download(
            "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
            "sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7",
            1_000_000_000,
        ),
    ),
)
_ROOT = PurePosixPath("ADEChallengeData2016")
_FOLDERS = {"train": "training", "val": "validation"}


def ade20k(split: str, path: str | Path | None = None) -> FileSource:
    """Opens ADE20K for scene parsing.

    Args:
        split: `"train"` or `"val"`. The masks of the test images are not published.
        path: The folder `ADEChallengeData2016` with `images/training`,
            `annotations/training`, ..., or one around it; `None` for kseg's own,
            filled by a download of about 1 GB when it is not there.

    Returns:
        The images of the split; masks hold 0 (wall) to 149 (flag), and 255.

    Raises:
        FileNotFoundError: If the folder or the split is missing.
        OSError: If the download fails.
        ValueError: If the split is another, an image has no mask, or the download does
            not hold what was published.
    """
    check_split(CARD, split)
    if path is None:
        path = install(
            CARD.title, cache_dir() / "ade20k", CARD.downloads, _unpack, _check
        )
    root = find_root(CARD, path, "annotations", (str(_ROOT),))
    return FileSource(_pairs(root, split), LABELS, values=VALUES)


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    folder = _FOLDERS[split]
    return pair_files(root / "images" / folder, root / "annotations" / folder)


def _unpack(archive: Path, target: Path) -> None:
    """Lays images and masks of the archive out in `target`."""
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of the archive goes."""
    for folder, suffix in (("images", ".jpg"), ("annotations", ".png")):
        if member.is_relative_to(_ROOT / folder) and member.suffix == suffix:
            return member.relative_to(_ROOT)
    return None


def _check(root: Path) -> None:
    """Raises if a folder does not hold all images with their masks."""
    check_counts(CARD.title, CARD.splits, lambda split: _pairs(root, split))
