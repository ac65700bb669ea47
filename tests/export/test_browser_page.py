"""The page of a LiteRT file: its files, and what it does in a browser."""

import base64
import contextlib
import json
import re
import shutil
import tarfile
import threading
import time
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
from chromium import BROWSER, Browser
from PIL import Image
from small_network import SIZE

from kseg.export import LiteRTModel, export_litert, read_sidecar
from kseg.export.browser import page_server, write_browser_page
from kseg.inference import predict
from kseg.labels import Labels
from kseg.raster import read_image

REPOSITORY = Path(__file__).parents[2]
NODE_MODULES = REPOSITORY / "build" / "browser" / "node_modules"
STATIC = REPOSITORY / "kseg" / "export" / "browser" / "static"
SHIPPED = "camvid_deeplabv3plus_mobilenet_v2"
# A camera that films nothing real, and a GPU that is none.
FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


# The folder


def test_the_folder_holds_all_that_the_page_asks_for(exported, tmp_path):
    file = exported("int8")
    index = write_browser_page(file, tmp_path / "new" / "page")
    folder = index.parent
    ours = {path.name for path in STATIC.iterdir()}
    sidecar = file.with_suffix(".json").name
    assert {path.name for path in folder.iterdir()} == ours | {file.name, sidecar}
    text = index.read_text()
    asked = re.findall(r'(?:href|src|sidecar)="([^"]+)"', text)
    scripts = [path.read_text() for path in folder.glob("*.js")]
    asked += re.findall(r'"\./([\w.]+)"', "".join(scripts))
    assert {name for name in asked if ":" not in name} == ours - {"index.html"} | {
        sidecar
    }
    assert read_sidecar(folder / file.name) == read_sidecar(file)
    assert "${" not in text and "--accent: #" in (folder / "page.css").read_text()


def test_the_runtime_is_of_one_version_and_its_files_are_known(exported, tmp_path):
    text = write_browser_page(exported(), tmp_path).read_text()
    found = json.loads(re.search('<script type="importmap">(.*?)</', text, re.S)[1])
    assert set(found["imports"].values()) < set(found["integrity"])
    versions = {re.search("@([0-9.]+)/", url)[1] for url in found["integrity"]}
    make = (REPOSITORY / "Makefile").read_text()
    assert set(re.findall(r"@litertjs/[\w-]+@([0-9.]+)", make)) == versions
    assert all(url.startswith("https://cdn.") for url in found["integrity"])


def test_names_of_any_kind_do_not_break_the_page(exported, tmp_path):
    file = tmp_path / "a <b> & 'c' \"d\".tflite"
    shutil.copy(exported(), file)
    shutil.copy(exported().with_suffix(".json"), file.with_suffix(".json"))
    text = write_browser_page(file, tmp_path / "page").read_text()
    assert "<h1>a &lt;b&gt; &amp; &#x27;c&#x27; &quot;d&quot;</h1>" in text
    # The file may be in the folder already.
    again = write_browser_page(tmp_path / "page" / file.name, tmp_path / "page")
    assert again.read_text() == text


def test_another_runtime_is_refused_before_anything_is_written(exported, tmp_path):
    with pytest.raises(ValueError, match="@litertjs/core@.*is not there"):
        write_browser_page(exported(), tmp_path / "page", tmp_path)
    dist = tmp_path / "@litertjs" / "core" / "dist"
    dist.mkdir(parents=True)
    (dist / "index.js").write_text("alert(1)")
    with pytest.raises(ValueError, match="differs.*npm install @litertjs/core@"):
        write_browser_page(exported(), tmp_path / "page", tmp_path)
    assert not (tmp_path / "page").exists()


