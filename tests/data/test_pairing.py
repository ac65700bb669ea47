import os
import shutil

import numpy as np
import pytest
from PIL import Image

from kseg.data import pairing
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


def paired_names(root):
    pairs = pair_files(root / "images", root / "masks")
    for image, mask in pairs:
        relative = image.relative_to(root / "images").with_suffix("")
        assert mask.relative_to(root / "masks").with_suffix("") == relative
    return [image.stem for image, _ in pairs]


def test_files_pair_by_name_in_the_order_of_names(tmp_path):
    for name, ending in (("c", "JPG"), ("a", "png"), ("b.1", "webp"), ("b.2", "bmp")):
        touch(tmp_path, f"images/{name}.{ending}", f"masks/{name}.png")
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "images" / "._a.png").write_bytes(b"of another system")
    touch(tmp_path, "images/.ipynb_checkpoints/a-checkpoint.png")
    assert paired_names(tmp_path) == ["a", "b.1", "b.2", "c"]


def test_files_of_nested_folders_pair_by_their_path(tmp_path):
    for name in ("ulm/1", "bonn/1", "bonn/2"):
        touch(tmp_path, f"images/{name}.png", f"masks/{name}.png")
    assert paired_names(tmp_path) == ["1", "2", "1"]


@pytest.mark.parametrize(("kind", "lone"), [("mask", "images"), ("image", "masks")])
def test_a_picture_without_partner_is_an_error(tmp_path, kind, lone):
    for name in ("a", "b"):
        touch(tmp_path, f"images/{name}.png", f"masks/{name}.png")
    for name in ("x/1", "x/2", "y", "z"):
        touch(tmp_path, f"{lone}/{name}.png")
    with pytest.raises(ValueError, match=f"4 without {kind} in .*'x/1', 'x/2', 'y'"):
        pair_files(tmp_path / "images", tmp_path / "masks")


def test_two_pictures_of_one_name_are_an_error(tmp_path):
    touch(tmp_path, "images/a.png", "images/a.jpg", "masks/a.png")
    with pytest.raises(ValueError, match=r"a\.jpg and .*a\.png"):
        pair_files(tmp_path / "images", tmp_path / "masks")


def test_empty_and_missing_folders_are_errors(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match="masks"):
        pair_files(tmp_path / "images", tmp_path / "masks")
    (tmp_path / "masks").mkdir()
    with pytest.raises(ValueError, match=r"at least one pair.*images.*masks.*\.png"):
        pair_files(tmp_path / "images", tmp_path / "masks")


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


@pytest.mark.parametrize("masks", ["i", "m"])
def test_copies_that_a_browser_has_numbered(tmp_path, monkeypatch, masks):
    """Each number could be an ending of the first name: they are not all tried out."""
    stems = ["photo", *(f"photo ({number})" for number in range(1, 60))]
    touch(tmp_path / "i", *(f"{stem}.png" for stem in stems))
    touch(tmp_path / masks, *(f"{stem}_mask.png" for stem in stems))
    passes = []
    for name in ("_stripped", "_suffixes"):
        function = getattr(pairing, name)

        def counted(*arguments, function=function):
            passes.append(function)
            return function(*arguments)

        monkeypatch.setattr(pairing, name, counted)
    expected = [(f"{stem}.png", f"{stem}_mask.png") for stem in sorted(stems)]
    assert paired(tmp_path, "i", masks) == expected
    assert len(passes) < 10  # over all names


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


def test_images_are_not_masks_of_themselves(tmp_path):
    touch(tmp_path / "m", "a.png", "b.png")
    (tmp_path / "link").symlink_to(tmp_path / "m")
    for images in (tmp_path / "m", tmp_path / "link"):
        with pytest.raises(ValueError, match="for both.*--images"):
            pair_masks(images, tmp_path / "m")
    touch(tmp_path / "m", "a_mask.png")
    assert len(pair_masks(tmp_path / "m", tmp_path / "m")) == 1
