import json

import numpy as np
import pytest
from tool_files import SIZE, filled, image, random_source

from kseg.data import open_source
from kseg.data.label_tools import coco, write_coco

CATEGORIES = [
    {"id": 90, "name": "toothbrush", "supercategory": "indoor"},
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]


def annotation(number, category, segmentation, image_id=7, **more):
    found = {"id": number, "image_id": image_id, "category_id": category}
    return {**found, "segmentation": segmentation, "iscrowd": 0, "area": 1.0, **more}


def ring(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def export(file, annotations, names=("a.png",), size=SIZE, folder=None):
    file.parent.mkdir(parents=True, exist_ok=True)
    images = []
    for number, name in enumerate(names, 7):
        image((folder or file.parent) / name)
        sides = {"height": size[0], "width": size[1]}
        images.append({"id": number, "file_name": name, **sides})
    data = {"images": images, "categories": CATEGORIES, "annotations": annotations}
    file.write_text(json.dumps(data))
    return file


def test_polygons_runs_and_text(tmp_path):
    # Rows 2 to 3 of columns 12 and 13, down the columns.
    runs = {"size": [10, 14], "counts": [122, 2, 8, 2, 6]}
    # The same of rows 8 and 9, as pycocotools 2.0.11 writes it.
    text = {"size": [10, 14], "counts": "P4280"}
    annotations = [
        annotation(1, 1, [ring(0, 0, 6, 4), ring(4, 0, 8, 4)]),
        annotation(2, 18, runs),
        annotation(3, 90, text),
    ]
    file = export(tmp_path / "instances.json", annotations)
    source = open_source("coco", "all", path=file)
    # Ids with gaps, in the order of the ids.
    assert source.labels.names == ("background", "person", "dog", "toothbrush")
    expected = filled((1, 0, 0, 8, 4), (2, 12, 2, 14, 4), (3, 12, 8, 14, 10))
    np.testing.assert_array_equal(source.mask(0), expected)


def test_small_objects_lie_over_large_ones(tmp_path):
    small, large = ring(2, 2, 4, 4), ring(0, 0, 8, 8)
    annotations = [annotation(1, 18, [small]), annotation(2, 1, [large])]
    file = export(tmp_path / "a.json", annotations)
    expected = filled((1, 0, 0, 8, 8), (2, 2, 2, 4, 4))
    np.testing.assert_array_equal(coco("all", file).mask(0), expected)
    expected[2:4, 2:4] = 1
    np.testing.assert_array_equal(coco("all", file, overlap="last").mask(0), expected)


@pytest.mark.parametrize("overlap", ["small", "last", "void"])
def test_crowds_are_void_and_under_all_else(tmp_path, overlap):
    crowd = {"size": [10, 14], "counts": [0, 20, 120]}
    annotations = [
        annotation(1, 18, [ring(0, 0, 14, 5)]),
        annotation(2, 1, crowd, iscrowd=1),
    ]
    file = export(tmp_path / "a.json", annotations)
    expected = filled((255, 0, 0, 2, 10), (2, 0, 0, 14, 5))
    found = coco("all", file, overlap=overlap).mask(0)
    np.testing.assert_array_equal(found, expected)
    skipped = coco("all", file, crowd="skip").mask(0)
    np.testing.assert_array_equal(skipped, filled((2, 0, 0, 14, 5)))
    drawn = coco("all", file, crowd="class", overlap="last").mask(0)
    np.testing.assert_array_equal(drawn, filled((2, 0, 0, 14, 5), (1, 0, 0, 2, 10)))
    with pytest.raises(ValueError, match="crowd must be"):
        coco("all", file, crowd="no")


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("annotations/instances_{}2017.json", "{}2017"),
        ("annotations/instances_{}.json", "images/{}"),
        ("{}/_annotations.coco.json", "{}"),
        ("{}.json", "images"),
    ],
)
def test_layouts_of_splits(tmp_path, file, images):
    for split, names in (("train", ("a.png", "b.png")), ("val", ("c.png",))):
        folder = tmp_path / images.format(split)
        export(tmp_path / file.format(split), [], names, folder=folder)
    found = [len(coco(split, tmp_path)) for split in ("train", "val", "all")]
    assert found == [2, 1, 3]
    with pytest.raises(FileNotFoundError, match=r"'test'.*\['train', 'val'\]"):
        coco("test", tmp_path)


