"""What the pages presume that a reader has, tiny: photos, downloads, other's files."""

import json
import shutil
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from kseg.data.synthetic import LABELS, scene
from kseg.labels import Labels
from kseg.raster import write_image, write_mask

SIZE = (48, 64)
_NAME = "camvid_deeplabv3plus_mobilenet_v2"
LITERT = Path(__file__).parents[2] / "saved_models" / _NAME / f"{_NAME}_int8"
# The classes of the README's photos, by those of the scenes.
CLASSES = {"road": "road", "car": "car", "tree": "vegetation"}
XML = (
    "<annotation><size><height>48</height><width>64</width></size>"
    "<polygon><tag>{tag}</tag><point><X>5</X><Y>5</Y></point>"
    "<point><X>40</X><Y>30</Y></point></polygon></annotation>"
)


def make(folder) -> None:
    """Writes everything into a folder."""
    photos(folder / "photos")
    write_image(folder / "holiday.jpg", picture(0))
    write_image(folder / "photo.jpg", picture(1))
    picture(2).save(folder / "city.tif")
    for ending in (".tflite", ".json"):
        shutil.copy(f"{LITERT}{ending}", folder / f"street_int8{ending}")
    labelme(folder / "labelled")
    (folder / "scribbles").mkdir()
    for tag in ("kitten", "dog"):
        (folder / "scribbles" / f"{tag}.xml").write_text(XML.format(tag=tag))
    voc(folder / "VOCdevkit" / "VOC2012")


def make_cache(folder) -> None:
    """Writes what has been downloaded, into the folder of `KSEG_HOME`."""
    voc(folder / "voc2012")
    sbd(folder / "sbd")


def picture(index: int) -> Image.Image:
    """Returns a street."""
    return Image.fromarray(scene(index, size=SIZE)[0])


def photos(folder) -> None:
    """Writes five photographs, and masks of three classes."""
    labels = Labels.named(list(CLASSES))
    table = np.full(256, 255, "uint8")
    for index, name in enumerate(CLASSES.values()):
        table[LABELS.names.index(name)] = index
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for index in range(5):
        name = f"street_{index:03d}"
        write_image(folder / "images" / f"{name}.jpg", picture(index))
        mask = table[scene(index, size=SIZE)[1]]
        write_mask(folder / "masks" / f"{name}.png", mask, labels)


def labelme(folder) -> None:
    """Writes photographs with a polygon each, as LabelMe does."""
    folder.mkdir()
    for index in range(5):
        write_image(folder / f"{index}.png", picture(index))
        points = [[0, 0], [30, 0], [30, 20]]
        polygon = {"label": "car", "points": points, "shape_type": "polygon"}
        about = {"imagePath": f"{index}.png", "imageHeight": 48, "imageWidth": 64}
        (folder / f"{index}.json").write_text(json.dumps(about | {"shapes": [polygon]}))


def voc(folder) -> None:
    """Writes an image for training and one for validation, as PASCAL VOC 2012 has."""
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    names = {"train": ["2007_000032"], "val": ["2007_000033"]}
    for split, listed in (names | {"trainval": sum(names.values(), [])}).items():
        list_file = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        list_file.write_text("".join(f"{name}\n" for name in listed))
    for index, name in enumerate(["2007_000032", "2007_000033"]):
        write_image(folder / "JPEGImages" / f"{name}.jpg", picture(index))
        mask = scene(index, size=SIZE)[1]
        write_mask(folder / "SegmentationClass" / f"{name}.png", mask, LABELS)


def sbd(folder) -> None:
    """Writes the mask of VOC's training image again, as SBD has it."""
    (folder / "cls").mkdir(parents=True)
    mask = {"GTcls": {"Segmentation": np.zeros(SIZE, "uint8")}}
    scipy.io.savemat(folder / "cls" / "2007_000032.mat", mask)
    (folder / "train.txt").write_text("2007_000032\n")
    (folder / "val.txt").write_text("")
