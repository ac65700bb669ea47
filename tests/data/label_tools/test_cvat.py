import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tool_files import SIZE, filled, image

from kseg.data import open_source
from kseg.data.label_tools import cvat
from kseg.data.label_tools.imports import open_splits
from kseg.labels import Labels

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>4</id><name>segmentation</name><size>2</size>
    <labels>
      <label><name>road</name><color>#804080</color><type>any</type>
        <attributes></attributes></label>
      <label><name>car</name><color>#00008e</color><type>any</type></label>
      <label><name>s1</name><type>skeleton</type><svg>&lt;line /&gt;</svg></label>
      <label><name>1</name><type>points</type><parent>s1</parent></label>
    </labels></task><dumped>2018-09-25 11:38:28.799808+03:00</dumped></meta>
"""
IMAGE = '<image id="{}" name="{}" {} width="14" height="10">{}</image>'


def export(path, *images, head=HEAD):
    path.mkdir(exist_ok=True)
    text = "".join(images)
    (path / "annotations.xml").write_text(f"{head}{text}</annotations>")
    return path


def one(path, shapes):
    image(path / "images" / "a.png")
    return export(path, IMAGE.format(0, "a.png", "", shapes))


def test_shapes_of_every_kind_by_their_z_order(tmp_path):
    shapes = """
      <box label="car" source="manual" occluded="0" xtl="2.00" ytl="1.00" xbr="6.00"
        ybr="3.00" z_order="4"><attribute name="make">x</attribute></box>
      <polygon label="road" points="0.00,0.00;14.00,0.00;14.00,10.00;0.00,10.00"
        occluded="0" z_order="1"></polygon>
      <polyline label="car" points="0.00,9.00;14.00,9.00" z_order="3"></polyline>
      <ellipse label="car" cx="10.00" cy="4.00" rx="3.00" ry="1.00" rotation="90"
        z_order="2"></ellipse>
      <mask label="background" rle="2, 3, 1" left="0" top="4" width="3" height="2"
        z_order="5"></mask>
      <tag label="good_frame" source="manual"></tag>"""
    one(tmp_path, shapes)
    source = open_source("cvat", "all", path=tmp_path, line_width=2)
    assert source.labels.names == ("background", "road", "car")
    assert source.labels.colors[1:] == ((128, 64, 128), (0, 0, 142))
    expected = filled((1, 0, 0, 14, 10), (2, 2, 1, 6, 3), (2, 0, 8, 14, 10))
    y, x = np.mgrid[:10, :14] + 0.5
    expected[(x - 10) ** 2 + ((y - 4) / 3) ** 2 <= 1] = 2
    expected[4:6, :3][np.array([[0, 0, 1], [1, 1, 0]], bool)] = 0
    np.testing.assert_array_equal(source.mask(0), expected)
    assert source[0][0].shape == (*SIZE, 3)


def test_what_is_skipped_need_have_no_area(tmp_path):
    box = '<box label="car" xtl="0" ytl="0" xbr="14" ybr="10" z_order="0"></box>'
    one(tmp_path, box + '<points label="kp" points="1,1;2,2" z_order="1"></points>')
    source = cvat("all", tmp_path, skip=["kp"])
    assert (source.mask(0) == 2).all() and len(source.objects(0)) == 1
    with pytest.raises(ValueError, match=r"'kp'.*object 1"):
        cvat("all", tmp_path).mask(0)


def test_subsets_of_other_names_are_not_dropped(tmp_path):
    subsets = ("Train", "Train", "Validation", "default", "extra")
    entries = []
    for number, subset in enumerate(subsets):
        image(tmp_path / "images" / f"{number}.png")
        # Without a subset CVAT calls it default.
        given = "" if subset == "default" else f'subset="{subset}"'
        entries.append(IMAGE.format(number, f"{number}.png", given, ""))
    export(tmp_path, *entries)
    with pytest.raises(ValueError, match=r"2 images of none.*3\.png.*4\.png.*--split"):
        open_splits("cvat", tmp_path, None, {})
    for split, count in (("train", 2), ("default", 1), ("extra", 1), ("all", 5)):
        assert len(open_splits("cvat", tmp_path, split, {})[split]) == count


def test_equal_layers_keep_the_order_of_the_file(tmp_path):
    box = '<box label="{}" xtl="0" ytl="0" xbr="14" ybr="10" z_order="0"></box>'
    one(tmp_path, box.format("car") + box.format("road"))
    assert (cvat("all", tmp_path).mask(0) == 1).all()


def test_splits_are_subsets_or_a_share(tmp_path):
    for subset, name in (("Train", "a"), ("Train", "b"), ("Validation", "c")):
        image(tmp_path / "images" / subset / f"{name}.png")
    export(
        tmp_path,
        IMAGE.format(0, "a.png", 'subset="Train"', ""),
        IMAGE.format(1, "b.png", 'subset="Train"', ""),
        IMAGE.format(2, "c.png", 'subset="Validation"', ""),
    )
    found = [len(cvat(split, tmp_path)) for split in ("train", "val", "all")]
    assert found == [2, 1, 3]
    with pytest.raises(FileNotFoundError, match=r"has \['train', 'val'\]"):
        cvat("test", tmp_path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<points label="car" points="1,1;2,2"/>', "it is a 'points'"),
        ('<polygon label="car" points="1,1;2,2"/>', "3 points or more"),
        ('<polygon label="car" points="1,1;2"/>', "pairs of numbers|inhomogeneous"),
        ('<polygon label="car" points="1,a;2,2;3,3"/>', "could not convert"),
        ('<polygon label="car"/>', "'points' is missing"),
        ('<box label="car" xtl="0" ytl="0" xbr="0" ybr="3"/>', "no area"),
        ('<box label="car" xtl="90" ytl="0" xbr="95" ybr="3"/>', "must meet its image"),
        ('<ellipse label="car" cx="1" cy="1" rx="0" ry="1"/>', "above 0"),
        ('<mask label="car" rle="1,2" left="0" top="0" width="2" height="2"/>', "sum"),
    ],
)
def test_a_broken_object_is_an_error_that_names_it(tmp_path, shape, message):
    one(tmp_path, shape)
    with pytest.raises(ValueError, match=message) as caught:
        cvat("all", tmp_path).mask(0)
    text = str(caught.value)
    assert "object 0 ('car')" in text and "a.png" in text and "annotations.xml" in text


def test_entities_are_refused(tmp_path):
    bomb = (
        '<?xml version="1.0"?><!DOCTYPE annotations [<!ENTITY a "aaaaaaaaaa">'
        '<!ENTITY b "&a;&a;&a;&a;&a;&a;">]><annotations>&b;'
    )
    with pytest.raises(ValueError, match="document type"):
        cvat("all", export(tmp_path, head=bomb))
    outside = (
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        "<annotations>&x;"
    )
    with pytest.raises(ValueError, match="document type"):
        cvat("all", export(tmp_path, head=outside))


def test_other_files_are_errors_that_name_them(tmp_path):
    with pytest.raises(ValueError, match="Export it as 'CVAT for images 1.1'"):
        cvat("all", export(tmp_path, '<track id="0" label="car"></track>'))
    for text in ("<annotations><image>", "", "<a></a>", "\xff\xfe"):
        (tmp_path / "annotations.xml").write_text(text, encoding="latin1")
        with pytest.raises(ValueError, match=r"annotations\.xml"):
            cvat("all", tmp_path)
    export(tmp_path, IMAGE.format(0, "gone.png", "", ""))
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        cvat("all", tmp_path)
    export(tmp_path, '<image id="0" name="a.png" width="x" height="10"></image>')
    with pytest.raises(ValueError, match="width of image 'a.png'"):
        cvat("all", tmp_path)


@pytest.fixture
def masks(tmp_path):
    """A folder of 'Segmentation mask 1.1'."""
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\ncar:0,0,142::\nbackground:0,0,0::\n"
        "ignore:9,9,9::\nroad:128,64,128::\n"
    )
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("a\nb\n")
    colors = np.array([(0, 0, 142), (0, 0, 0), (9, 9, 9), (128, 64, 128)], np.uint8)
    rgb = colors[np.arange(140).reshape(SIZE) % 4]
    for name in "ab":
        image(tmp_path / "JPEGImages" / f"{name}.png")
        (tmp_path / "SegmentationClass").mkdir(exist_ok=True)
        Image.fromarray(rgb).save(tmp_path / "SegmentationClass" / f"{name}.png")
    return tmp_path


def test_segmentation_masks_are_read_by_their_colours(masks, tmp_path):
    for split, count in (("all", 2), ("train", 1), ("val", 1)):
        source = cvat(split, masks)
        assert len(source) == count
        assert source.labels.names == ("background", "car", "road")
        assert source.mask(0)[0, :4].tolist() == [1, 0, 255, 2]
    (masks / "JPEGImages").rename(masks / "elsewhere")
    assert len(cvat("all", masks, images=masks / "elsewhere")) == 2
    (masks / "labelmap.txt").write_text("car 0 0 142")
    with pytest.raises(ValueError, match="name:red,green,blue"):
        cvat("all", masks)


@pytest.mark.parametrize(
    ("options", "names", "ids"),
    [
        # Of car, background, ignore and road.
        ({"classes": ["road", "car"]}, ["background", "road", "car"], [2, 0, 255, 1]),
        (
            {"classes": ["car"], "skip": ["road"]},
            ["background", "car"],
            [1, 0, 255, 0],
        ),
        ({"classes": ["car"], "void": ["ignore", "road"]}, None, [1, 0, 255, 255]),
        ({"background": None}, ["car", "road"], [0, 255, 255, 1]),
        ({"background": None, "skip": ["road"]}, ["car"], [0, 255, 255, 255]),
        ({"background": "ground"}, ["ground", "car", "road"], [1, 0, 255, 2]),
        ({"background": "road"}, ["road", "car"], [1, 0, 255, 0]),
        ({"void": ()}, ["background", "car", "ignore", "road"], [1, 0, 2, 3]),
        (
            {"classes": ["car", "background", "road"], "background": None},
            ["car", "background", "road"],
            [0, 1, 255, 2],
        ),
    ],
)
def test_labels_of_masks_follow_the_rules_of_shapes(masks, options, names, ids):
    source = cvat("all", masks, **options)
    assert list(source.labels.names) == (names or ["background", "car"])
    assert source.mask(0)[0, :4].tolist() == ids


def test_labels_of_masks_are_known_or_an_error(masks):
    with pytest.raises(ValueError, match=r"(?s)'road'.*labelmap\.txt.*`skip`"):
        cvat("all", masks, classes=["car"])
    with pytest.raises(ValueError, match=r"without, \['cra'\]"):
        cvat("all", masks, classes=["cra", "road"])
    labels = Labels(("road", "car", "background"), ((1, 2, 3),) * 3, 99)
    (masks / "labels.json").write_text(json.dumps(labels.to_dict()))
    source = cvat("all", masks)
    assert source.labels == labels
    assert source.mask(0)[0, :4].tolist() == [1, 2, 99, 0]


def test_masks_without_lists_or_in_several(masks):
    lists = masks / "ImageSets" / "Segmentation"
    for name, lines in (("train", "a\n"), ("trainval", "a\nb\n")):
        (lists / f"{name}.txt").write_text(lines)
    (lists / "default.txt").unlink()
    assert [len(cvat(split, masks)) for split in ("train", "all")] == [1, 2]
    with pytest.raises(ValueError, match=r"1 images of none.*b\.png"):
        open_splits("cvat", masks, None, {})
    shutil.rmtree(masks / "ImageSets")
    assert [len(cvat(split, masks)) for split in ("train", "val", "all")] == [1, 1, 2]
    shutil.rmtree(masks / "SegmentationClass")
    with pytest.raises(FileNotFoundError, match=r"masks"):
        cvat("all", masks)