@contextlib.contextmanager
def served(folder):
    """Serves a folder, and gives its address."""
    with page_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_the_server_allows_threads_and_names_types(tmp_path):
    (tmp_path / "a.wasm").write_bytes(b"")
    (tmp_path / "a.js").write_bytes(b"")
    with served(tmp_path) as url:
        types = {}
        for name in ("a.wasm", "a.js"):
            with urllib.request.urlopen(url + name) as answer:
                types[name] = answer.headers["Content-Type"]
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert types == {"a.wasm": "application/wasm", "a.js": "text/javascript"}
        port = int(url.rstrip("/").rpartition(":")[2])
        for taken in (port, 99999):
            with pytest.raises(ValueError, match=f"port must be free.*{taken}"):
                page_server(tmp_path, taken)


# In a browser

needs_browser = pytest.mark.skipif(
    not (BROWSER and NODE_MODULES.is_dir()),
    reason="no chromium or no LiteRT.js; `make browser` installs both",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"), *FLAGS, seconds=300)
    yield browser
    browser.end()


@contextlib.contextmanager
def opened(browser, file, folder):
    """Writes the page of a file, serves it and opens it."""
    write_browser_page(file, folder, NODE_MODULES)
    with served(folder) as url:
        browser.open(url)
        wait(browser, "ready")
        yield
        browser.call("Page.close")


def wait(browser, state):
    """Waits for the page to reach a state."""
    end = time.monotonic() + 60
    while (now := browser.look("document.body.dataset.state")) != state:
        error = browser.look("document.getElementById('error').textContent")
        assert now != "failed" and time.monotonic() < end, (now, error)
        time.sleep(0.05)


def choose(browser, path):
    """Chooses a picture as by the button."""
    root = browser.call("DOM.getDocument")["root"]["nodeId"]
    about = {"nodeId": root, "selector": "#file"}
    node = browser.call("DOM.querySelector", **about)["nodeId"]
    browser.look("document.body.dataset.state = 'waits'")
    browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def shown(browser):
    """Returns the class map that the page shows."""
    height, width, text = browser.look(
        "import('./page.js').then((page) => page.result()).then((map) => [map.height, "
        "map.width, btoa(Array.from(map.ids, (id) => String.fromCharCode(id)).join(''))"
        "])"
    )
    ids = np.frombuffer(base64.b64decode(text), np.uint8)
    return ids.reshape(height, width)


def text(browser, name):
    return browser.look(f"document.getElementById('{name}').textContent")


@needs_browser
@pytest.mark.parametrize(
    "kind", ["int8", pytest.param("float32", marks=pytest.mark.slow)]
)
def test_a_street_is_segmented_as_in_python(kind, reference, browser, tmp_path):
    """A picture of CamVid at the model's size through the model that is shipped."""
    archive = reference / "data" / "camvid_trainval.tar"
    if not archive.exists():
        pytest.skip("camvid_trainval.tar is not there")
    picture = tmp_path / "street.png"
    with tarfile.open(archive) as tar:
        file = tar.extractfile("val/images/0016E5_07959.png")
        picture.write_bytes(file.read() if file else b"")
    folder = REPOSITORY / "saved_models" / SHIPPED
    file = folder / f"{SHIPPED}_int8.tflite"
    if kind == "float32":
        file = tmp_path / "street.tflite"
        model = keras.saving.load_model(folder / f"{SHIPPED}.keras", compile=False)
        export_litert(model, file, (360, 480), labels=Labels.numbered(11))
    with opened(browser, file, tmp_path / "page"):
        choose(browser, picture)
        wait(browser, "done")
        ids = shown(browser)
        expected = predict(LiteRTModel(file), read_image(picture))
        assert ids.shape == expected.shape == (360, 480)
        assert len(np.unique(expected)) > 8
        # Other instructions round float32 otherwise; here no pixel differed.
        assert (ids != expected).mean() <= (0 if kind == "int8" else 1e-4)
        assert float(text(browser, "milliseconds")) > 0


def network(kind):
    """Returns a network of one logit, or one that gives the middle of the picture."""
    keras.utils.set_random_seed(1)
    image = keras.Input((*SIZE, 3))
    middle = kind == "middle"
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    x = keras.layers.Conv2D(4, 5, padding="valid" if middle else "same")(x)
    x = keras.layers.Conv2D(4 if middle else 1, 3, padding="same")(x)
    return keras.Model(image, x)


@needs_browser
@pytest.mark.parametrize(
    "kind",
    ["float32", "int8", "class_map", "probabilities", "one_logit", "middle"],
)
def test_pictures_of_any_size_are_segmented_as_in_python(
    kind, exported, browser, tmp_path
):
    if kind in ("one_logit", "middle"):
        file = tmp_path / f"{kind}.tflite"
        export_litert(network(kind), file, SIZE)
    else:
        result = kind if kind in ("class_map", "probabilities") else "logits"
        file = exported("int8" if kind == "int8" else "float32", result)
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    with opened(browser, file, tmp_path / "page"):
        for size in (SIZE, (57, 131), (20, 25)):
            image = coarse.resize(size[::-1], Image.Resampling.BICUBIC)
            image.save(tmp_path / "picture.png")
            choose(browser, tmp_path / "picture.png")
            wait(browser, "done")
            expected = predict(LiteRTModel(file), np.asarray(image))
            ids = shown(browser)
            assert len(np.unique(expected)) > 1
            # Float32 is rounded otherwise by other instructions.
            most = 0 if kind == "int8" else 2e-3
            assert ids.shape == expected.shape and (ids != expected).mean() <= most
        rows = "[...document.getElementById('legend').rows]"
        cells = f"{rows}.map((row) => [...row.cells].map((cell) => cell.textContent))"
        listed = browser.look(cells)
        labels = Labels.from_dict(read_sidecar(file)["labels"])
        assert [name for name, _ in listed] == list(labels.names)
        for identity, (_, share) in enumerate(listed):
            assert abs(float(share[:-2]) - 100 * (ids == identity).mean()) < 0.06


@needs_browser
def test_the_page_as_people_use_it(exported, browser, tmp_path):
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = (200, 60, 60)
    Image.fromarray(image).save(tmp_path / "two.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    data = base64.b64encode((tmp_path / "two.png").read_bytes()).decode()
    with opened(browser, exported(), tmp_path / "page"):
        # Dropped
        browser.look(
            "globalThis.given = (type) => fetch('data:image/png;base64," + data + "')"
            ".then((answer) => answer.blob()).then((blob) => {"
            "const files = new DataTransfer();"
            "files.items.add(new File([blob], 'two.png', { type: 'image/png' }));"
            "const event = new Event(type, { bubbles: true, cancelable: true });"
            "event.dataTransfer = event.clipboardData = files;"
            "document.body.dataset.state = 'waits';"
            "document.getElementById('stage').dispatchEvent(event); })"
        )
        for way in ("drop", "paste"):
            browser.look(f"given('{way}')")
            wait(browser, "done")
            assert shown(browser).shape == (40, 60)
            assert "two.png: 60 × 40 pixels" in text(browser, "status")

        # Not a picture: the message says so, and goes with the next that is one.
        choose(browser, tmp_path / "broken.png")
        end = time.monotonic() + 20
        while browser.look("document.getElementById('error').hidden"):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "broken.png of type image/png" in text(browser, "error")
        choose(browser, tmp_path / "two.png")
        wait(browser, "done")
        assert browser.look("document.getElementById('error').hidden") is True

        # The class under the pointer, and one class alone
        ids = shown(browser)
        names = [row["name"] for row in read_sidecar(exported())["labels"]["classes"]]
        box = browser.look(
            "(({ left, top, width, height }) => [left, top, width, height])"
            "(document.getElementById('picture').getBoundingClientRect())"
        )
        x, y = box[0] + box[2] * 0.75, box[1] + box[3] * 0.5
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        assert text(browser, "pointed") == names[ids[20, 45]]
        alpha = (
            "document.getElementById('overlay').getContext('2d')"
            ".getImageData(45, 20, 1, 1).data[3]"
        )
        button = "document.querySelectorAll('#legend button')"
        other = int(ids[20, 45] != 1)
        assert browser.look(alpha) == 255
        browser.look(f"{button}[{other}].focus()")
        browser.press("Enter", 13, "\r")
        assert browser.look(alpha) == 0
        assert browser.look(f"{button}[{other}].ariaPressed") == "true"
        browser.press("Enter", 13, "\r")
        assert browser.look(alpha) == 255

        # The overlay fades
        browser.look("document.getElementById('opacity').focus()")
        for _ in range(3):
            browser.press("ArrowRight", 39)
        assert (
            browser.look("document.getElementById('overlay').style.opacity") == "0.53"
        )

        # Ten runs
        browser.look("document.getElementById('time').click()")
        end = time.monotonic() + 30
        while "median of 10 runs, CPU" not in text(browser, "runs"):
            assert time.monotonic() < end
            time.sleep(0.05)

        # The camera
        browser.look("document.getElementById('camera').click()")
        wait(browser, "live")
        assert shown(browser).shape == SIZE
        assert text(browser, "camera") == "Stop the camera"
        browser.look("document.getElementById('camera').click()")
        assert text(browser, "camera") == "Use the camera"

        # The page is as wide as a phone.
        for width in (320, 390, 1280):
            metrics = {"width": width, "height": 800, "mobile": False}
            browser.call(
                "Emulation.setDeviceMetricsOverride", deviceScaleFactor=1, **metrics
            )
            assert browser.look("document.documentElement.scrollWidth") <= width


@needs_browser
def test_the_gpu_gives_what_the_cpu_gives(exported, browser, tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "picture.png")
    with opened(browser, exported(), tmp_path / "page"):
        choose(browser, tmp_path / "picture.png")
        wait(browser, "done")
        on_cpu = shown(browser)
        run_on(browser, "webgpu", "one run, GPU")
        assert (shown(browser) != on_cpu).mean() < 2e-3
        run_on(browser, "wasm", "one run, CPU")
        assert np.array_equal(shown(browser), on_cpu)


@needs_browser
def test_a_file_that_the_gpu_does_not_run_stays_on_the_cpu(exported, browser, tmp_path):
    with opened(browser, exported("int8"), tmp_path / "page"):
        run_on(browser, "webgpu", "not run yet, CPU", "The GPU lacks operators")
        assert browser.look("document.querySelector('input[value=wasm]').checked")


def run_on(browser, accelerator, runs, error=""):
    """Clicks where the model runs, and waits for the time and the message."""
    browser.look("document.getElementById('runs').textContent = ''")
    browser.look(f"document.querySelector('input[value={accelerator}]').click()")
    end = time.monotonic() + 60
    while not (runs in text(browser, "runs") and error in text(browser, "error")):
        seen = text(browser, "runs"), text(browser, "error")
        assert time.monotonic() < end, seen
        time.sleep(0.05)
    assert error or not text(browser, "error")


@needs_browser
def test_a_damaged_model_is_told(exported, browser, tmp_path):
    index = write_browser_page(exported(), tmp_path, NODE_MODULES)
    with (tmp_path / exported().name).open("ab") as file:
        file.write(b"more")
    with served(index.parent) as url:
        browser.open(url)
        with pytest.raises(AssertionError, match="the file that its sidecar describes"):
            wait(browser, "ready")


@needs_browser
def test_a_changed_runtime_is_refused(exported, browser, tmp_path):
    index = write_browser_page(exported(), tmp_path, NODE_MODULES)
    for file in (tmp_path / "runtime").rglob("litert_wasm*.js"):
        file.write_text(file.read_text() + "\n")
    with served(index.parent) as url:
        browser.open(url)
        with pytest.raises(AssertionError, match="LiteRT.js must load"):
            wait(browser, "ready")
