"""A folder for any web host: a page, a LiteRT file, and the runtime if wanted.

The page's sources are in `static/`; its `index.html` names each file of the runtime,
LiteRT.js, with its version and its digest. https://ai.google.dev/edge/litert/web
"""

import base64
import hashlib
import json
import re
import shutil
from html import escape
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from kseg import web_page
from kseg.files import whole_file, write_json
from kseg.lite import read_sidecar
from kseg.lite.litert_model import sidecar_path

# Where browsers find the runtime: a mirror of npm that lets any page use it.
RUNTIME_HOST = "https://cdn.jsdelivr.net/npm/"


def write_browser_page(
    path: str | Path, folder: str | Path, runtime: str | Path | None = None
) -> Path:
    """Writes a page that segments pictures in the browser with a LiteRT file.

    The folder works on any web host, below any path. Pictures stay in the browser.

    Args:
        path: The `.tflite` file that `export_litert` wrote, of any precision.
        folder: Where the page goes. Missing parents are made, and files of the same
            names replaced.
        runtime: The `node_modules` folder in which npm installed LiteRT.js, to copy
            38 MB of it beside the page; `None` for a page that loads 10 MB of it from
            `RUNTIME_HOST`. Either way the browser refuses files that differ from
            those that the page names.

    Returns:
        The path of `index.html`.

    Raises:
        ValueError: If `path` is no such file, or `runtime` holds not the version of
            LiteRT.js that the page names.
    """
    path, folder = Path(path), Path(folder)
    sidecar = {**read_sidecar(path), "file": path.name}
    index = Template(_static().joinpath("index.html").read_text(encoding="utf-8"))
    files = {} if runtime is None else _runtime_files(index, Path(runtime))
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        _copy(file, folder / "runtime" / name)
    _copy(path, folder / path.name)
    write_json(sidecar_path(folder / path.name), sidecar)
    for source in _static().iterdir():
        if source.name.endswith(".js"):
            _write(folder / source.name, source.read_text(encoding="utf-8"))
    style = _static().joinpath("page.css").read_text(encoding="utf-8")
    _write(folder / "page.css", web_page.STYLE.lstrip() + style)
    text = index.substitute(
        title=escape(path.stem),
        sidecar=escape(sidecar_path(path).name),
        runtime=RUNTIME_HOST if runtime is None else "./runtime/",
    )
    _write(folder / "index.html", text)
    return folder / "index.html"


def _static() -> Traversable:
    """Returns the folder of the page's sources."""
    return resources.files("kseg.export.browser") / "static"


def _runtime_files(index: Template, node_modules: Path) -> dict[str, Path]:
    """Returns the files of the runtime by their place, checked as a browser does."""
    text = index.safe_substitute(runtime="")
    import_map = text.partition('<script type="importmap">')[2].partition("</")[0]
    digests = json.loads(import_map)["integrity"]
    files = {}
    for name, digest in digests.items():
        file = node_modules / re.sub(r"@[\d.]+/", "/", name)
        content = file.read_bytes() if file.is_file() else b""
        found = base64.b64encode(hashlib.sha384(content).digest()).decode()
        if f"sha384-{found}" != digest:
            package = name.rpartition("/dist/")[0] or name.rpartition("/wasm/")[0]
            raise ValueError(
                f"The runtime must be {package}, in a folder node_modules. Received: "
                f"{str(file)!r}, which {'differs' if content else 'is not there'}. "
                f"`npm install {package}` makes the folder."
            )
        files[name] = file
    return files


def _copy(source: Path, target: Path) -> None:
    """Copies a file, which may be the target itself."""
    if source.exists() and target.exists() and source.samefile(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as temporary:
        shutil.copyfile(source, temporary)


def _write(path: Path, text: str) -> None:
    """Writes a text that appears whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
