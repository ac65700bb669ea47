import argparse
import json

import numpy as np
import pytest
from PIL import Image

from kseg.commands import import_labels
from kseg.data.folder import folder
from kseg.data.label_tools import coco
from kseg.labels import Labels
from kseg.raster import write_mask


def square(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def shape(label, points):
    return {"label": label, "points": points, "shape_type": "polygon", "flags": {}}


def labelme_file(path, shapes):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (14, 10)).save(path.with_suffix(".png"))
    size = {"imageHeight": 10, "imageWidth": 14}
    data = {"shapes": shapes, "imagePath": f"{path.stem}.png", **size}
    path.write_text(json.dumps(data))


@pytest.fixture
def predictions(tmp_path):
    """What `kseg predict` writes, and the photos beside it."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "predictions").mkdir()
    for number, name in enumerate("ab"):
        Image.new("RGB", (14, 10)).save(tmp_path / "photos" / f"{name}.jpg")
        path = tmp_path / "predictions" / f"{name}_mask.png"
        write_mask(path, np.full((10, 14), number), Labels.named(["sky", "road"]))
        Image.new("RGB", (14, 10)).save(
            tmp_path / "predictions" / f"{name}_overlay.png"
        )
    return tmp_path


def run(*arguments):
    parser = argparse.ArgumentParser()
    import_labels.add_arguments(parser)
    return import_labels.run(parser.parse_args([str(a) for a in arguments]))


def test_corrections_go_round(predictions, capsys):
    path, out = predictions / "predictions", predictions / "corrections"
    (predictions / "model.json").write_text(
        json.dumps({"labels": Labels.named(["sky", "road"]).to_dict()})
    )
    common = (path, "--from", "masks", "--images", predictions / "photos")
    classes = ("--classes", predictions / "model.json")
    assert run(*common, *classes, "--to", "labelme", "--output", out) == 0
    printed = capsys.readouterr().out
    assert "all: 2 images, 2 objects written" in printed
    assert "sky                           140   50.00%" in printed
    data = json.loads((out / "a.json").read_text())
    data["shapes"].append(shape("road", square(0, 0, 5, 2)))
    (out / "a.json").write_text(json.dumps(data))
    again = ("--from", "labelme", "--output", predictions / "data")
    assert run(out, *again, "--split", "train") == 0
    printed = capsys.readouterr().out
    assert "train: 2 images, 3 objects read" in printed and "as folder" in printed
    source = folder("train", predictions / "data")
    assert source.labels.names == ("sky", "road")
    expected = np.zeros((10, 14))
    expected[:2, :5] = 1
    np.testing.assert_array_equal(source.mask(0), expected)
    photo = predictions / "photos" / "a.jpg"
    assert source.image_path(0).samefile(photo)


def test_a_broken_object_leaves_no_output(tmp_path):
    for number in range(6):
        points = square(0, 0, 5, 5) if number < 5 else [[0, 0]]
        labelme_file(tmp_path / "in" / f"{number}.json", [shape("a", points)])
    with pytest.raises(ValueError, match=r"5\.json"):
        run(tmp_path / "in", "--from", "labelme", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_reach_the_reader(tmp_path):
    # What lies over what differs by the rule: a is the smallest, c is not drawn.
    shapes = [shape(label, square(0, 0, 3 + i, 5)) for i, label in enumerate("abcd")]
    labelme_file(tmp_path / "in" / "x.json", shapes)
    arguments = [tmp_path / "in", "--from", "labelme", "--output", tmp_path / "out"]
    arguments += ["--to", "coco", "--void", "d", "--skip", "c", "--background", "none"]
    assert run(*arguments, "--overlap", "small", "--split", "val") == 0
    back = coco("val", tmp_path / "out")
    assert back.labels.names == ("a", "b")
    expected = np.full((10, 14), 255)
    expected[:5, :4], expected[:5, :3] = 1, 0
    np.testing.assert_array_equal(back.mask(0), expected)
    with pytest.raises(ValueError, match="--from yolo takes.*Received: --images"):
        run(tmp_path, "--from", "yolo", "--images", tmp_path, "--output", tmp_path)


def test_options_that_would_do_nothing_are_refused(tmp_path):
    to = ("--output", tmp_path / "out")
    for arguments, name in (
        (("--from", "labelme", "--simplify", "2"), "--simplify"),
        (("--from", "masks", "--background", "x"), "--background"),
        (("--from", "folder", "--background", "none"), "--background"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be of outlines"):
            run(tmp_path, *arguments, *to)
    assert not (tmp_path / "out").exists()


def test_the_background_of_masks_is_not_drawn(predictions):
    common = (predictions / "predictions", "--from", "masks", "--to", "labelme")
    common += ("--images", predictions / "photos", "--classes", "sky,road")
    for name, expected in (("sky", [0, 1]), ("none", [1, 1])):
        out = predictions / name
        assert run(*common, "--background", name, "--output", out) == 0
        files = [json.loads((out / f"{stem}.json").read_text()) for stem in "ab"]
        assert [len(data["shapes"]) for data in files] == expected
