import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kseg.data.pairing import pair_files, pair_masks, pictures


def touch(root, *names):
    """Writes pictures of one pixel."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (1, 1)).save(path)
    return root


def paired(root, images="i", masks="m", **suffixes):
    pairs = pair_files(root / images, root / masks, **suffixes)
    return [
        (str(i.relative_to(root / images)), str(m.relative_to(root / masks)))
        for i, m in pairs
    ]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}.jpg", "{}.png"),
        ("{}.JPG", "{}_mask.PNG"),
        ("{}.png", "{}_L.png"),
        ("{}.png", "{}_train_id.png"),
        ("{}.tif", "{}-labels.tif"),
        ("{}_leftImg8bit.png", "{}_gtFine_labelIds.png"),
        ("{}_sat.jpg", "{}_mask.png"),
        ("{}.jpg", "{} (mask).png"),
    ],
)
@pytest.mark.parametrize("one_folder", [False, True])
def test_suffixes_are_found(tmp_path, image, mask, one_folder):
    if one_folder and image.startswith("{}_"):
        pytest.skip("two suffixes in one folder are to be given")
    stems = ["a 1", "a 10", "town/a", "town/b.2"]
    images, masks = ("d", "d") if one_folder else ("i", "m")
    touch(tmp_path / images, *(image.format(stem) for stem in stems))
    touch(tmp_path / masks, *(mask.format(stem) for stem in stems))
    expected = [(image.format(stem), mask.format(stem)) for stem in stems]
    assert paired(tmp_path, images, masks) == expected


def test_suffixes_may_be_given(tmp_path):
    names = ("a_rgb.png", "a_mask.png", "a_depth.png", "b_rgb.png", "b_mask.png")
    touch(tmp_path / "d", *names)
    with pytest.raises(ValueError, match="mask_suffix"):
        paired(tmp_path, "d", "d")
    found = paired(tmp_path, "d", "d", image_suffix="_rgb", mask_suffix="_mask")
    assert found == [("a_rgb.png", "a_mask.png"), ("b_rgb.png", "b_mask.png")]
    touch(tmp_path / "i", "a.png")
    touch(tmp_path / "m", "a_x.png", "a_y.png")
    with pytest.raises(ValueError, match=r"\['_x', '_y'\] would do"):
        paired(tmp_path)
    assert paired(tmp_path, mask_suffix="_y") == [("a.png", "a_y.png")]
    with pytest.raises(ValueError, match=r"1 without mask.*\['a'\].*'a_x', 'a_y'"):
        paired(tmp_path, mask_suffix="_z")


def test_a_number_is_no_suffix(tmp_path):
    touch(tmp_path / "i", "1.png")
    touch(tmp_path / "m", "10.png")
    with pytest.raises(ValueError, match="1 without mask"):
        paired(tmp_path)


def test_the_same_name_goes_before_a_suffix(tmp_path):
    touch(tmp_path / "i", "a.png", "b.png")
    touch(tmp_path / "m", "a.png", "b.png")
    assert paired(tmp_path)[0] == ("a.png", "a.png")


def test_names_that_are_not_utf8(tmp_path):
    for kind in ("i", "m"):
        (tmp_path / kind).mkdir()
        name = os.path.join(os.fsencode(tmp_path / kind), b"caf\xe9 1.png")
        shutil.copyfile(touch(tmp_path, "x.png") / "x.png", os.fsdecode(name))
    ((image, mask),) = pair_files(tmp_path / "i", tmp_path / "m")
    assert os.fsencode(image.name) == b"caf\xe9 1.png" == os.fsencode(mask.name)
    with Image.open(image) as picture:
        assert np.asarray(picture).shape == (1, 1)


def test_links_are_followed_and_loops_refused(tmp_path):
    touch(tmp_path / "real", "a.png", "deep/b.png")
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / "there").symlink_to(tmp_path / "real")
    (tmp_path / "i" / "c.png").symlink_to(tmp_path / "real" / "a.png")
    found = [str(p.relative_to(tmp_path / "i")) for p in pictures(tmp_path / "i")]
    assert found == ["c.png", "there/a.png", "there/deep/b.png"]
    (tmp_path / "real" / "deep" / "up").symlink_to(tmp_path / "real")
    with pytest.raises(ValueError, match="lead back.*deep/up"):
        list(pictures(tmp_path / "i"))


def test_a_folder_that_tells_nothing_is_an_error(tmp_path):
    touch(tmp_path / "d", "a.png", "b.png")
    with pytest.raises(ValueError, match=r"differ by a suffix.*\['a', 'b'\]"):
        paired(tmp_path, "d", "d")


def test_masks_may_be_of_some_images(tmp_path):
    touch(tmp_path / "i", "a.png", "b.png")
    touch(tmp_path / "m", "b.png")
    ((image, mask),) = pair_masks(tmp_path / "i", tmp_path / "m")
    assert image.name == mask.name == "b.png"
    touch(tmp_path / "m", "a_mask.png", "a_overlay.png")
    ((image, mask),) = pair_masks(tmp_path / "i", tmp_path / "m")
    assert (image.name, mask.name) == ("a.png", "a_mask.png")
