"""SIFT Flow: 2,688 outdoor scenes of 256x256 with 33 classes, and with 3 of geometry.

Liu, Yuen and Torralba, "Nonparametric Scene Parsing via Label Transfer", PAMI 2011, in
the form of Tighe and Lazebnik, "SuperParsing", ECCV 2010, who added the geometry.
http://www.cs.unc.edu/~jtighe/Papers/ECCV10/
Of the 2,488 images to train on two have no annotation and are left out, as FCN does.
Cow, desert and moon do not come in the 200 test images: FCN's scores leave them out.
There is no validation split; papers choose and report by the test images.
"""

from pathlib import Path, PurePosixPath

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.layout import check_counts, check_split, complete, find_root
from kseg.data.mat_source import MatSource
from kseg.download import cache_dir
from kseg.labels import Labels, default_colors

NAMES = (
    "awning balcony bird boat bridge building bus car cow crosswalk desert door fence "
    "field grass moon mountain person plant pole river road rock sand sea sidewalk "
    "sign sky staircase streetlight sun tree window"
)
LABELS = Labels(tuple(NAMES.split()), default_colors(34)[1:])
GEOMETRY = Labels(("sky", "horizontal", "vertical"), default_colors(4)[1:])
# The test images of Liu et al., as FCN's data/sift-flow/test.txt lists them.
TEST = {
    "coast": "arnat59 bea3 cdmc838 cdmc889 cdmc948 cdmc997 land296 land374 n199066 "
    "n203085 n286045 n295051 n384099 n672069 nat1091 nat1265 nat294 nat643 nat799 "
    "nat901 natu468 natu649 natu804 natu825 natu975 sun14 sun42",
    "forest": "bost103 cdmc291 cdmc348 cdmc451 for114 for15 for42 for84 land222 "
    "land760 land862 nat1033 nat130 nat220 nat324 nat400 nat717 natc52 natu29 natu439 "
    "natu848 natu994 text124 text44",
    "highway": "a836030 art238 art580 bost151 bost164 bost178 bost293 bost307 bost320 "
    "bost374 gre141 gre37 gre413 gre472 gre492 gre55 gre661 n480036 par23 urb759",
    "insidecity": "a223049 a48009 a807066 art1125 art1277 art1598 art569 art646 "
    "art690 art829 art947 boston232 boston92 gre290 hous109 hous35 hous79 par180 "
    "urb250 urb362 urb584 urb781 urban992",
    "mountain": "land143 land188 land275 land4 land787 moun41 n18070 n213021 n213081 "
    "n219015 n344042 n371066 n44009 n736026 nat1008 nat116 nat30 nat426 nat57 nat762 "
    "nat891 natu568 natu786 sharp20 sharp44 sharp66 ski24",
    "opencountry": "cdmc354 fie14 fie36 land206 land295 land364 land493 land534 "
    "land575 land638 land660 land691 land797 land923 n18002 n213059 n291058 n490003 "
    "nat1117 nat423 nat615 nat802 nat965 natu38 natu524 natu563 natu65 natu852 "
    "natu998 open61 tell67",
    "street": "art1328 art760 art861 bost136 bost77 boston271 boston378 gre11 gre179 "
    "gre295 hexp3 par118 par151 par177 par29 par68 par86 street27 urb200 urb521 "
    "urb885",
    "tallbuilding": "a212033 a279033 a463068 a487066 a538076 a805096 archi296 art1004 "
    "art1316 art1474 art1616 art1719 art1751 art306 art425 art527 art900 city22 "
    "city56 sky17 sky7 urb733 urban1003 urban1126 urban16 urban73 urban991",
}
CARD = Card(
    title="SIFT Flow",
    labels=LABELS,
    void="Pixels without a class, the files' 0 (and -1 of the geometry).",
    splits={"train": 2486, "val": 200, "test": 200},
    license="None given",
    citation="Liu, Yuen, Torralba: Nonparametric Scene Parsing via Label Transfer, "
    "PAMI 2011; geometry: Tighe, Lazebnik: SuperParsing, ECCV 2010",
    homepage="http://people.csail.mit.edu/celiu/LabelTransfer/code.html",
    downloads=(
        Download(
            "http://www.cs.unc.edu/~jtighe/Papers/ECCV10/siftflow/SiftFlowDataset.zip"
        ),
    ),
)
_UNLABELLED = ("highway_bost181", "street_urb506")
_FOLDERS = {"semantic": "SemanticLabels", "geometric": "GeoLabels"}
_CONTENTS = {("Images", ".jpg"), ("SemanticLabels", ".mat"), ("GeoLabels", ".mat")}
# The files' numbers begin at 1.
_VALUES = {
    task: {-1: 255, 0: 255, **{i + 1: i for i in range(labels.num_classes)}}
    for task, labels in (("semantic", LABELS), ("geometric", GEOMETRY))
}


def siftflow(
    split: str, path: str | Path | None = None, task: str = "semantic"
) -> MatSource:
    """Opens SIFT Flow.

    Args:
        split: `"train"`, or `"test"`, which `"val"` is another name of.
        path: Folder of the archive, with `Images/**/*.jpg`, `SemanticLabels/**/*.mat`
            and `GeoLabels/**/*.mat`; `None` for kseg's own folder, filled by a download
            when it is not there.
        task: `"semantic"` for 33 classes or `"geometric"` for sky, horizontal and
            vertical.

    Returns:
        The images of the split, in the order of their names.

    Raises:
        FileNotFoundError: If the folder is not that of SIFT Flow.
        OSError: If the download fails.
        ValueError: If the split or the task is another, images or labels are missing,
            or downloaded files are not those of the data set.
    """
    check_split(CARD, split)
    if task not in _FOLDERS:
        raise ValueError(
            f"`task` must be 'semantic' or 'geometric'. Received: {task!r}."
        )
    if path is None:
        path = install(
            CARD.title, cache_dir() / "siftflow", CARD.downloads, _unpack, _check
        )
    root = find_root(CARD, path, "Images", ("SiftFlowDataset",))
    labels = LABELS if task == "semantic" else GEOMETRY
    return MatSource(_pairs(root, split, task), labels, "S", _VALUES[task])


def _pairs(root: Path, split: str, task: str) -> list[tuple[Path, Path]]:
    """Returns the images of a split and their labels."""
    images = {file.stem: file for file in (root / "Images").rglob("*.jpg")}
    masks = {file.stem: file for file in (root / _FOLDERS[task]).rglob("*.mat")}
    test = {f"{scene}_{name}" for scene in TEST for name in TEST[scene].split()}
    names = images.keys() & test
    if split == "train":
        names = images.keys() - test - set(_UNLABELLED)
    nowhere = root / _FOLDERS[task]
    return complete(
        [(images[n], masks.get(n, nowhere / f"{n}.mat")) for n in sorted(names)]
    )


def _unpack(archive: Path, target: Path) -> None:
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of the archive goes."""
    if member.name.startswith("."):
        return None  # what a Mac adds
    for place, part in enumerate(member.parts[:-1]):
        if (part, member.suffix) in _CONTENTS:
            return PurePosixPath(*member.parts[place:])
    return None


def _check(path: Path) -> None:
    """Raises if a folder does not hold all pairs of both tasks."""
    for task in _FOLDERS:
        check_counts(CARD.title, CARD.splits, lambda s, t=task: siftflow(s, path, t))
