import numpy as np
import pytest
from tool_files import filled, image, random_source

from kseg.data import open_source
from kseg.data.label_tools import write_yolo, yolo

pytest.importorskip("yaml")


def export(path, lines=("0 0 0 0.5 0 0.5 0.5 0 0.5",), yaml=None, names=("a",)):
    """Writes a data set as Ultralytics documents it."""
    for split in ("train", "val"):
        for name in names:
            image(path / "images" / split / f"{name}.png")
            label = path / "labels" / split / f"{name}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("".join(f"{line}\n" for line in lines))
    text = yaml or (
        "path: . # dataset root dir\ntrain: images/train\nval: images/val\n"
        "test:\n\nnames:\n  0: person\n  1: car\n"
    )
    (path / "data.yaml").write_text(text)
    return path


def test_polygons_are_shares_of_the_image(tmp_path):
    lines = ["1 0 0 1 0 1 1 0 1", "", "0 0.5 0.1 1 0.1 1 0.5 0.5 0.5"]
    export(tmp_path, lines)
    source = open_source("yolo", "val", path=tmp_path)
    assert source.labels.names == ("background", "person", "car")
    expected = filled((2, 0, 0, 14, 10), (1, 7, 1, 14, 5))
    np.testing.assert_array_equal(source.mask(0), expected)


def test_an_image_without_labels_is_background(tmp_path):
    export(tmp_path, names=("a", "b"))
    (tmp_path / "labels" / "val" / "a.txt").unlink()
    source = yolo("val", tmp_path)
    assert not source.mask(0).any() and source.mask(1).any()
    (tmp_path / "labels" / "val" / "b.txt").write_text("")
    assert not yolo("val", tmp_path).mask(1).any()


def test_a_split_without_any_labels_is_an_error(tmp_path):
    export(tmp_path)
    (tmp_path / "labels" / "val").rename(tmp_path / "annotations")
    for split in ("val", "all"):
        with pytest.raises(FileNotFoundError, match=r"'val' of .*labels/val"):
            yolo(split, tmp_path)
    assert len(yolo("train", tmp_path)) == 1


@pytest.mark.parametrize(
    "places",
    [
        "train: ../images/train\nval: ../images/val",
        "path: /home/her/data\ntrain: images/train\nval: images/val",
        "train: [images/train]\nval: lists/val.txt",
    ],
)
@pytest.mark.parametrize(
    "names", ["names: [person, car]", "names: {1: car, 0: person}"]
)
def test_forms_of_the_yaml_file(tmp_path, places, names):
    export(tmp_path, yaml=f"{places}\nnc: 2\n{names}\n")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "val.txt").write_text("images/val/a.png\n")
    for path in (tmp_path, tmp_path / "data.yaml"):
        source = yolo("val", path)
        assert source.labels.names[1:] == ("person", "car") and len(source) == 1
    assert len(yolo("all", tmp_path)) == 2
    with pytest.raises(FileNotFoundError, match=r"has \['train', 'val'\]"):
        yolo("test", tmp_path)


def test_a_train_alone_is_divided(tmp_path):
    yaml = "train: images/train\nnames: [a]\n"
    export(tmp_path, yaml=yaml, names=[str(number) for number in range(10)])
    assert [len(yolo(split, tmp_path)) for split in ("train", "val")] == [8, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 0 0 1 0 1 1", "class 2 is none of"),
        ("x 0 0 1 0 1 1", "class x is none of"),
        ("0 0.5 0.5 0.2 0.2", "box for detection"),
        ("0 0 0 1 0 1", "5 numbers, an odd one"),
        ("0 0 0 1 0", "box for detection"),
        ("0 0 0 7 0 7 5", "not shares of width and height"),
        ("0 0 0 1 nan 1 1", "pairs of numbers"),
        ("0 0 0 1 o 1 1", "could not convert"),
        ("0", "3 points|pairs of numbers"),
    ],
)
def test_a_broken_line_is_an_error_that_names_it(tmp_path, line, message):
    export(tmp_path, ["0 0 0 1 0 1 1", line])
    with pytest.raises(ValueError, match=message) as caught:
        yolo("val", tmp_path).mask(0)
    assert "object 2" in str(caught.value) and "a.txt" in str(caught.value)


def test_broken_files_are_errors_that_name_them(tmp_path):
    for text in ("train: [", "[]", "names: [a]", "train: images/train\nnames: 3"):
        export(tmp_path, yaml=text)
        with pytest.raises(ValueError, match=r"data\.yaml"):
            yolo("train", tmp_path)
    export(tmp_path, yaml="train: gone\nval: images/val\nnames: [a]")
    with pytest.raises(FileNotFoundError, match=r"'gone' of .*data\.yaml"):
        yolo("train", tmp_path)
    (tmp_path / "data.yaml").rename(tmp_path / "one.yaml")
    (tmp_path / "two.yaml").write_text("")
    with pytest.raises(FileNotFoundError, match="must hold data.yaml"):
        yolo("train", tmp_path)


def test_yaml_cannot_make_objects(tmp_path):
    export(tmp_path, yaml="train: !!python/object/apply:os.getcwd []\nnames: [a]")
    with pytest.raises(ValueError, match="could not determine a constructor"):
        yolo("train", tmp_path)


@pytest.mark.parametrize("names", [["background", "a: b", "c"], ["x", "é"]])
def test_what_is_written_is_read_again(tmp_path, names):
    source = random_source(names)
    objects = write_yolo(tmp_path, source, "train")
    write_yolo(tmp_path, random_source(names, 2), "val")
    back = yolo("train", tmp_path)
    assert back.labels == source.labels and len(yolo("val", tmp_path)) == 2
    assert objects == sum(len(back.objects(i)) for i in range(len(back)))
    for index in range(len(source)):
        for one, two in zip(back[index], source[index], strict=True):
            np.testing.assert_array_equal(one, two)
    yaml = pytest.importorskip("yaml").safe_load((tmp_path / "data.yaml").read_text())
    # Ultralytics takes a `path` that is not whole from its own folder on.
    assert "path" not in yaml
    for split, count in (("train", 4), ("val", 2)):
        assert len(list((tmp_path / yaml[split]).iterdir())) == count
    (tmp_path / "labels.json").unlink()
    again = yolo("train", tmp_path, background="background")
    assert set(again.labels.names) == {"background", *names}
    with pytest.raises(ValueError, match="one of.*'holdout'"):
        write_yolo(tmp_path, source, "holdout")