def test_one_file_is_divided(tmp_path):
    names = [f"{number}.png" for number in range(10)]
    export(tmp_path / "annotations" / "instances_default.json", [], names)
    assert [len(coco(split, tmp_path)) for split in ("train", "val")] == [8, 2]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (annotation(5, 1, [[0, 0, 3, 3]]), "object 5.*3 points or more"),
        (annotation(5, 1, [[0, 0, 3, 3, 1]]), "object 5.*pairs of numbers"),
        (annotation(5, 1, []), "object 5.*empty"),
        (annotation(5, 1, None), "object 5"),
        (annotation(5, 1, [ring(50, 0, 60, 5)]), "object 5.*must meet its image"),
        (annotation(5, 1, {"size": [10, 14], "counts": [1]}), "object 5.*sum to"),
        (annotation(5, 1, {"size": [10, 14], "counts": "01 "}), "object 5.*'0' to 'o'"),
        (annotation(5, 1, {"size": [9, 14], "counts": [126]}), r"object 5.*\(9, 14\)"),
        (annotation(5, 2, [ring(0, 0, 1, 1)]), r"category 2; there are \[1, 18, 90\]"),
        (annotation(5, 1, [ring(0, 0, 1, 1)], image_id=3), "3 is missing or wrong"),
    ],
)
def test_a_broken_object_is_an_error_that_names_it(tmp_path, bad, message):
    good = annotation(4, 1, [ring(0, 0, 3, 3)])
    file = export(tmp_path / "x.json", [good, bad])
    with pytest.raises(ValueError, match=f"(?s){message}") as caught:
        coco("all", file).mask(0)
    assert "x.json" in str(caught.value)


def test_other_errors_name_the_file(tmp_path):
    file = export(tmp_path / "x.json", [], size=(14, 10))
    with pytest.raises(ValueError, match=r"of the size.*x\.json"):
        coco("all", file).mask(0)
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"'a\.png'.*x\.json"):
        coco("all", file)
    for text in ("{", "[]", '{"images": []}', '{"images": [{"id": 1}]}'):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"x\.json"):
            coco("all", file)
    with pytest.raises(FileNotFoundError, match="one for all"):
        coco("all", tmp_path / "nowhere")


def test_what_is_skipped_may_be_a_box_alone(tmp_path):
    annotations = [annotation(4, 1, [ring(0, 0, 3, 3)]), annotation(5, 18, [])]
    file = export(tmp_path / "x.json", annotations)
    expected = filled((1, 0, 0, 3, 3))
    np.testing.assert_array_equal(coco("all", file, skip=["dog"]).mask(0), expected)


def test_a_split_in_two_files_is_an_error(tmp_path):
    for year, names in (("2014", ("a.png",)), ("2017", ("b.png",))):
        file = tmp_path / "annotations" / f"instances_train{year}.json"
        export(file, [], names, folder=tmp_path / f"train{year}")
    message = r"instances_train2014\.json', 'instances_train2017\.json"
    for split in ("train", "all"):
        with pytest.raises(ValueError, match=message):
            coco(split, tmp_path)
    assert len(coco("all", file)) == 1
    export(file.with_name("instances_train.json"), [], folder=tmp_path / "train")
    assert len(coco("train", tmp_path)) == 1


def test_annotations_called_labels_json(tmp_path):
    """As FiftyOne exports COCO."""
    annotations = [annotation(1, 18, [ring(0, 0, 3, 3)])]
    file = export(tmp_path / "labels.json", annotations, folder=tmp_path / "data")
    for path in (file, tmp_path):
        source = coco("all", path)
        assert source.labels.names[1:] == ("person", "dog", "toothbrush")
        np.testing.assert_array_equal(source.mask(0), filled((2, 0, 0, 3, 3)))


@pytest.mark.parametrize("form", ["auto", "polygon", "rle"])
def test_what_is_written_is_read_again(tmp_path, form):
    source = random_source(["background", "a", "b"])
    objects = write_coco(tmp_path, source, "train", form=form)
    back = coco("train", tmp_path)
    assert back.labels == source.labels and len(back) == len(source)
    assert objects == sum(len(back.objects(i)) for i in range(len(back)))
    for index in range(len(source)):
        for one, two in zip(back[index], source[index], strict=True):
            np.testing.assert_array_equal(one, two)


def test_what_is_written_is_cocos(tmp_path):
    source = random_source(["background", "a", "b"])
    write_coco(tmp_path, source, "train")
    data = json.loads((tmp_path / "train" / "_annotations.coco.json").read_text())
    assert [c["name"] for c in data["categories"]] == ["a", "b", "void"]
    kinds = {type(a["segmentation"]) for a in data["annotations"]}
    assert kinds == {list, dict}
    area = sum(a["area"] for a in data["annotations"] if a["category_id"] == 1)
    assert area == sum((source.mask(i) == 1).sum() for i in range(len(source)))
    official = pytest.importorskip("pycocotools.mask")
    masks = {i["id"]: source.mask(k) for k, i in enumerate(data["images"])}
    for one in data["annotations"]:
        mask = masks[one["image_id"]]
        runs = one["segmentation"]
        if isinstance(runs, list):
            runs = official.merge(official.frPyObjects(runs, *mask.shape))
        bits = official.decode(runs).astype(bool)
        value = {1: 1, 2: 2, 3: 255}[one["category_id"]]
        assert (mask[bits] == value).all() and bits.sum() == one["area"]
        assert official.toBbox(runs).tolist() == one["bbox"]
