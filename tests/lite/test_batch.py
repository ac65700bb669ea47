"""Folders of images: what `kseg predict` writes, going on after a stop."""

import os

import numpy as np
import pytest
from lite_files import draw
from PIL import Image

from kseg import cli
from kseg.lite.batch import predict_files


def write_all_kinds(folder):
    """Writes pictures of every kind that a camera or a program may give."""
    folder.mkdir()
    image = draw((40, 56), 5)
    grey = np.arange(40 * 56, dtype=np.uint16).reshape(40, 56) * 29
    Image.fromarray(image).save(folder / "plain.bmp")
    Image.fromarray(image[..., 0]).save(folder / "grey.png")
    Image.fromarray(grey).save(folder / "grey16.png")
    Image.fromarray(image).quantize(16).save(folder / "palette.png")
    alpha = np.dstack([image, image[..., :1]])
    Image.fromarray(alpha, "RGBA").save(folder / "transparent.png")
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    Image.fromarray(image).save(folder / "turned.jpg", exif=exif)
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_those_of_kseg_predict_to_the_byte(litert_file, tmp_path):
    path = litert_file()
    photos = write_all_kinds(tmp_path / "photos")
    done, skipped, failures = predict_files(path, [photos], tmp_path / "lite", True)
    assert len(done) == 6 and not skipped and not failures
    full = tmp_path / "full"
    command = ["predict", "--model", str(path), str(photos), "--output", str(full)]
    assert cli.main(command) == 0
    ours = contents(tmp_path / "lite")
    del ours["predicted_by.json"]
    assert ours == contents(full)
    with Image.open(full / "turned_mask.png") as mask:
        assert mask.size == (40, 56)  # upright


def test_what_is_finished_is_skipped_and_what_is_newer_is_not(litert_file, tmp_path):
    path = litert_file()
    photos, output = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in "abc":
        Image.fromarray(draw((9, 11), ord(name))).save(photos / f"{name}.png")
    first = photos / "a.png"
    told = []
    assert predict_files(path, [first], output).done == [first]
    mask = output / "a_mask.png"
    old = mask.read_bytes()
    mask.write_bytes(b"mine")
    batch = predict_files(path, [photos], output, progress=lambda *x: told.append(x))
    assert batch.skipped == [first] and len(batch.done) == 2
    assert mask.read_bytes() == b"mine"
    assert told[-1] == (2, 3, photos / "c.png")
    # Overlays are asked for now, and are not there.
    assert len(predict_files(path, [photos], output, overlays=True).done) == 3
    assert mask.read_bytes() == old
    later = mask.stat().st_mtime + 10
    os.utime(first, (later, later))
    assert predict_files(path, [photos], output).done == [first]


def test_masks_of_another_model_are_neither_kept_nor_mixed(litert_file, tmp_path):
    photo, output = tmp_path / "a.png", tmp_path / "out"
    Image.fromarray(draw((9, 11))).save(photo)
    predict_files(litert_file(), [photo], output)
    other = litert_file("float32", "class_map")
    with pytest.raises(ValueError, match=r"masks of one model\. Received: .*out"):
        predict_files(other, [photo], output)
    (output / "predicted_by.json").unlink()
    assert predict_files(other, [photo], output).done == [photo]


def test_broken_images_are_named_and_the_others_go_on(litert_file, tmp_path):
    for name in ("a", "c"):
        Image.fromarray(draw((9, 11))).save(tmp_path / f"{name}.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "d.npy", draw((9, 11)))
    batch = predict_files(
        litert_file(), [tmp_path, tmp_path / "d.npy"], tmp_path / "out"
    )
    assert [path.stem for path in batch.done] == ["a", "c"]
    broken, large = batch.failures.values()
    assert "must be a whole file. Received:" in str(broken) and "b.png" in str(broken)
    assert "reads it by windows" in str(large) and "d.npy" in str(large)
    assert not (tmp_path / "out" / "b_mask.png").exists()
    with pytest.raises(ValueError, match="must be 0 to 1. Received: 2"):
        predict_files(litert_file(), [tmp_path], tmp_path / "out", alpha=2)
