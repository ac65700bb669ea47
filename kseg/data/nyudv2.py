"""NYU Depth v2: 1,449 indoor pictures of 640x480 with depth, in 40 or 13 classes.

Silberman, Hoiem, Kohli and Fergus, "Indoor Segmentation and Support Inference from RGBD
Images", ECCV 2012. https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html
The 894 labels become the 40 classes of Gupta et al., "Perceptual Organization and
Recognition of Indoor Scenes from RGB-D Images", CVPR 2013, by their
`classMapping40.mat`: 37 labels, two groups, and the rest. The 13 classes are those of
Couprie et al., "Indoor Semantic Segmentation using Depth Information", ICLR 2013, by
the `class13Mapping.mat` of ankurhanda/nyuv2-meta-data. The pictures are whole, as in
the file: FCN's are cropped to what the depth sensor sees. There is no validation split;
papers choose and report by the 654 test images.
"""

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from kseg.data.archives import install
from kseg.data.card import Card, Download
from kseg.data.hha import hha
from kseg.data.layout import check_counts, check_split, find_root
from kseg.data.mat_source import read_whole_numbers
from kseg.download import cache_dir
from kseg.labels import Labels, default_colors

# Class to its label, from 1, of the 37 classes that are one label.
_SINGLE = {
    "wall": 21, "floor": 11, "cabinet": 3, "bed": 157, "chair": 5, "sofa": 83,
    "table": 19, "door": 28, "window": 59, "bookshelf": 88, "picture": 64,
    "counter": 7, "blinds": 80, "desk": 36, "shelves": 42, "curtain": 89,
    "dresser": 169, "pillow": 119, "mirror": 122, "floor mat": 143, "clothes": 141,
    "ceiling": 4, "books": 85, "refridgerator": 17, "television": 172, "paper": 15,
    "towel": 135, "shower curtain": 123, "box": 26, "whiteboard": 45, "person": 331,
    "night stand": 158, "toilet": 124, "sink": 24, "lamp": 144, "bathtub": 136,
    "bag": 55,
}  # fmt: skip
_STRUCTURE = (
    8, 25, 33, 38, 51, 53, 57, 58, 62, 65, 79, 94, 104, 112, 134, 153, 215, 216, 223,
    225, 238, 241, 242, 256, 295, 301, 339, 342, 354, 363, 372, 380, 392, 408, 412, 453,
    456, 463, 477, 497, 541, 550, 553, 567, 573, 582, 591, 609, 612, 615, 642, 645, 657,
    658, 659, 663, 667, 668, 686, 700, 702, 777, 778, 782, 850, 861, 868, 874,
)  # fmt: skip
_FURNITURE = (
    12, 43, 48, 50, 87, 106, 111, 161, 163, 174, 183, 204, 214, 219, 221, 224, 236, 262,
    278, 291, 298, 313, 343, 344, 356, 359, 373, 393, 401, 414, 418, 419, 430, 443, 444,
    447, 448, 457, 458, 460, 462, 475, 479, 485, 486, 493, 494, 498, 499, 509, 510, 515,
    521, 524, 540, 549, 551, 554, 556, 558, 576, 580, 608, 625, 703, 734, 770, 772, 797,
    800, 803, 804, 813, 814, 815, 820, 829, 835, 858, 863, 882, 892,
)  # fmt: skip
NUM_LABELS, NUM_PICTURES = 894, 1449
LABELS = Labels(
    (*_SINGLE, "otherstructure", "otherfurniture", "otherprop"), default_colors(41)[1:]
)
LABELS_13 = Labels(
    (
        "bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture",
        "sofa", "table", "tv", "wall", "window",
    ),
    default_colors(14)[1:],
)  # fmt: skip
# Which of the 13, from 1, each of the 40 is.
_TO_13 = (
    12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5,
    7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
)  # fmt: skip
FILE, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
CARD = Card(
    title="NYU Depth v2",
    labels=LABELS,
    void="Pixels without a label, the file's 0.",
    splits={"train": 795, "val": 654, "test": 654},
    license="None given",
    citation="Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support "
    "Inference from RGBD Images, ECCV 2012",
    homepage="https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html",
    downloads=(
        Download(
            f"http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/{FILE}",
            digest="md5:520609c519fba3ba5ac58c8fefcc3530",  # 0jl/NYUv2, Hugging Face
            size=2_972_037_809,
        ),
        Download(f"http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/{SPLITS}"),
    ),
    mean=(116.190, 97.203, 92.318),
    statistics="FCN's nyud_layers.py, of the cropped pictures, which calls them BGR; "
    "they are RGB",
)
INPUTS = ("rgb", "depth", "hha")
_VARIABLES = {"train": "trainNdxs", "val": "testNdxs", "test": "testNdxs"}
# Metres that are 0 and 255 in a picture of the depth, which is logarithmic.
NEAREST, FARTHEST = 0.5, 10.0


