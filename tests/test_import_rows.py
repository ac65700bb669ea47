"""Imports only point down, and TensorFlow waits until it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kseg

REPOSITORY = Path(__file__).parents[1]

# A box knows the boxes of lower rows, and none beside it; those on top know each
# other. Row 3 takes a model or arrays, and never builds a network.
ROWS = [
    {
        "cores",
        "download",
        "files",
        "graph_cut",
        "labels",
        "layers",
        "optional",
        "quiet",
        "registry",
        "state_dict",
        "web_page",
    },
    {
        "backbones",
        "backend",
        "complexity",
        "losses",
        "metrics",
        "optimizers",
        "raster",
        "taps",
    },
    {"lite", "networks"},
    {"data", "export", "inference", "weak"},
    {
        "batch",
        "cli",
        "commands",
        "convert",
        "dossier",
        "installation",
        "models",
        "serving",
        "training",
    },
]
TOP = len(ROWS) - 1
ROW = {box: row for row, boxes in enumerate(ROWS) for box in boxes}

# What rows 0 to 2 may import beside the standard library.
PACKAGES = {
    "cores": set(),
    "backbones": {"h5py", "keras", "numpy"},
    "backend": {"keras"},
    "complexity": {"keras", "numpy"},
    "download": {"tqdm"},
    "files": set(),
    "graph_cut": {"numpy", "scipy"},
    "labels": set(),
    "layers": {"keras", "numpy"},
    "lite": {"PIL", "cv2", "numpy"},
    "losses": {"keras", "numpy"},
    "metrics": {"keras", "numpy", "scipy"},
    "networks": {"keras"},
    "optimizers": {"keras"},
    "optional": set(),
    "quiet": set(),
    "raster": {"PIL", "numpy"},
    "registry": {"keras"},
    "state_dict": {"numpy"},
    "taps": {"keras"},
    "web_page": set(),
}
TENSORFLOW = {"ai_edge_litert", "tensorflow", "tensorflow_datasets"}
# Of rows 0 to 2, what asks for the backend and calls it, inside a function.
CALLS_BACKEND = {
    "kseg.backend",
    "kseg.layers.convolution",
    "kseg.layers.enlarged",
    "kseg.layers.resize",
    "kseg.taps",
}
# What runs LiteRT files, and imports its runtime inside a function.
RUNS_LITERT = {"kseg.lite.litert_model"}
# The builders are classes of TensorFlow Datasets; `data` imports them in functions.
IS_TENSORFLOW = {"kseg.data.prepare_builder", "kseg.data.synthetic_builder"}


def modules():
    """Returns the sources of all modules by their dotted names."""
    found = {}
    for folder, package in (("kseg", "kseg"), ("training", "kseg.training")):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            parts = path.relative_to(REPOSITORY / folder).with_suffix("").parts
            name = ".".join((package, *(p for p in parts if p != "__init__")))
            found[name] = path.read_text()
    # `kseg` names what it offers without importing it; `python -m kseg` is the cli.
    return {k: v for k, v in found.items() if k not in ("kseg", "kseg.__main__")}


MODULES = modules()


def imports(source):
    """Yields what a module imports, and whether it does so when it is imported."""
    tree = ast.parse(source)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        at_once = id(node) not in inside
        if isinstance(node, ast.Import):
            yield from ((alias.name, at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", at_once


def complaints(module, source):
    """Returns what is wrong with the imports of a module, as sentences."""
    box = module.split(".")[1]
    row = ROW[box]
    found = []
    for name, at_once in imports(source):
        package, *rest = name.split(".")
        if package == "kseg":
            other = rest[0] if rest and rest[0] in ROW else None
            if other is None and row != TOP:
                found.append(f"{module} imports {name}, which is in no row")
            elif other == box == "networks":
                found.append(f"{module} imports another network: {name}")
            elif other not in (None, box) and row < TOP and ROW[other] >= row:
                found.append(f"{module} imports {name}, which is not below it")
            elif row == 3 and other == "networks":
                found.append(f"{module} imports a network: {name}")
        elif package in TENSORFLOW:
            allowed = row > 2 and box not in ("inference", "weak")
            runs = package == "ai_edge_litert" and module in RUNS_LITERT
            if not (allowed or runs or module in CALLS_BACKEND):
                found.append(f"{module} imports {name}")
            elif at_once and module not in IS_TENSORFLOW:
                found.append(f"{module} imports {name} outside a function")
        elif package == "jax" and module in CALLS_BACKEND and not at_once:
            continue
        elif package not in sys.stdlib_module_names:
            if package not in PACKAGES.get(box, {package}):
                found.append(f"{module} imports {name}, which its row does not have")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    if module == "kseg.networks":  # the list of the networks imports them all
        return
    assert complaints(module, MODULES[module]) == []


def test_every_box_has_a_row():
    assert {module.split(".")[1] for module in MODULES} <= set(ROW)
    assert set(PACKAGES) == set().union(*ROWS[:3])


def test_the_modules_are_found():
    assert {"kseg.layers.resize", "kseg.networks.unet", "kseg.cli"} < set(MODULES)
    assert {"kseg.training.run", "kseg.data", "kseg.export.litert"} < set(MODULES)
    assert ("tensorflow", False) in imports(MODULES["kseg.layers.resize"])


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kseg.networks.fcn", "from kseg.networks.unet import unet"),
        ("kseg.networks.fcn", "from kseg.networks import unet"),
        ("kseg.networks.fcn", "from kseg.data import read_image"),
        ("kseg.networks.fcn", "import tensorflow as tf"),
        ("kseg.networks.fcn", "def f():\n    import tensorflow as tf"),
        ("kseg.networks.fcn", "import numpy, kseg"),
        ("kseg.layers.pool", "from kseg.registry import unknown"),
        ("kseg.layers.pool", "from kseg import backbones"),
        ("kseg.layers.pool", "import PIL.Image"),
        ("kseg.layers.resize", "import tensorflow as tf"),
        ("kseg.losses.dice", "from kseg.metrics import MeanIoU"),
        ("kseg.lite.video", "from kseg.networks import build"),
        ("kseg.lite.video", "import keras"),
        ("kseg.lite.litert_model", "import ai_edge_litert"),
        ("kseg.lite.video", "def f():\n    import ai_edge_litert"),
        ("kseg.data.voc", "from kseg import networks"),
        ("kseg.data.voc", "def f():\n    from kseg.inference import predict"),
        ("kseg.data.voc", "import tensorflow_datasets as tfds"),
        ("kseg.export.onnx", "def f():\n    import kseg.models"),
        ("kseg.export.onnx", "class A:\n    import tensorflow"),
        ("kseg.inference.crf", "def f():\n    import tensorflow"),
        ("kseg.inference.crf", "from kseg.networks import build"),
        ("kseg.training.run", "from tensorflow import keras"),
    ],
)
def test_a_wrong_import_is_seen(module, source):
    assert len(complaints(module, source)) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kseg.networks.fcn", "from kseg import backbones, layers\nimport keras"),
        ("kseg.layers.resize", "def f():\n    import tensorflow as tf"),
        ("kseg.export.onnx", "def f():\n    import tensorflow as tf"),
        ("kseg.export.onnx", "from kseg.metrics import MeanIoU\nimport numpy, os"),
        ("kseg.cli", "def f():\n    from kseg.training import run\nimport kseg"),
    ],
)
def test_a_right_import_is_not(module, source):
    assert complaints(module, source) == []


HEAVY = {"PIL", "cv2", "jax", "keras", "numpy", "scipy", "tensorflow", "torch"}
HELP = """
import runpy
sys.argv = ['kseg', '--help']
try: runpy.run_module('kseg', run_name='__main__')
except SystemExit as end: assert end.code == 0
"""


@pytest.mark.parametrize(
    ("code", "most"),
    [
        ("import kseg; dir(kseg)", 12),
        ("import kseg.labels, kseg.files, kseg.download, kseg.registry", 150),
        (HELP, 70),
    ],
)
def test_light_things_load_little_and_nothing_heavy(code, most):
    code = (
        f"import sys\nbefore = set(sys.modules)\n{code}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    loaded = result.stdout.splitlines()[-1].split()
    assert not HEAVY & set(loaded)
    assert len(loaded) <= most, loaded


def test_kseg_offers_what_it_names():
    assert dir(kseg) == sorted(kseg.__all__)
    for name in kseg.__all__:
        assert getattr(kseg, name) is not None
    assert callable(kseg.build) and callable(kseg.predict)
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        kseg.segment  # noqa: B018
