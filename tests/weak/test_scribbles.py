"""Reading scribbles: the authors' files, made files, and files that are wrong."""

import json
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from kseg.labels import Labels
from kseg.weak import read_scribbles

LABELS = Labels.named(["background", "cow", "sheep"])
VOC = Labels.named(
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable "
    "dog horse motorbike person pottedplant sheep sofa train tvmonitor".split()
)
# How the files call other things than VOC.
STUFF = ("grass", "ground", "rock", "sky", "tree", "water")
ALIASES = {
    "plane": "aeroplane",
    "table": "diningtable",
    **dict.fromkeys(STUFF, "background"),
}


def xml(polygons, size=(20, 30), head=""):
    """The text of a file: polygons of a tag and points."""
    strokes = "".join(
        f"<polygon><tag>{tag}</tag>"
        + "".join(f"<point><X>{x}</X><Y>{y}</Y></point>" for x, y in points)
        + "</polygon>"
        for tag, points in polygons
    )
    height, width = size
    said = f"<size><width>{width}</width><height>{height}</height></size>"
    return f"{head}<annotation>{said}{strokes}</annotation>"


def saved(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


# The authors' files


@pytest.fixture(scope="module")
def demo(reference, tmp_path_factory):
    """Folder of seven images with the authors' scribbles."""
    folder = tmp_path_factory.mktemp("scribbles")
    with tarfile.open(reference / "data" / "scribblesup_demo.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "scribble_demo"


def test_the_authors_files(demo):
    expected = {
        "2007_000175": {0, 17},
        "2007_000243": {0, 1},
        "2007_000464": {0, 10},
        "2007_001289": {0, 3},
        "2007_001397": {0, 12},
        "2007_001834": {0, 11},
        "2010_005258": {0, 10},
    }
    assert {path.stem for path in demo.glob("*.xml")} == set(expected)
    for name, classes in expected.items():
        with Image.open(demo / f"{name}.jpg") as image:
            size = image.size[::-1]
        mask = read_scribbles(demo / f"{name}.xml", VOC, size, aliases=ALIASES)
        assert mask.shape == size and mask.dtype == np.uint8
        assert set(np.unique(mask)) == classes | {255}
        # The paper's strokes cover about 3 % of the pixels.
        assert 0.01 < (mask != 255).mean() < 0.04


def test_the_authors_scribbles_have_the_masks_classes(demo):
    mask = np.asarray(Image.open(demo / "2007_000175.png"))
    scribbles = read_scribbles(demo / "2007_000175.xml", VOC, aliases=ALIASES)
    both = (mask != 255) & (scribbles != 255)
    assert (mask == scribbles)[both].mean() > 0.99


def test_names_that_are_no_class_name_the_nearest(demo):
    with pytest.raises(ValueError, match="'plane'. Did you mean 'aeroplane'.*aliases"):
        read_scribbles(demo / "2007_000243.xml", VOC)


# Drawing


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
def test_strokes_follow_their_points(tmp_path, width):
    points = [(5, 15), (20, 15), (20, 4), (9, 6)]
    path = saved(tmp_path, "a.xml", xml([("cow", points)], (26, 32)))
    drawn = read_scribbles(path, LABELS, width=width) == 1
    assert ndimage.label(drawn, np.ones((3, 3)))[1] == 1
    along = np.concatenate(
        [np.linspace(a, b, 200) for a, b in zip(points, points[1:], strict=False)]
    )
    rows, columns = np.mgrid[:26, :32]
    distance = np.hypot(
        columns[..., None] - along[:, 0], rows[..., None] - along[:, 1]
    ).min(axis=-1)
    assert drawn[distance <= (width - 1) // 2 - 0.5].all()
    assert not drawn[distance > width / 2 * 1.5 + 1].any()
    for x, y in points:
        assert drawn[y, x]


def test_a_point_is_a_square_and_the_later_stroke_is_on_top(tmp_path):
    polygons = [("cow", [(5, 5)]), ("sheep", [(5, 0), (5, 19)]), ("cow", [(29, 19)])]
    mask = read_scribbles(saved(tmp_path, "a.xml", xml(polygons)), LABELS)
    assert (mask[4:7, 4:7] == 2).all() and (mask[18:, 28:] == 1).all()
    assert (mask == 1).sum() == 4
    assert set(np.unique(mask)) == {1, 2, 255}


def test_ignore_class_above_255(tmp_path):
    labels = Labels.numbered(400, ignore_class=1000)
    path = saved(tmp_path, "a.xml", xml([("class_300", [(3, 4)])]))
    mask = read_scribbles(path, labels, width=1)
    assert mask.dtype == np.uint16 and mask[4, 3] == 300
    assert (mask == 1000).sum() == 599


# Points


POINTS = [
    (3, 4, "cow", "a"),
    (9, 4, "cow", "a"),
    (3, 10, "2", ""),
    (0, 0, "sheep", "b"),
]


def points_file(tmp_path, suffix, points=POINTS):
    rows = [dict(zip(("x", "y", "class", "stroke"), p, strict=True)) for p in points]
    if suffix == ".json":
        return saved(tmp_path, "a.json", json.dumps(rows))
    lines = ["x,y,class,stroke", *(",".join(map(str, r.values())) for r in rows)]
    return saved(tmp_path, "a.csv", "\n".join(lines))


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_points(tmp_path, suffix):
    mask = read_scribbles(points_file(tmp_path, suffix), LABELS, (20, 30), width=1)
    expected = np.full((20, 30), 255)
    expected[4, 3:10] = 1
    expected[10, 3] = expected[0, 0] = 2
    np.testing.assert_array_equal(mask, expected)


def test_points_without_strokes(tmp_path):
    path = saved(tmp_path, "a.csv", "class,x,y\ncow,3,4\n\ncow,9.7,4\n")
    assert (read_scribbles(path, LABELS, (20, 30)) == 1).sum() == 18
    path = saved(tmp_path, "a.json", '[{"x": 3, "y": 4, "class": 1}]')
    assert read_scribbles(path, LABELS, (20, 30))[4, 3] == 1


@pytest.mark.parametrize("text", ["1", "1.0", '"1"', '"cow"'])
def test_a_class_of_json_is_a_name_or_an_id(tmp_path, text):
    path = saved(tmp_path, "a.json", f'[{{"x": 3, "y": 4, "class": {text}}}]')
    assert read_scribbles(path, LABELS, (20, 30))[4, 3] == 1


def test_a_class_of_xml_is_a_name_or_an_id(tmp_path):
    path = saved(tmp_path, "a.xml", xml([("2", [(3, 4)])]))
    assert read_scribbles(path, LABELS)[4, 3] == 2
    labels = Labels.named(["2", "1", "0"])
    assert read_scribbles(path, labels)[4, 3] == 0


@pytest.mark.parametrize("suffix", [".xml", ".csv", ".json"])
def test_only_pictures_have_unlabelled_pixels(tmp_path, suffix):
    if suffix == ".xml":
        path = saved(tmp_path, "a.xml", xml([("cow", [(3, 4)])]))
    else:
        path = points_file(tmp_path, suffix)
    with pytest.raises(ValueError, match=rf"`unlabelled`.*Received: 0 for .*a{suffix}"):
        read_scribbles(path, LABELS, (20, 30), unlabelled=0)


# Pictures


def test_a_picture(tmp_path):
    ids = np.full((6, 8), 255, np.uint8)
    ids[2, 3], ids[4] = 1, 2
    Image.fromarray(ids).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_scribbles(tmp_path / "a.png", LABELS), ids)
    palette = Image.fromarray(np.where(ids == 255, 77, ids).astype(np.uint8))
    palette.putpalette([i // 3 for i in range(768)])
    palette.save(tmp_path / "b.png")
    found = read_scribbles(tmp_path / "b.png", LABELS, (6, 8), unlabelled=77)
    np.testing.assert_array_equal(found, ids)
    with pytest.raises(ValueError, match=r"\[77\] in 81.25%.*unlabelled"):
        read_scribbles(tmp_path / "b.png", LABELS)
    with pytest.raises(ValueError, match=r"\(6, 8\) for an image of \(8, 6\)"):
        read_scribbles(tmp_path / "a.png", LABELS, (8, 6))
    Image.new("RGB", (8, 6)).save(tmp_path / "c.png")
    with pytest.raises(ValueError, match="'RGB'"):
        read_scribbles(tmp_path / "c.png", LABELS)
    Image.fromarray(ids * 0 + 255).save(tmp_path / "d.png")
    with pytest.raises(ValueError, match="without one"):
        read_scribbles(tmp_path / "d.png", LABELS)


# Wrong files

ENTITIES = (
    '<!DOCTYPE a [<!ENTITY x "cow"><!ENTITY y "&x;&x;&x;&x;"><!ENTITY z "&y;&y;&y;">]>'
)
GOOD = [("cow", [(3, 4)])]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.xml", xml([("caw", [(3, 4)])]), "'caw'. Did you mean 'cow'"),
        ("a.xml", xml([("cow", [(30, 4)])]), r"\(30, 4\) of 'cow'.* 30 wide and 20"),
        ("a.xml", xml([("cow", [(-1, 4)])]), r"\(-1, 4\)"),
        ("a.xml", xml([("cow", [("nan", 4)])]), r"\(nan, 4\)"),
        ("a.xml", xml([("cow", [("x", 4)])]), "could not convert"),
        ("a.xml", xml([("", [(3, 4)])]), "<polygon> without <tag>"),
        ("a.xml", xml([]), "without one"),
        ("a.xml", xml([("cow", [])]), "without one"),
        ("a.xml", xml(GOOD, (21, 30)), r"\(21, 30\) for an image of \(20, 30\)"),
        ("a.xml", xml(GOOD, (0, 30)), r"a pixel.*\(0, 30\)"),
        ("a.xml", xml(GOOD)[:-20], "must be whole"),
        ("a.xml", "", "must be whole"),
        ("a.xml", xml([("&z;", [(3, 4)])], head=ENTITIES), "document type, 'a'"),
        ("a.xml", xml(GOOD, head="<!DOCTYPE annotation>"), "document type"),
        ("a.csv", "", "without one"),
        ("a.csv", "x,y,class\n", "without one"),
        ("a.csv", "3,4,cow\n5,6,cow\n", "point 1"),
        ("a.csv", "x,y,class\n1,2,cow\n3,4\n", "numbers x and y, and class.*point 2"),
        ("a.csv", "x,y,class\n1,2,cow\n3,4, \n", "numbers x and y, and class.*point 2"),
        ("a.csv", "x,y,class\n1,2,3\n", "'3'"),
        ("a.csv", "x,y,class\n1,20,cow\n", r"\(1, 20\)"),
        ("a.json", "[{", "must be whole"),
        ("a.json", '{"x": 1}', "list of objects"),
        ("a.json", '[{"x": 1, "y": 2}]', "point 1"),
        ("a.json", '[{"x": [], "y": 2, "class": "cow"}]', "point 1"),
        ("a.json", '[{"x": 1, "y": 2, "class": null}]', "point 1.*None"),
        ("a.json", '[{"x": 1, "y": 2, "class": ""}]', "point 1"),
        ("a.json", '[{"x": 1, "y": 2, "class": true}]', "point 1.*True"),
        ("a.json", '[{"x": 1, "y": 2, "class": [1]}]', "point 1"),
        ("a.json", '[{"x": 1, "y": 2, "class": 1.5}]', "point 1.*1.5"),
        ("a.json", '[{"x": 1, "y": 2, "class": 3.0}]', "'3'"),
        ("a.json", '[{"x": 1, "y": 2, "class": -1}]', "'-1'"),
        ("a.json", "[]", "without one"),
        ("a.png", "no picture", "whole file"),
        ("a.jpg", "", r"\.xml.*\.png.*a\.jpg"),
    ],
)
def test_wrong_files_are_errors(tmp_path, name, text, words):
    with pytest.raises(ValueError, match=words):
        read_scribbles(saved(tmp_path, name, text), LABELS, (20, 30))


def test_wrong_arguments_are_errors(tmp_path):
    path = points_file(tmp_path, ".csv")
    with pytest.raises(ValueError, match="size=None"):
        read_scribbles(path, LABELS)
    with pytest.raises(ValueError, match="`width`.*Received: 0"):
        read_scribbles(path, LABELS, (20, 30), width=0)
    with pytest.raises(FileNotFoundError):
        read_scribbles(tmp_path / "none.xml", LABELS)
    with pytest.raises(FileNotFoundError):
        read_scribbles(tmp_path / "none.png", LABELS)
    with pytest.raises(ValueError, match="'caw'. Did you mean 'cow'"):
        read_scribbles(path, LABELS, (20, 30), aliases={"cow": "caw"})
    (tmp_path / "b.csv").write_bytes(b"x,y,class\n1,2,\xff\xfe\n")
    with pytest.raises(ValueError, match="CSV must be text"):
        read_scribbles(tmp_path / "b.csv", LABELS, (20, 30))
