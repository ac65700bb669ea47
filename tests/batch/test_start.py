import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("apache_beam")

import kseg
from kseg.batch.start import predict_batch
from kseg.labels import Labels

NAMES = ("road", "car", "sky")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A network as a LiteRT file of a fixed size, and as Keras keeps it."""
    import keras

    from kseg.export import export_litert

    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    network = kseg.build("unet", num_classes=3, filters=2, depth=2)
    labels = Labels.named(NAMES)
    export_litert(network, folder / "net.tflite", (32, 48), labels=labels)
    network.save(folder / "net.keras")
    return folder


def make_photos(folder, count=3, size=(30, 40)):
    rng = np.random.default_rng(0)
    for sub in ("a", "b/c"):
        (folder / sub).mkdir(parents=True)
        for i in range(count):
            noise = Image.fromarray(rng.integers(0, 256, (4, 5, 3)).astype(np.uint8))
            noise.resize(size[::-1]).save(folder / sub / f"{i}.png")
    return folder


def masks(output):
    return {
        str(path.relative_to(output)): path.stat().st_mtime_ns
        for path in output.rglob("*_mask.*")
    }


def check(models, photos, output, name="net.tflite", **options):
    """Compares all masks with what one process predicts."""
    from kseg.commands.arguments import open_model

    _, model, _ = open_model(str(models / name))
    images = sorted(photos.rglob("*.png"))
    expected = {f"{path.relative_to(photos)}_mask.png" for path in images}
    assert set(masks(output)) == expected
    for path in images:
        found = Image.open(output / f"{path.relative_to(photos)}_mask.png")
        assert found.mode == "P"
        ids = kseg.predict(model, np.asarray(Image.open(path)), **options)
        np.testing.assert_array_equal(np.asarray(found), ids)


def test_a_folder_is_segmented_as_predict_does(models, tmp_path):
    photos, output = make_photos(tmp_path / "photos"), tmp_path / "masks"
    model = str(models / "net.tflite")
    assert predict_batch(model, str(photos), str(output)) == (6, 0, 0)
    check(models, photos, output)
    assert (output / "failures.jsonl").read_text() == ""
    labels = json.loads((output / "labels.json").read_text())
    assert Labels.from_dict(labels).names == NAMES
    assert not (output / ".parts").exists()
    before = masks(output)
    assert predict_batch(model, str(photos), str(output)) == (0, 6, 0)
    (output / "b/c/1.png_mask.png").unlink()
    assert predict_batch(model, str(photos), str(output)) == (1, 5, 0)
    after = masks(output)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"b/c/1.png_mask.png"}


def test_keras_models_take_the_options_of_predict(models, tmp_path):
    photos, output = make_photos(tmp_path / "photos", 1), tmp_path / "masks"
    given = {"tile": [128, 128], "flip": True}
    model = str(models / "net.keras")
    counts = predict_batch(model, str(photos), str(output), options=given)
    assert counts == (2, 0, 0)
    check(models, photos, output, "net.keras", **given)
    with pytest.raises(ValueError, match="one model with the same options"):
        predict_batch(model, str(photos), str(output))
    with pytest.raises(ValueError, match="one model with the same options"):
        predict_batch(str(models / "net.tflite"), str(photos), str(output))


def test_what_fails_is_noted_and_the_rest_goes_on(models, tmp_path):
    photos, output = make_photos(tmp_path / "photos", 1), tmp_path / "masks"
    broken = photos / "a" / "broken.png"
    broken.write_bytes((photos / "a" / "0.png").read_bytes()[:60])
    paths = ["photos/a/0.png", str(broken), "", "photos/none.png", "photos/a/0.png"]
    (tmp_path / "list.txt").write_text("\n".join([*paths, "/elsewhere/1.png"]))
    given = (str(models / "net.tflite"), str(tmp_path / "list.txt"), str(output))
    assert predict_batch(*given, root=str(photos)) == (1, 0, 3)
    lines = (output / "failures.jsonl").read_text().splitlines()
    reasons = {x["image"]: x["reason"] for x in map(json.loads, lines)}
    assert set(reasons) == {
        str(broken),
        str(photos / "none.png"),
        "/elsewhere/1.png",
    }
    assert "whole" in reasons[str(broken)] and "none.png" in str(reasons)
    assert "below" in reasons["/elsewhere/1.png"]
    broken.write_bytes((photos / "a" / "0.png").read_bytes())
    assert predict_batch(*given, root=str(photos)) == (1, 1, 2)
    assert set(masks(output)) == {"a/0.png_mask.png", "a/broken.png_mask.png"}


def test_masks_are_no_images_of_the_next_run(models, tmp_path):
    photos = make_photos(tmp_path / "photos", 1)
    given = (str(models / "net.tflite"), str(photos), str(photos / "masks"))
    assert predict_batch(*given) == (2, 0, 0)
    assert predict_batch(*given) == (0, 2, 0)


def test_a_pattern_and_other_options_of_beam(models, tmp_path):
    photos, output = make_photos(tmp_path / "photos", 2), tmp_path / "masks"
    model, pattern = str(models / "net.tflite"), f"{photos}/**/0.png"
    beam = ["runner=DirectRunner", "direct_num_workers=1"]
    counts = predict_batch(model, pattern, str(output), beam_options=beam)
    assert counts == (2, 0, 0)
    assert set(masks(output)) == {"a/0.png_mask.png", "b/c/0.png_mask.png"}


def test_images_that_are_read_by_windows_become_tiff_files(models, tmp_path):
    pytest.importorskip("tifffile")
    from kseg.raster import read_image

    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    np.save(tmp_path / "map.npy", pixels)
    (tmp_path / "list.txt").write_text("map.npy\n")
    model, output = str(models / "net.keras"), tmp_path / "masks"
    given = (model, str(tmp_path / "list.txt"), str(output), str(tmp_path))
    assert predict_batch(*given) == (1, 0, 0)
    assert masks(output).keys() == {"map.npy_mask.tif"}
    found = read_image(output / "map.npy_mask.tif")
    assert found.shape == pixels.shape
    assert predict_batch(*given) == (0, 1, 0)


def test_a_batch_without_images_is_an_error(models, tmp_path):
    (tmp_path / "photos").mkdir()
    given = (
        str(models / "net.tflite"),
        str(tmp_path / "photos"),
        str(tmp_path / "out"),
    )
    with pytest.raises((OSError, ValueError), match="image|found"):
        predict_batch(*given)


def test_a_run_that_is_killed_goes_on(models, tmp_path):
    photos = make_photos(tmp_path / "photos", 60, (240, 320))
    output = tmp_path / "masks"
    given = [str(models / "net.tflite"), str(photos), str(output)]
    code = (
        "import sys\nfrom kseg.batch.start import predict_batch\n"
        "predict_batch(*sys.argv[1:])"
    )
    with subprocess.Popen([sys.executable, "-c", code, *given]) as process:
        end = time.monotonic() + 120
        while len(masks(output)) < 5 and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    before = masks(output)
    assert 5 <= len(before) < 120
    assert predict_batch(*given) == (120 - len(before), len(before), 0)
    after = masks(output)
    assert {name: after[name] for name in before} == before
    check(models, photos, output)
    assert not (output / ".parts").exists()


def test_litert_files_need_neither_keras_nor_tensorflow(models, tmp_path):
    photos = make_photos(tmp_path / "photos", 1)
    code = (
        "import sys\nfrom kseg import cli\n"
        "assert cli.main(['batch', *sys.argv[1:]]) == 0\n"
        "print(sorted({'jax', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    given = ["--model", models / "net.tflite", photos, "--output", tmp_path / "masks"]
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, given)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    said = result.stdout.splitlines()
    assert said[0].startswith("2 masks are new") and said[1] == "[]"
