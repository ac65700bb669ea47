"""A tiny data set, models of known probabilities, and what a page holds."""

import re
from html.parser import HTMLParser

import keras
import numpy as np

from kseg.inference.report import judge
from kseg.labels import Labels

# Attack the page, its attributes, its script and its encoding.
NAMES = ('</script><script>alert("x")</script>', "a' onload='b & <i>", "tree \ud800")
LABELS = Labels(NAMES, ((200, 0, 0), (0, 200, 0), (0, 0, 0)))
VOID_ELEMENTS = {"meta", "img", "wbr", "br", "input"}


class Scenes:
    """Six images of 24x32 whose red is the class, times 80, and noise."""

    labels = LABELS

    def __init__(self, count=6):
        rng = np.random.default_rng(0)
        self.masks = [
            np.kron(rng.integers(0, 3, (3, 4)), np.ones((8, 8), int)).astype(np.uint8)
            for _ in range(count)
        ]
        self.images = []
        for mask in self.masks:
            noise = rng.normal(0, 35, (*mask.shape, 3))
            clean = 80 * mask[..., np.newaxis] + 40
            self.images.append(np.clip(clean + noise, 0, 255).astype(np.uint8))
            mask[:2] = 255

    def __len__(self):
        return len(self.masks)

    def __getitem__(self, index):
        return self.images[index], self.masks[index]

    def name(self, index):
        return f"{index}<script>\"'&\udcff"


def network(border=80.0, sharpness=0.05):
    """Returns a network whose class is the brightness in steps of `border`."""
    image = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 1)
    model = keras.Model(image, layer(image))
    kernel = np.zeros((1, 1, 3, 3), "float32")
    kernel[0, 0, 0] = sharpness * np.array([0.0, 1, 2])
    heights = -sharpness * border * np.array([0.0, 1, 3])
    layer.set_weights([kernel, heights.astype("float32")])
    return model


class IdsAlone:
    """A file that returns class ids and no more."""

    labels, output, image_shape = LABELS, "class_map", (None, None, 3)
    input_size = output_size = (None, None)

    def predict(self, image):
        return np.minimum(image[..., 0] // 80, 2).astype(np.uint8)

    predict_ids = predict


def judged(name, model, source):
    return judge(name, model, source, {}, {"masks": "<at> their own size"})


class Page(HTMLParser):
    """Elements of a page, which must be closed in order, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), attributes
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def section(text, key):
    """Returns the HTML of a part of a page."""
    return re.search(f'<section><h2 id="{key}">.*?</section>', text, re.S)[0]


def rows(html):
    """Returns the texts of the cells of every row of the body of a table."""
    return [
        [re.sub("<.*?>", "", c) for c in re.findall("<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in re.findall("<tr>(.*?)</tr>", html, re.S)
    ]
