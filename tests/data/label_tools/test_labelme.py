import json

import numpy as np
import pytest
from tool_files import (
    SIZE,
    ArraySource,
    base64_png,
    filled,
    image,
    labelme_file,
    random_source,
    shape,
    square,
)

from kseg.data import open_source
from kseg.data.label_tools import labelme, write_labelme
from kseg.labels import Labels


def opened(path, **options):
    return labelme("all", path, **options)


def test_shapes_of_every_kind(tmp_path):
    disc = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2
    shapes = [
        shape("road", square(0, 5, 14, 10)),
        shape("car", [[6, 2], [2, 1]], "rectangle"),
        shape("sky", [[10, 3], [10, 5]], "circle"),
        shape("pole", [[1, 9], [13, 9]], "line"),
        shape("pole", [[12.5, 0.5]], "point"),
        shape("sign", [[3, 5], [7, 9]], "mask", mask=base64_png(disc)),
    ]
    labelme_file(tmp_path / "a.json", shapes)
    source = opened(tmp_path, line_width=2, point_radius=1)
    # Those of the files in the order of the alphabet, after the background.
    names = ("background", "car", "pole", "road", "sign", "sky")
    assert source.labels.names == names
    expected = filled((3, 0, 5, 14, 10), (1, 2, 1, 6, 2))
    y, x = np.mgrid[:10, :14] + 0.5
    expected[np.hypot(x - 10, y - 3) <= 2] = 5
    expected[np.hypot(x - np.clip(x, 1, 13), y - 9) <= 1] = 2
    expected[np.hypot(x - 12.5, y - 0.5) <= 1] = 2
    expected[5:10, 3:8][disc] = 4
    np.testing.assert_array_equal(source.mask(0), expected)
    read, mask = source[0]
    assert read.shape == (*SIZE, 3) and (mask == expected).all()
    assert source.name(0) == "a" and source.image_path(0) == tmp_path / "a.png"


def test_overlap_void_and_skip(tmp_path):
    shapes = [
        shape("b", square(4, 0, 8, 4)),
        shape("a", square(0, 0, 6, 10)),
        shape("ignore", square(0, 8, 14, 10)),
        shape("c", square(12, 0, 14, 2)),
        shape("junk", square(0, 0, 14, 10)),
    ]
    labelme_file(tmp_path / "a.json", shapes)
    options = {"path": tmp_path, "skip": ["junk"]}
    last = labelme("all", **options)
    assert last.labels.names == ("background", "a", "b", "c")
    bottom = (255, 0, 8, 14, 10)
    corner = (3, 12, 0, 14, 2)
    np.testing.assert_array_equal(
        last.mask(0), filled((2, 4, 0, 8, 4), (1, 0, 0, 6, 10), bottom, corner)
    )
    small = labelme("all", **options, overlap="small")
    np.testing.assert_array_equal(
        small.mask(0), filled((1, 0, 0, 6, 10), bottom, (2, 4, 0, 8, 4), corner)
    )
    void = labelme("all", **options, overlap="void")
    np.testing.assert_array_equal(
        void.mask(0),
        filled((2, 4, 0, 8, 4), (1, 0, 0, 6, 10), (255, 4, 0, 6, 4), bottom, corner),
    )
    np.testing.assert_array_equal(
        labelme("all", **options, background=None).mask(0)[7], [0] * 6 + [255] * 8
    )
    with pytest.raises(ValueError, match="overlap must be"):
        labelme("all", **options, overlap="lsat")


def test_classes_may_be_given(tmp_path):
    labelme_file(tmp_path / "a.json", [shape("a", square(0, 0, 3, 3))])
    source = opened(tmp_path, classes=["z", "a"], ignore_class=99)
    assert source.labels.names == ("background", "z", "a")
    assert np.unique(source.mask(0)).tolist() == [0, 2]
    source = opened(tmp_path, classes=["a", "ground"], background="ground")
    assert np.unique(source.mask(0)).tolist() == [0, 1] and source.mask(0)[9, 9] == 1
    labels = Labels(("a", "x"), ((1, 2, 3), (4, 5, 6)), 77)
    (tmp_path / "labels.json").write_text(json.dumps(labels.to_dict()))
    source = opened(tmp_path)
    assert source.labels == labels and np.unique(source.mask(0)).tolist() == [0, 77]
    with pytest.raises(ValueError, match="list of names"):
        opened(tmp_path, classes="a,b")


