import os

import pytest
from PIL import Image

from kseg.data.folder import folder
from kseg.data.folder_layouts import split_pairs


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(path)


def found(root, split, **options):
    pairs = split_pairs(root, split, **options)
    return [tuple(str(p.relative_to(root)) for p in pair) for pair in pairs]


LAYOUTS = [
    ("{s}/images/{n}.jpg", "{s}/masks/{n}.png"),
    ("{s}/Img/{n}.jpg", "{s}/GT/{n}.png"),
    ("images/{s}/{n}.jpg", "annotations/{s}/{n}.png"),
    ("leftImg8bit/{s}/x/{n}_leftImg8bit.png", "gtFine/{s}/x/{n}_gtFine_labelIds.png"),
    ("{s}/{n}.png", "{s}annot/{n}.png"),
    ("{s}/{n}.png", "{s}_labels/{n}_L.png"),
    ("{s}/{n}.jpg", "{s}/{n}.png"),
    ("{s}/{n}.png", "{s}/{n}_mask.png"),
    ("{s}/images/{n}.png", "{s}/images/{n}_mask.png"),
]


@pytest.mark.parametrize(("image", "mask"), LAYOUTS)
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_splits_that_are_folders(tmp_path, image, mask, val):
    content = {"train": ["a", "b 1"], val: ["c"]}
    for split, names in content.items():
        for name in names:
            values = {"s": split, "n": name}
            touch(tmp_path, image.format(**values), mask.format(**values))
    assert len(found(tmp_path, "train")) == 2
    values = {"s": val, "n": "c"}
    assert found(tmp_path, "val") == [(image.format(**values), mask.format(**values))]


@pytest.mark.parametrize("file", ["splits/{}.txt", "{}.txt", "{}_list.txt"])
@pytest.mark.parametrize(
    ("line", "masks"),
    [
        ("{}", "masks"),
        ("{}.jpg", "masks"),
        ("images/{}.jpg", "masks"),
        ("images/{}.jpg elsewhere/{}.png", "elsewhere"),
        ("images/{}.jpg\telsewhere/{}.png", "elsewhere"),
    ],
)
def test_splits_that_are_lists(tmp_path, file, line, masks):
    content = {"train": ["a 1", "town/b"], "val": ["c.5"]}
    touch(tmp_path, "images/unlabelled.jpg", f"{masks}/lone.png")
    for split, names in content.items():
        (tmp_path / file.format(split)).parent.mkdir(exist_ok=True)
        lines = [line.format(name, name) for name in names]
        text = "# a comment\n" + "\r\n".join(lines) + "\n\n"
        (tmp_path / file.format(split)).write_text(text)
        for name in names:
            touch(tmp_path, f"images/{name}.jpg", f"{masks}/{name}.png")
    for split, names in content.items():
        expected = [(f"images/{n}.jpg", f"{masks}/{n}.png") for n in names]
        assert found(tmp_path, split) == expected


def test_voc_and_its_object_masks(tmp_path):
    kinds = (
        "JPEGImages/{}.jpg",
        "SegmentationClass/{}.png",
        "SegmentationObject/{}.png",
    )
    touch(tmp_path, *(kind.format(n) for n in "abc" for kind in kinds))
    touch(tmp_path, "JPEGImages/d.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "a.xml").write_text("<annotation/>")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nc\n")
    assert found(tmp_path, "train") == [
        (f"JPEGImages/{n}.jpg", f"SegmentationClass/{n}.png") for n in "ac"
    ]
    assert len(folder("train", tmp_path, classes=2)) == 2
    with pytest.raises(ValueError, match="2 of .*train.txt: 'd x'"):
        (lists / "train.txt").write_text("a\nd x\n")
        found(tmp_path, "train")
    with pytest.raises(ValueError, match=r"1 without mask.*\['d'\]"):
        (lists / "train.txt").write_text("a\nd\n")
        found(tmp_path, "train")
    with pytest.raises(ValueError, match="empty"):
        (lists / "train.txt").write_text("\n")
        found(tmp_path, "train")


def test_a_list_in_other_letters(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    touch(tmp_path, f"images/{name}.png", f"masks/{name}.png")
    (tmp_path / "train.txt").write_bytes(b"caf\xe9\n")
    assert found(tmp_path, "train") == [(f"images/{name}.png", f"masks/{name}.png")]


def test_without_splits_in_one_folder(tmp_path):
    touch(
        tmp_path, *(f"{n}.jpg" for n in range(10)), *(f"{n}_L.png" for n in range(10))
    )
    assert found(tmp_path, "val") == [("0.jpg", "0_L.png"), ("5.jpg", "5_L.png")]
    assert len(found(tmp_path, "train", mask_suffix="_L")) == 8


def test_several_folders_of_masks_are_an_error(tmp_path):
    touch(tmp_path, "images/a.png", "labels/a.png", "gt/a.png")
    with pytest.raises(ValueError, match=r"\['labels', 'gt'\].*`masks` names one"):
        found(tmp_path, "train")
    touch(tmp_path, "images/b.png", "gt/b.png")
    assert len(found(tmp_path, "train", masks="gt", fraction=0.5)) == 1
    (tmp_path / "labels" / "a.png").rename(tmp_path / "labels" / "a.txt")
    assert len(found(tmp_path, "train", fraction=0.5)) == 1


def test_errors_say_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(FileNotFoundError, match="looked for.*images.*found notes/"):
        found(tmp_path, "train")
    touch(tmp_path, "train/images/a.png", "train/masks/a.png")
    with pytest.raises(FileNotFoundError, match=r"splits/test.txt. It holds notes/"):
        found(tmp_path, "test")
    with pytest.raises(FileNotFoundError, match="masks"):
        found(tmp_path / "train" / "masks" / "..", "val", masks="none")
