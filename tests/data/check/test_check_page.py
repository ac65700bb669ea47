import dataclasses
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest
from planted import NAMES, check, image, mask, save, write_clean

from kseg.data.check import check_data
from kseg.data.check.augmented import augment_examples
from kseg.data.check.opening import open_splits
from kseg.data.check.page import write_page
from kseg.data.check.records import Record
from kseg.data.check.thumbnails import thumbnail
from kseg.data.folder import folder

VOID_ELEMENTS = {"meta", "img", "wbr", "br"}
# HTML closes these by itself.
IMPLIED = {"th", "td", "tr"}


class Page(HTMLParser):
    """Elements of a page, and whether they are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID_ELEMENTS | IMPLIED:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in IMPLIED:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def written(tmp_path):
    """The page of a folder with mistakes of every kind of picture."""
    data = write_clean(tmp_path / "a & <b>")
    save(data / "train/masks/0.png", mask(0, ids=(0, 1, 2, 9)))
    save(data / "train/masks/1.png", mask(1).T)
    (data / "train/images/2.png").write_bytes(b"")
    save(data / "val/masks/7.png", np.repeat(mask(7)[..., None] * 60, 3, axis=-1))
    names = ("<road>", "car & 'van'", "sky")
    report = check(data, classes=names)
    sources, _ = open_splits(
        "folder", ["train", "val"], {"path": data, "classes": names}
    )
    augmented = augment_examples(sources["train"], [lambda e, _: e], count=2)
    write_page(tmp_path / "page.html", report, sources, str(data), augmented)
    return report, (tmp_path / "page.html").read_text()


def test_the_page_is_whole_and_needs_nothing_else(written):
    report, text = written
    page = Page(text)
    assert page.open == []
    for element in page.all("img"):
        assert element["src"].startswith("data:image/jpeg;base64,") and element["alt"]
    assert not page.all("script") and not page.all("link")
    assert "http" not in text and "url(" not in text and "@import" not in text
    assert len(page.all("details")) == len(report.findings) == 4


def test_names_are_escaped(written):
    _, text = written
    assert "<road>" not in text and "&lt;road&gt;" in text and "a & <b>" not in text
    assert "".join(Page(text).text).count("<road>") >= 4


def test_splits_may_be_called_anything(tmp_path):
    """A split's name is text, and does not take the place of a part of the page."""
    names = ("samples", "findings", "together", "a' <b> & c")
    source = folder("train", write_clean(tmp_path), classes=NAMES)
    sources = dict.fromkeys(names, source)
    write_page(tmp_path / "page.html", check_data(sources), sources, "scenes")
    page = Page((tmp_path / "page.html").read_text())
    places = [a["id"] for _, a in page.elements if "id" in a]
    assert len(places) == len(set(places))
    links = [a["href"] for a in page.all("a")]
    assert len(links) == 6 and set(links) <= {f"#{place}" for place in places}
    assert {f"split-{name}" for name in names} < set(places)
    regions = [a["aria-label"] for a in page.all("div") if "aria-label" in a]
    assert "Classes of a' <b> & c" in regions and page.open == []
    alone = {names[3]: source}
    write_page(tmp_path / "page.html", check_data(alone), alone, "scenes")
    page = Page((tmp_path / "page.html").read_text())
    title = "Which classes a' <b> & c shows together"
    assert title in "".join(page.text)
    assert title in [a.get("aria-label") for a in page.all("div")]


def test_samples_are_those_that_show_most_of_a_class(tmp_path):
    for seed, rows in enumerate((10, 40, 20, 30)):
        ids = np.zeros((64, 96))
        ids[:rows] = 1
        save(tmp_path / "train/images" / f"{seed}.png", image(seed))
        save(tmp_path / "train/masks" / f"{seed}.png", ids)
    report = check(tmp_path, splits=("train",))
    sources, _ = open_splits("folder", ["train"], {"path": tmp_path, "classes": NAMES})
    write_page(tmp_path / "page.html", report, sources, "scenes")
    text = (tmp_path / "page.html").read_text()
    parts = text.split("<h3>")[1:]
    assert [re.findall("alt='(.*?)'", part) for part in parts] == [
        ["train: 0, 84.4%", "train: 2, 68.8%"],
        ["train: 1, 62.5%", "train: 3, 46.9%"],
        [],
    ]
    assert "No image shows it." in parts[2]


def test_samples_are_chosen_without_a_sum_for_every_class(tmp_path):
    reads = Counter()

    class Watched(Record):
        def __getattribute__(self, name):
            if name == "counts":
                reads[object.__getattribute__(self, "index")] += 1
            return object.__getattribute__(self, name)

    write_clean(tmp_path)
    report = check(tmp_path, splits=("train",))
    watched = [Watched(**vars(record)) for record in report.records["train"]]
    report = dataclasses.replace(report, records={"train": watched})
    reads.clear()
    sources, _ = open_splits("folder", ["train"], {"path": tmp_path, "classes": NAMES})
    write_page(tmp_path / "page.html", report, sources, "scenes")
    assert len(reads) == 6 and max(reads.values()) <= 2


def test_it_can_be_read_in_the_dark_on_a_phone_and_by_keyboard(written):
    page = Page(written[1])
    assert "prefers-color-scheme: dark" in written[1]
    assert any("width=device-width" in a.get("content", "") for a in page.all("meta"))
    assert page.all("html")[0]["lang"] == "en"
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(regions) == 3 and all("tabindex" in a for a in regions)
    assert len(page.all("summary")) == len(page.all("details"))


def test_every_class_has_a_sample(written):
    assert sum("of the images" in t for t in Page(written[1]).text) <= 1
    figures = Page(written[1]).all("figure")
    assert len(figures) >= 4 + 2 * len(NAMES) + 1


def test_a_thumbnail_shows_image_and_mask(tmp_path):
    data = write_clean(tmp_path)
    sources, _ = open_splits("folder", ["train"], {"path": data, "classes": NAMES})
    picture = thumbnail(sources["train"], 0)
    assert picture.size == (2 * 96, 64)
    image, shown = sources["train"][0][0], np.asarray(picture)
    np.testing.assert_array_equal(shown[:, :96], image)
    sky = sources["train"].mask(0) == 2
    expected = 0.4 * image[sky] + 0.6 * np.array(sources["train"].labels.colors[2])
    np.testing.assert_allclose(shown[:, 96:][sky], expected, atol=0.51)