def test_labelmes_own_names_of_background_and_void(tmp_path):
    shapes = [
        shape("a", square(0, 0, 14, 10)),
        shape("_background_", square(0, 0, 2, 10)),
        shape("__ignore__", square(2, 0, 4, 10)),
    ]
    labelme_file(tmp_path / "a.json", shapes)
    assert opened(tmp_path).mask(0)[0].tolist() == [0, 0, 255, 255] + [1] * 10


def test_splits_are_folders_or_a_share(tmp_path):
    for number in range(10):
        label = "b" if number == 9 else "a"
        labelme_file(tmp_path / f"{number}.json", [shape(label, square(0, 0, 3, 3))])
    val = open_source("labelme", "val", path=tmp_path)
    train = labelme("train", tmp_path)
    assert [val.name(i) for i in range(len(val))] == ["0", "5"] and len(train) == 8
    assert val.labels == train.labels and val.labels.names[1:] == ("a", "b")
    (tmp_path / "train").mkdir()
    labelme_file(tmp_path / "train" / "x.json", [shape("a", square(0, 0, 3, 3))])
    assert len(labelme("train", tmp_path)) == 1 and len(opened(tmp_path)) == 11
    with pytest.raises(FileNotFoundError, match=r"has \['train'\]"):
        labelme("val", tmp_path)


@pytest.mark.parametrize("name", ["..\\photos\\a.png", "/home/her/a.png", "a.png"])
def test_images_are_found_by_their_names(tmp_path, name):
    labelme_file(tmp_path / "a.json", [shape("a", square(0, 0, 3, 3))], name)
    assert opened(tmp_path)[0][0].shape == (*SIZE, 3)
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    with pytest.raises(FileNotFoundError, match=r"a\.png.*a\.json"):
        opened(tmp_path)
    image(tmp_path / "else" / "a.png")
    assert len(opened(tmp_path, images=tmp_path / "else")) == 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (shape("a", [[0, 0], [3, 3]]), "3 points or more. Received: 2"),
        (shape("a", [[0, 0], [3, None], [1, 1]]), "pairs of numbers"),
        (shape("a", [[0, 0], [3, float("nan")], [1, 1]]), "pairs of numbers"),
        (shape("a", [[0, 0, 1], [3, 2, 1], [1, 1, 1]]), "pairs of numbers"),
        (shape("a", square(20, 0, 30, 5)), "must meet its image of 10x14"),
        (shape("a", [[0, 0]], "points"), "it is a 'points'"),
        (shape("a", [[0, 0], [0, 0]], "circle"), "radius is 0"),
        (shape("a", [[0, 0], [2, 2]], "mask"), "base64|PNG"),
        (shape("a", [[0, 0], [2, 2]], "mask", mask="AAAA"), "PNG is broken"),
        ({"label": "a"}, "'points' is missing"),
        ([], "broken"),
    ],
)
def test_a_broken_object_is_an_error_that_names_it(tmp_path, bad, message):
    good = shape("a", square(0, 0, 3, 3))
    labelme_file(tmp_path / "x.json", [good, bad])
    with pytest.raises(ValueError, match=message) as caught:
        opened(tmp_path, classes=["a", ""]).mask(0)
    assert "object 1" in str(caught.value) and "x.json" in str(caught.value)


