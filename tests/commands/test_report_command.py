"""What `kseg report` writes and refuses, and how its page behaves in a browser."""

import base64
import hashlib
import importlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from chromium import BROWSER, Browser
from PIL import Image

import kseg
from kseg import cli
from kseg.labels import Labels

LABELS = Labels(("road", "car", "sky"), ((200, 0, 0), (0, 200, 0), (0, 0, 0)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six images of brightness by class, of which three hold no sky, and models."""
    import keras

    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / "data" / "val" / kind).mkdir(parents=True)
    for number in range(6):
        classes = rng.integers(0, 3 if number % 2 else 2, (3, 4))
        mask = np.kron(classes, np.ones((8, 8), int)).astype("uint8")
        noise = rng.integers(-50, 51, mask.shape)
        image = np.clip(80 * mask + 40 + noise, 0, 255).astype("uint8")
        image = np.minimum(image, 255 if number % 2 else 150)
        for kind, array in (("images", np.stack([image] * 3, -1)), ("masks", mask)):
            path = folder / "data" / "val" / kind / f"{number}.png"
            Image.fromarray(array).save(path)
    for name, border in (("good", 80.0), ("bad", 100.0)):
        image = keras.Input((None, None, 3))
        layer = keras.layers.Conv2D(3, 1)
        model = keras.Model(image, layer(image))
        kernel = np.zeros((1, 1, 3, 3), "float32")
        kernel[0, 0, 0] = 0.05 * np.arange(3)
        heights = -0.05 * border * np.array([0.0, 1, 3])
        layer.set_weights([kernel, heights.astype("float32")])
        model.save(folder / f"{name}.keras")
        info = {"name": name, "input_size": [24, 32], "labels": LABELS.to_dict()}
        (folder / f"{name}.json").write_text(json.dumps(info))
    return folder


def report(folder, output, *more):
    """Runs the command on the images of a folder."""
    data = ["--data", "folder", "--set", f"path={folder / 'data'}"]
    data += ["classes=['road','car','sky']"]
    model = ["--model", str(folder / "good.keras"), "--output", str(output)]
    return cli.main(["report", *model, *data, *more])


@pytest.fixture(scope="module")
def page(folder):
    """The page of both models, written to a folder that was not there."""
    output = folder / "new" / "report.html"
    more = ["--compare", str(folder / "bad.keras"), "--images", "4"]
    assert report(folder, output, *more) == 0
    assert [p.name for p in output.parent.iterdir()] == ["report.html"]
    return output.read_text()


def test_its_scores_are_those_of_evaluate(folder, page, tmp_path, capsys):
    data = ["--data", "folder", "--set", f"path={folder / 'data'}"]
    data += ["classes=['road','car','sky']"]
    for name in ("good", "bad"):
        output = tmp_path / f"{name}.json"
        model = ["--model", str(folder / f"{name}.keras"), "--output", str(output)]
        assert cli.main(["evaluate", *model, *data]) == 0
    records = [str(tmp_path / f"{name}.json") for name in ("good", "bad")]
    capsys.readouterr()
    assert cli.main(["compare", *records]) == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x[:8] == "mean IoU")
    found = re.search('<th scope="row">mean IoU</th>(.*?)</tr>', page)[1]
    cells = re.findall("<td.*?>(.*?)</td>", found)
    assert line.split()[2:] == " ".join(cells).replace("−", "-").split()
    record = json.loads((tmp_path / "good.json").read_text())
    for text in record["protocol"].values():
        assert f"<dd>{text}</dd>".replace("'", "&#x27;") in page


def test_views_are_those_of_evaluate(folder, tmp_path):
    views = ["--flip", "--scales", "1,2", "--images", "1"]
    assert report(folder, tmp_path / "a.html", *views) == 0
    text = (tmp_path / "a.html").read_text()
    assert "images at scale 1 2, seen whole, mirrored too" in text
    assert text.count('<figure class="case"') == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--images", "-1"], "--images must be 0 or more"),
        (["--compare", "none"], "'none'"),
        (["--split", "nowhere"], "nowhere"),
        (["--overlap", "3"], "--tile"),
        (["--crf", "deeplabv4"], "deeplabv2"),
        (["--compare", "{folder}/two.keras"], "the model's classes"),
        (["--output", "{folder}"], "--output must be a file"),
        (["--output", "{folder}/good.keras/a.html"], "good.keras"),
    ],
)
def test_wrong_input_is_told_before_anything_is_run(
    more, message, folder, tmp_path, capsys, monkeypatch
):
    kseg.build("unet", num_classes=2, filters=2, depth=2).save(folder / "two.keras")
    more = [text.format(folder=folder) for text in more]
    judging = importlib.import_module("kseg.inference.report.judge")
    monkeypatch.setattr(judging, "score_examples", None)
    before = sorted(folder.rglob("*"))
    assert report(folder, tmp_path / "a.html", *more) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists() and sorted(folder.rglob("*")) == before


def test_a_broken_image_is_named_and_no_page_is_written(folder, tmp_path, capsys):
    shutil.copytree(folder / "data", tmp_path / "data")
    (tmp_path / "data/val/images/3.png").write_bytes(b"no picture")
    data = ["--data", "folder", "--set", f"path={tmp_path / 'data'}", "classes=3"]
    model = ["--model", str(folder / "good.keras")]
    output = tmp_path / "a.html"
    assert cli.main(["report", *model, *data, "--output", str(output)]) == 2
    assert "3.png" in capsys.readouterr().err
    assert not output.exists()


# Uses the page as a person does, and writes down what there is to see.
SCRIPT = """
const seen = {};
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const column = (key) =>
  all(`section:has(#${key}) tbody tr`).map((row) => row.cells[1].dataset.value);
const head = one('section:has(#images) th:nth-child(2)');
head.querySelector("button").click();
seen.rising = column("images"); seen.sort = head.getAttribute("aria-sort");
head.querySelector("button").click();
seen.falling = column("images"); seen.resort = head.getAttribute("aria-sort");
const figure = one(".case"), range = figure.querySelector("input[type=range]");
const visible = () => [...figure.querySelector(".stage").children]
  .filter((layer) => layer.checkVisibility()).map((layer) => layer.dataset.layer);
const clip = () => getComputedStyle(
  figure.querySelector(".layer[data-layer=truth]")).clipPath;
seen.first = visible();
figure.querySelector("input[value=truth]").click();
seen.truth = visible();
range.focus(); range.value = 79; range.stepUp();  // as the arrow key does
range.dispatchEvent(new Event("input", {bubbles: true}));
seen.unreachable = all("button, input, select, summary, a, .scroll")
  .filter((element) => element.tabIndex < 0 || element.disabled).length;
seen.clip = clip(); seen.text = range.getAttribute("aria-valuetext");
seen.label = range.labels[0].textContent;
seen.all = all(".case").filter((f) => !f.hidden).map((f) => f.id);
const pick = one('th[data-class="2"] button');
pick.click();
seen.pressed = pick.getAttribute("aria-pressed");
seen.held = all(".case").filter((f) => !f.hidden).map((f) => [f.id, f.dataset.iou]);
seen.status = one("#gallery-state").textContent;
seen.focus = document.activeElement.id;
pick.click();
seen.again = all(".case").filter((f) => !f.hidden).map((f) => f.id);
seen.wide = [320, 360, 1280].map((width) => {
  document.documentElement.style.width = width + "px";
  return document.querySelector("main").scrollWidth <= width;
});
document.body.dataset.seen = JSON.stringify(seen);
"""


def browse(page, folder, script):
    """Opens a page in a browser with one more script; returns what that saw."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.replace("script-src ", f"script-src 'sha256-{digest}' ")
    text = text.replace("</body>", f"<script>{script}</script></body>")
    path = folder / "page.html"
    path.write_text(text)
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-dev-shm-usage", f"--user-data-dir={folder / 'user'}"]
    command += ["--enable-logging=stderr", "--dump-dom", f"file://{path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    consoled = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, consoled


@pytest.mark.skipif(not BROWSER, reason="no chromium, and no CHROMIUM names one")
def test_the_page_works_in_a_browser(page, tmp_path):
    dom, consoled = browse(page, tmp_path, SCRIPT)
    assert consoled == []
    seen = json.loads(
        re.search('data-seen="(.*?)"', dom)[1].replace("&quot;", '"').replace(
            "&amp;", "&"
        )
    )  # fmt: skip
    values = [float(value) for value in seen["rising"]]
    assert len(values) == 6 and values == sorted(values) and len(set(values)) > 1
    assert [float(value) for value in seen["falling"]] == sorted(values)[::-1]
    assert (seen["sort"], seen["resort"]) == ("ascending", "descending")
    assert seen["unreachable"] == 0
    assert seen["first"] == ["image", "prediction A"]
    assert seen["truth"] == ["image", "truth"]
    assert seen["clip"] == "inset(0px 0px 0px 80%)"
    assert "80 %" in seen["text"] and "Edge of the overlay" in seen["label"]
    scores = [json.loads(iou.replace("&quot;", '"')) for _, iou in seen["held"]]
    assert 0 < len(scores) < len(seen["all"]) and all("2" in iou for iou in scores)
    assert seen["pressed"] == "true" and seen["focus"] == "class-filter"
    assert f"{len(scores)} of {len(seen['all'])} images" in seen["status"]
    assert seen["again"] == seen["all"]
    assert seen["wide"] == [True, True, True]


@pytest.mark.skipif(not BROWSER, reason="no chromium, and no CHROMIUM names one")
def test_another_script_is_not_run(page, tmp_path):
    """The policy of the page lets its own script run alone, and loads nothing."""
    planted = "</body><script>document.title = 'taken'</script><img src=http://a.b/c>"
    dom, consoled = browse(page.replace("</body>", planted + "</body>"), tmp_path, "")
    assert "<title>taken" not in dom and 'class="js"' in dom
    assert len(consoled) >= 2 and all("Content Security" in line for line in consoled)


@pytest.mark.skipif(not BROWSER, reason="no chromium, and no CHROMIUM names one")
def test_all_of_it_works_by_keyboard(page, tmp_path):
    (tmp_path / "page.html").write_text(page)
    browser = Browser(tmp_path)
    try:
        browser.open((tmp_path / "page.html").as_uri())
        reached = set()
        for _ in range(200):
            browser.press("Tab", 9)
            reached.add(browser.look("document.activeElement.outerHTML.slice(0, 90)"))
        for start in ("<a href", "<button", "<select", '<input type="radio"',
                      '<input type="range"', "<summary", "<div class"):  # fmt: skip
            assert any(element.startswith(start) for element in reached), start

        browser.look("document.querySelector('.case input[type=range]').focus()")
        browser.press("ArrowRight", 39)
        style = "document.querySelector('.case .stage').style.cssText"
        assert browser.look(style) == "--edge: 36%;"
        browser.look("document.querySelector('.case input:checked').focus()")
        browser.press("ArrowLeft", 37)
        layer = "document.querySelector('.case .layer[data-layer=truth]').hidden"
        assert browser.look(layer) is False
        browser.look("document.querySelector('thead [data-sort] button').focus()")
        for order in ("ascending", "descending"):
            browser.press("Enter", 13, "\r")
            state = "document.activeElement.parentElement.ariaSort"
            assert browser.look(state) == order
        browser.look("document.querySelector('[data-class] button').focus()")
        browser.press(" ", 32, " ")
        assert browser.look("document.activeElement.id") == "class-filter"
        pressed = "document.querySelector('[aria-pressed=true]').textContent"
        assert browser.look(pressed) in LABELS.names
    finally:
        browser.end()
