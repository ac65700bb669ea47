"""The package that `lite/` makes: it runs without kseg, and gives what kseg gives."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lite_files import draw
from PIL import Image

import kseg
from kseg.lite import LiteRTModel

REPOSITORY = Path(__file__).parents[2]
SHIPPED = (
    REPOSITORY
    / "saved_models/camvid_deeplabv3plus_mobilenet_v2"
    / "camvid_deeplabv3plus_mobilenet_v2_int8.tflite"
)
# Of what a clean installation does not have, what kseg imports elsewhere.
REFUSED = {"cv2", "h5py", "jax", "keras", "kseg", "scipy", "skimage", "tensorflow"}

BLOCKED = f"""
import sys


class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {REFUSED!r}:
            raise ImportError(f"{{name}} is not there")


sys.meta_path.insert(0, Refuses())
"""
PREDICT = """
import json
import numpy as np
from PIL import Image
from kseg_lite import LiteRTModel, predict, read_image

for path, image, result in json.loads(sys.argv[1]):
    np.save(result, predict(LiteRTModel(path), read_image(image)))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the package `kseg_lite`."""
    spec = importlib.util.spec_from_file_location(
        "lite_setup", REPOSITORY / "lite" / "setup.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("made")
    module.make(folder / "kseg_lite")
    return folder


def run(made, code, *arguments):
    """Runs code where only the made package, numpy, Pillow and LiteRT are."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments],
        env={**os.environ, "PYTHONPATH": str(made)},
        cwd=made,
        capture_output=True,
        text=True,
        check=False,
    )


def test_ids_are_those_of_kseg_to_the_bit(made, litert_file, tmp_path):
    files = [
        litert_file("float32", "logits", "whole"),
        litert_file("float32", "class_map", "whole"),
        litert_file("int8", "logits", "middle"),
        litert_file("int8", "probabilities", "whole"),
        SHIPPED,
    ]
    jobs, expected = [], {}
    for number, path in enumerate(files):
        for size in ((90, 131), (33, 20)):
            name = tmp_path / f"{number}_{size[0]}"
            image = draw(size, number)
            Image.fromarray(image).save(name.with_suffix(".png"))
            result = name.with_suffix(".npy")
            expected[result] = kseg.predict(LiteRTModel(path), image)
            jobs.append([str(path), str(name.with_suffix(".png")), str(result)])
    done = run(made, PREDICT, json.dumps(jobs))
    assert done.returncode == 0, done.stderr
    assert len(expected) == 10
    for result, ids in expected.items():
        found = np.load(result)
        assert found.dtype == ids.dtype
        np.testing.assert_array_equal(found, ids)


def test_every_module_is_there_and_imports_nothing_else(made):
    modules = sorted(made.rglob("*.py"))
    names = [".".join(path.relative_to(made).with_suffix("").parts) for path in modules]
    assert {"kseg_lite.cli", "kseg_lite.labels", "kseg_lite.raster.whole"} <= {*names}
    names = [name for name in names if not name.endswith("__main__")]
    code = f"import importlib\nfor n in {names}: importlib.import_module(n)\n"
    code += "import json\nloaded = {n.split('.')[0] for n in sys.modules}\n"
    code += "print(json.dumps(sorted(loaded - sys.stdlib_module_names)))"
    done = run(made, code)
    assert done.returncode == 0, done.stderr
    loaded = {
        name for name in json.loads(done.stdout) if not name.startswith(("_", "site"))
    }
    assert loaded <= {"kseg_lite", "numpy", "PIL", "cython_runtime", "defusedxml"}
    sources = [path.read_text() for path in modules]
    assert not any("from kseg." in text or "import kseg." in text for text in sources)


def test_the_command_runs(made, tmp_path):
    Image.fromarray(draw((60, 80))).save(tmp_path / "photo.jpg")
    code = "from kseg_lite.cli import main\nsys.exit(main(sys.argv[1:]))"
    output = str(tmp_path / "out")
    photo = str(tmp_path / "photo.jpg")
    done = run(made, code, "predict", str(SHIPPED), photo, "--output", output)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out" / "photo_mask.png") as mask:
        assert mask.mode == "P" and mask.size == (80, 60)
    video = str(tmp_path / "y.mp4")
    done = run(made, code, "video", str(SHIPPED), photo, video)
    assert done.returncode == 2
    assert "need OpenCV" in done.stderr and "pip install" in done.stderr


@pytest.mark.slow
def test_a_clean_installation(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet"]
    done = subprocess.run(
        [*install, REPOSITORY / "lite"], capture_output=True, text=True, check=False
    )
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("no package index is within reach")
    assert done.returncode == 0, done.stderr
    packages = tmp_path / "venv" / "lib"
    (packages,) = packages.glob("python*/site-packages")
    there = {path.name.lower() for path in packages.iterdir()}
    assert {"kseg_lite", "numpy", "pil", "ai_edge_litert"} <= there
    assert not REFUSED & there
    size = sum(p.stat().st_size for p in packages.rglob("*") if p.is_file())
    assert size < 200e6

    image = draw((360, 480))
    Image.fromarray(image).save(tmp_path / "photo.png")
    command = packages.parents[2] / "bin" / "kseg-lite"
    subprocess.run(
        [command, "predict", SHIPPED, "photo.png", "--output", "out"],
        cwd=tmp_path,
        check=True,
    )
    with Image.open(tmp_path / "out" / "photo_mask.png") as mask:
        expected = kseg.predict(LiteRTModel(SHIPPED), image)
        np.testing.assert_array_equal(np.asarray(mask), expected)
    timing = [command, "time", SHIPPED, "--threads", "1", "--runs", "3"]
    subprocess.run(timing, cwd=tmp_path, check=True)