def test_other_errors_name_the_file(tmp_path):
    labelme_file(tmp_path / "x.json", [shape("cra", square(0, 0, 3, 3))])
    with pytest.raises(ValueError, match=r"(?s)'cra'.*'car'\?.*object 0.*x\.json"):
        opened(tmp_path, classes=["car"]).mask(0)
    labelme_file(tmp_path / "x.json", [], size=(14, 10))
    with pytest.raises(ValueError, match=r"\(10, 14\).*x\.json with \(14, 10\)"):
        opened(tmp_path, classes=["car"]).mask(0)
    for text in ('{"shapes": [', "[" * 100000, '{"a": 1}', "[]", '{"shapes": 3}'):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ValueError, match=r"x\.json"):
            opened(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        opened(tmp_path / "nowhere")
    (tmp_path / "x.json").unlink()
    with pytest.raises(FileNotFoundError, match="without one"):
        opened(tmp_path)


@pytest.mark.parametrize("names", [["background", "a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("split", [None, "train"])
def test_what_is_written_is_read_again(tmp_path, names, split):
    source = random_source(names)
    objects = write_labelme(tmp_path / "out", source, split)
    back = labelme(split or "all", tmp_path / "out")
    assert back.labels == source.labels and len(back) == len(source)
    assert objects == sum(len(back.objects(i)) for i in range(len(back)))
    for index in range(len(source)):
        for one, two in zip(back[index], source[index], strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", ["labels", "Labels"])
@pytest.mark.parametrize("split", [None, "train"])
def test_an_image_called_labels_is_written(tmp_path, name, split):
    class Source(ArraySource):
        def name(self, index):
            return [name, "x"][index]

    random = random_source(["background", "a"], 2)
    source = Source(random.pairs, random.labels)
    write_labelme(tmp_path / "out", source, split)
    back = labelme(split or "all", tmp_path / "out")
    assert back.labels == source.labels and len(back) == 2
    np.testing.assert_array_equal(back.mask(0), source.mask(0))


def test_an_image_called_labels_is_read(tmp_path):
    labelme_file(tmp_path / "labels.json", [shape("a", square(0, 0, 3, 3))])
    source = opened(tmp_path)
    assert source.name(0) == "labels" and source.labels.names == ("background", "a")
    np.testing.assert_array_equal(source.mask(0), filled((1, 0, 0, 3, 3)))


def test_what_is_skipped_may_be_broken(tmp_path):
    shapes = [shape("a", square(0, 0, 3, 3)), shape("junk", [[0, 0]], "points")]
    labelme_file(tmp_path / "x.json", shapes)
    source = opened(tmp_path, skip=["junk"])
    np.testing.assert_array_equal(source.mask(0), filled((1, 0, 0, 3, 3)))


def test_a_simplified_outline_is_near(tmp_path):
    y, x = np.mgrid[:60, :60]
    mask = (np.hypot(x - 30, y - 30) < 25).astype(np.uint8)
    photo = np.zeros((60, 60, 3), np.uint8)
    source = ArraySource([(photo, mask)], Labels.named(["background", "a"]))
    write_labelme(tmp_path / "out", source, tolerance=1.5)
    data = json.loads((tmp_path / "out" / "0.json").read_text())
    assert len(data["shapes"][0]["points"]) < 30
    wrong = opened(tmp_path / "out").mask(0) != mask
    # Nothing farther than the tolerance from the edge of the disc.
    assert 0 < wrong.sum() and np.abs(np.hypot(x - 30, y - 30) - 25)[wrong].max() < 2.5


def test_nothing_half_written(tmp_path):
    source = random_source(["background", "a"])
    source.pairs[2] = (source.pairs[2][0], np.full((3, 3), 700))
    source.pairs[3] = (np.zeros((2, 2), np.float32), None)
    with pytest.raises(Exception, match="."):
        write_labelme(tmp_path / "out", source)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "note").write_text("mine")
    with pytest.raises(FileExistsError, match="holds something"):
        write_labelme(tmp_path / "out", random_source(["background", "a"]))
    with pytest.raises(ValueError, match="called 'void'"):
        write_labelme(tmp_path / "new", random_source(["void", "a"]))