def nyudv2(
    split: str,
    path: str | Path | None = None,
    input: str = "rgb",
    classes: int = 40,
) -> "RoomSource":
    """Opens NYU Depth v2.

    Args:
        split: `"train"`, or `"test"`, which `"val"` is another name of.
        path: Folder with `nyu_depth_v2_labeled.mat` and `splits.mat`; `None` for kseg's
            own folder, filled by a download of about 3 GB when it is not there.
        input: What images show: `"rgb"`, the colours; `"depth"`, the logarithm of the
            depth, as FCN takes it, from 0 at 0.5 m to 255 at 10 m, in three equal
            channels; or `"hha"`, what `kseg.data.hha` computes, in 0.6 s an image.
        classes: 40 or 13.

    Returns:
        The images of the split in the order of the file.

    Raises:
        FileNotFoundError: If a file is missing.
        OSError: If a download fails.
        ValueError: If an argument is another, or files are not those of the data set.
    """
    check_split(CARD, split)
    for name, value, known in (
        ("input", input, INPUTS),
        ("classes", classes, (40, 13)),
    ):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {known}. Received: {value!r}.")
    if path is None:
        path = install(
            CARD.title, cache_dir() / "nyudv2", CARD.downloads, _unpack, _check
        )
    root = find_root(CARD, path, FILE)
    if not (root / SPLITS).is_file():
        raise FileNotFoundError(
            f"{SPLITS} must lie beside {FILE}. Received: {path}, without. It is "
            f"{CARD.downloads[1].url}."
        )
    numbers = read_whole_numbers(root / SPLITS, _VARIABLES[split]).ravel() - 1
    _check_file(root, numbers)
    labels = LABELS if classes == 40 else LABELS_13
    return RoomSource(root / FILE, tuple(numbers.tolist()), input, labels)


@dataclasses.dataclass(frozen=True)
class RoomSource:
    """Pictures of a file of NYU Depth v2, read one by one.

    Args:
        path: The file.
        numbers: Which of its pictures, from 0.
        input: `"rgb"`, `"depth"` or `"hha"`.
        labels: The 40 classes or the 13.
    """

    path: Path
    numbers: Sequence[int]
    input: str = "rgb"
    labels: Labels = LABELS

    def __len__(self) -> int:
        """Returns the number of pictures."""
        return len(self.numbers)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a picture and its mask.

        Raises:
            ValueError: If the file is broken.
        """
        if self.input == "rgb":
            image = self._read("images", index).transpose(1, 2, 0)
        elif self.input == "depth":
            image = depth_picture(self._read("depths", index))
        else:
            missing = self._read("rawDepths", index) == 0
            image = hha(self._read("depths", index), missing)
        return np.ascontiguousarray(image), self.mask(index)

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        numbers = self._read("labels", index)
        if numbers.max() > NUM_LABELS:
            raise ValueError(
                f"Labels must be 0 to {NUM_LABELS}. Received: {self.path}, picture "
                f"{self.name(index)}, with {numbers.max()}."
            )
        return class_table(self.labels.num_classes)[numbers]

    def name(self, index: int) -> str:
        """Returns the number of the picture in the file, from 1, four digits."""
        return f"{self.numbers[index] + 1:04d}"

    def _read(self, variable: str, index: int) -> np.ndarray:
        """Reads an array of a picture; MATLAB's axes are in the opposite order."""
        try:
            with h5py.File(self.path) as file:
                array = file[variable][self.numbers[index]]
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(
                f"{FILE} must be whole and hold `{variable}`. Received: {self.path}, "
                f"of which h5py says: {error}."
            ) from error
        return array.swapaxes(-1, -2)


def class_table(classes: int) -> np.ndarray:
    """Returns the class id of each of the labels 0 to 894.

    Args:
        classes: 40 or 13.

    Returns:
        uint8 array `(895,)`; label 0 is void, 255.
    """
    table = np.full(NUM_LABELS + 1, 39, np.uint8)
    table[list(_SINGLE.values())] = range(37)
    table[list(_STRUCTURE)] = 37
    table[list(_FURNITURE)] = 38
    if classes == 13:
        table = np.array(_TO_13, np.uint8)[table] - 1
    table[0] = LABELS.ignore_class
    return table


def depth_picture(depth: np.ndarray) -> np.ndarray:
    """Shows depth as a picture.

    Args:
        depth: Floats `(height, width)` in metres.

    Returns:
        uint8 array `(height, width, 3)`: the logarithm of the depth, clipped, from 0
        at 0.5 m to 255 at 10 m.
    """
    share = np.log(np.clip(depth, NEAREST, FARTHEST) / NEAREST)
    grey = np.rint(255 * share / np.log(FARTHEST / NEAREST)).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def _check_file(path: Path, numbers: np.ndarray) -> None:
    """Raises if the file has not what the split asks for."""
    try:
        with h5py.File(path / FILE) as file:
            shapes = {
                name: file[name].shape
                for name in ("images", "depths", "rawDepths", "labels")
            }
    except (KeyError, OSError) as error:
        raise ValueError(
            f"{FILE} must be a whole HDF5 file with images, depths, rawDepths and "
            f"labels. Received: {path / FILE}, of which h5py says: {error}."
        ) from error
    count, *size = shapes["labels"]
    expected = {name: (count, *size) for name in shapes} | {"images": (count, 3, *size)}
    if shapes != expected:
        raise ValueError(
            f"The arrays of {FILE} must be of one size. Received: {shapes}."
        )
    if numbers.size == 0 or numbers.min() < 0 or numbers.max() >= count:
        raise ValueError(
            f"{SPLITS} must number pictures of {FILE}, 1 to {count}. Received: "
            f"{path / SPLITS}, with {numbers.size} numbers such as {numbers[-1:] + 1}."
        )


def _unpack(file: Path, target: Path) -> None:
    """Gives a downloaded file its place, and leaves the download."""
    target.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, target / file.name)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, target / file.name)


def _check(path: Path) -> None:
    """Raises if the files are not those of the data set."""
    check_counts(CARD.title, CARD.splits, lambda split: nyudv2(split, path))
    numbers = {*nyudv2("train", path).numbers, *nyudv2("test", path).numbers}
    if numbers != set(range(NUM_PICTURES)):
        raise ValueError(
            f"The splits of {CARD.title} must part all {NUM_PICTURES} pictures. "
            f"Received: {len(numbers)} different ones."
        )
