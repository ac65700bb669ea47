"""Oxford-IIIT Pet: cats and dogs of 37 breeds, one a photograph, and their outlines.

Parkhi et al., "Cats and Dogs", CVPR 2012. https://www.robots.ox.ac.uk/~vgg/data/pets/
The masks are trimaps: pet, background, and a band along the outline where either may
be. The authors split the images into two lists, to train and to test on. `"val"` is
the second one, as in most use of the data set: who chooses a network by it has no
images left to report a score on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from kseg.data.archives import extract, install
from kseg.data.card import Card, Download
from kseg.data.images import read_mask
from kseg.data.layout import check_counts, check_split, complete, find_root, read_list
from kseg.data.sources import FileSource
from kseg.download import cache_dir
from kseg.labels import Labels
from kseg.registry import unknown

LABELS = Labels.named(("pet", "background", "border"))
PET_LABELS = Labels.named(("pet", "background"))
BREED_LABELS = Labels.named(
    (
        "Abyssinian",
        "american_bulldog",
        "american_pit_bull_terrier",
        "basset_hound",
        "beagle",
        "Bengal",
        "Birman",
        "Bombay",
        "boxer",
        "British_Shorthair",
        "chihuahua",
        "Egyptian_Mau",
        "english_cocker_spaniel",
        "english_setter",
        "german_shorthaired",
        "great_pyrenees",
        "havanese",
        "japanese_chin",
        "keeshond",
        "leonberger",
        "Maine_Coon",
        "miniature_pinscher",
        "newfoundland",
        "Persian",
        "pomeranian",
        "pug",
        "Ragdoll",
        "Russian_Blue",
        "saint_bernard",
        "samoyed",
        "scottish_terrier",
        "shiba_inu",
        "Siamese",
        "Sphynx",
        "staffordshire_bull_terrier",
        "wheaten_terrier",
        "yorkshire_terrier",
        "background",
    )
)
CARD = Card(
    title="Oxford-IIIT Pet",
    labels=LABELS,
    void="None; the border, with the targets `pet` and `breed`.",
    splits={"train": 3680, "val": 3669},
    license="CC BY-SA 4.0",
    citation="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and Dogs, CVPR 2012",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    # Addresses and digests: TensorFlow Datasets (oxford_iiit_pet/checksums.tsv).
    downloads=(
        Download(
            "https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz",
            "sha256:67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            791_918_971,
        ),
        Download(
            "https://thor.robots.ox.ac.uk/~vgg/data/pets/annotations.tar.gz",
            "sha256:52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            19_173_078,
        ),
    ),
)
_LISTS = {"train": "trainval.txt", "val": "test.txt"}
# Value in the files to class id.
_TRIMAP = {1: 0, 2: 1, 3: 2}
_PET = {1: 0, 2: 1, 3: PET_LABELS.ignore_class}


def oxford_iiit_pet(
    split: str, path: str | Path | None = None, target: str = "trimap"
) -> FileSource:
    """Opens Oxford-IIIT Pet.

    Args:
        split: `"train"`, the authors' `trainval.txt`, or `"val"`, their `test.txt`.
        path: Folder with `images/*.jpg`, `annotations/trimaps/*.png` and the lists in
            `annotations`; `None` for kseg's own, filled by a download of 0.8 GB when it
            is not there.
        target: `"trimap"` for pet, background and border; `"pet"` for pet and
            background, the border void; `"breed"` for the 37 breeds and background,
            the border void.

    Returns:
        The images of the split in the order of its list.

    Raises:
        FileNotFoundError: If the folder or a list is missing.
        OSError: If a download fails.
        ValueError: If split or target are others, an image or a mask is missing, or
            the downloads do not hold what was published.
    """
    check_split(CARD, split)
    if target not in ("trimap", "pet", "breed"):
        raise ValueError(unknown("target", target, ["trimap", "pet", "breed"]))
    if path is None:
        path = install(
            CARD.title, cache_dir() / "oxford_iiit_pet", CARD.downloads, _unpack, _check
        )
    root = find_root(CARD, path, "annotations/trimaps", ("oxford-iiit-pet",))
    pairs = _pairs(root, split)
    if target == "trimap":
        return FileSource(pairs, LABELS, values=_TRIMAP)
    if target == "pet":
        return FileSource(pairs, PET_LABELS, values=_PET)
    return _Breeds(pairs, BREED_LABELS, breeds=_breeds(root, split))


@dataclass(frozen=True)
class _Breeds(FileSource):
    """Images whose pets are each of one breed."""

    breeds: Sequence[int] = ()

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        background, void = self.labels.num_classes - 1, self.labels.ignore_class
        values: Mapping[int, int] = {1: self.breeds[index], 2: background, 3: void}
        return read_mask(self.pairs[index][1], self.labels, values=values)


def _breeds(root: Path, split: str) -> list[int]:
    """Reads the class ids of the breeds of a split, which its list counts from 1."""
    path = root / "annotations" / _LISTS[split]
    known = {str(i + 1): i for i in range(BREED_LABELS.num_classes - 1)}
    lines = read_list(path)
    for line in lines:
        if len(line) < 2 or line[1] not in known:
            raise ValueError(
                "A line of a list must hold an image's name and its breed, 1 to 37. "
                f"Received: {' '.join(line)!r} in {path}."
            )
    return [known[line[1]] for line in lines]


def _pairs(root: Path, split: str) -> list[tuple[Path, Path]]:
    """Finds the images of a split and their masks."""
    names = [line[0] for line in read_list(root / "annotations" / _LISTS[split])]
    masks = root / "annotations" / "trimaps"
    return complete(
        [(root / "images" / f"{name}.jpg", masks / f"{name}.png") for name in names]
    )


def _unpack(archive: Path, target: Path) -> None:
    """Lays images, or trimaps and lists, out in `target`."""
    extract(archive, target, _place)


def _place(member: PurePosixPath) -> PurePosixPath | None:
    """Says where a file of the archives goes; Macintosh's `._` files go nowhere."""
    kept = ("images/*.jpg", "annotations/trimaps/*.png", "annotations/*.txt")
    if member.name.startswith("."):
        return None
    return member if any(member.match(pattern) for pattern in kept) else None


def _check(root: Path) -> None:
    """Raises if a folder does not hold all images with their masks."""
    check_counts(CARD.title, CARD.splits, lambda split: _pairs(root, split))
