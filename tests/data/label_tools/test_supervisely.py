import importlib
import json

import numpy as np
import pytest
from tool_files import SIZE, base64_png, filled, image, square

from kseg.data import open_source
from kseg.data.label_tools import supervisely
from kseg.data.label_tools.imports import open_splits


def figure(title, kind, points=None, holes=(), **more):
    found = {"id": 1, "classId": 2, "description": "", "tags": [], "classTitle": title}
    if points is not None:
        found["points"] = {"exterior": points, "interior": list(holes)}
    return {**found, "geometryType": kind, "labelerLogin": "alexxx", **more}


def bitmap(title, bits, origin):
    data = {"data": base64_png(bits, packed=True), "origin": list(origin)}
    return figure(title, "bitmap", bitmap=data)


def project(path, objects, dataset="ds0", names=("a",), size=SIZE):
    (path / dataset / "ann").mkdir(parents=True)
    meta = [
        {"title": "road", "shape": "polygon", "color": "#804080"},
        {"title": "car", "shape": "bitmap", "color": "#00008E"},
    ]
    (path / "meta.json").write_text(json.dumps({"classes": meta, "tags": []}))
    data = {"description": "", "tags": [], "objects": objects}
    data["size"] = {"height": size[0], "width": size[1]}
    for name in names:
        image(path / dataset / "img" / f"{name}.png")
        file = path / dataset / "ann" / f"{name}.png.json"
        file.write_text(json.dumps(data))
    return path


def test_figures_of_every_kind(tmp_path):
    disc = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2
    objects = [
        figure("road", "polygon", square(0, 0, 14, 10), [square(3, 1, 5, 3)]),
        bitmap("car", disc, (8, 4)),
        figure("car", "rectangle", [[0, 8], [2, 10]]),
        figure("car", "line", [[6, 9], [14, 9]]),
        figure("car", "point", [[12.5, 0.5]]),
    ]
    project(tmp_path, objects)
    options = {"line_width": 2, "point_radius": 1}
    source = open_source("supervisely", "all", path=tmp_path, **options)
    assert source.labels.names == ("background", "road", "car")
    assert source.labels.colors[1:] == ((128, 64, 128), (0, 0, 142))
    expected = filled((1, 0, 0, 14, 10), (0, 3, 1, 5, 3), (2, 0, 8, 2, 10))
    expected[4:9, 8:13][disc] = 2
    y, x = np.mgrid[:10, :14] + 0.5
    expected[np.hypot(x - np.clip(x, 6, 14), y - 9) <= 1] = 2
    expected[np.hypot(x - 12.5, y - 0.5) <= 1] = 2
    np.testing.assert_array_equal(source.mask(0), expected)
    assert source[0][0].shape == (*SIZE, 3)


def test_splits_are_data_sets_or_a_share(tmp_path):
    project(tmp_path / "one", [], names=[str(number) for number in range(10)])
    found = [len(supervisely(s, tmp_path / "one")) for s in ("train", "val", "all")]
    assert found == [8, 2, 10]
    project(tmp_path / "two", [], "train", "ab")
    project(tmp_path / "two", [], "val", "c")
    found = [len(supervisely(s, tmp_path / "two")) for s in ("train", "val", "all")]
    assert found == [2, 1, 3]
    with pytest.raises(FileNotFoundError, match=r"has \['train', 'val'\]"):
        supervisely("test", tmp_path / "two")


def test_data_sets_of_other_names_are_not_dropped(tmp_path):
    for dataset, names in (("Train", "ab"), ("valid", "c"), ("ds0", "d")):
        project(tmp_path, [], dataset, names)
    with pytest.raises(ValueError, match=r"1 images of none.*ds0.*--split"):
        open_splits("supervisely", tmp_path, None, {})
    for split, count in (("train", 2), ("val", 1), ("ds0", 1), ("all", 4)):
        assert len(open_splits("supervisely", tmp_path, split, {})[split]) == count


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (figure("car", "polygon", [[0, 0], [1, 1]]), "3 points or more"),
        (figure("car", "polygon", square(0, 0, 9, 9), [[[1, 1]]]), "3 points or more"),
        (figure("car", "polygon", square(50, 0, 59, 9)), "must meet its image"),
        (figure("car", "cuboid", [[0, 0]]), "it is a 'cuboid'"),
        (figure("car", "polygon"), "'points' is missing"),
        (figure("car", "bitmap", bitmap={"origin": [0, 0], "data": "*"}), "base64"),
        (figure("car", "bitmap", bitmap={"origin": [0, 0], "data": "AAAA"}), "zlib"),
        (figure("car", "bitmap", bitmap={"origin": [0], "data": "AAAA"}), "not enough"),
        (figure("cra", "point", [[1, 1]]), r"'cra'.*'car'\?"),
    ],
)
def test_a_broken_object_is_an_error_that_names_it(tmp_path, bad, message):
    project(tmp_path, [figure("road", "point", [[1, 1]]), bad])
    with pytest.raises(ValueError, match=f"(?s){message}") as caught:
        supervisely("all", tmp_path).mask(0)
    assert "object 1" in str(caught.value) and "a.png.json" in str(caught.value)


def test_what_unpacks_to_too_much_is_an_error(tmp_path, monkeypatch):
    module = importlib.import_module("kseg.data.label_tools.supervisely")
    monkeypatch.setattr(module, "_MOST_BYTES", 50)
    project(tmp_path, [bitmap("car", np.ones((5, 5)), (0, 0))])
    with pytest.raises(ValueError, match="object 0.*more than 50 bytes"):
        supervisely("all", tmp_path).mask(0)


def test_other_errors_name_the_file(tmp_path):
    project(tmp_path, [], size=(14, 10))
    with pytest.raises(ValueError, match=r"of the size.*a\.png\.json"):
        supervisely("all", tmp_path).mask(0)
    (tmp_path / "ds0" / "img" / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"'a\.png'"):
        supervisely("all", tmp_path)
    (tmp_path / "ds0" / "ann" / "a.png.json").write_text("{}")
    with pytest.raises(ValueError, match=r"list `objects`.*a\.png\.json"):
        supervisely("all", tmp_path)
    (tmp_path / "meta.json").write_text('{"classes": [{"title": "a", "color": "red"}]}')
    with pytest.raises(ValueError, match=r"meta\.json"):
        supervisely("all", tmp_path)
