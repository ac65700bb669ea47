"""The pages of networks: what their figures say is what the networks are."""

import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest
from keras import layers

import kseg

GENERATOR = Path(__file__).parents[2] / "docs" / "generator"
sys.path.insert(0, str(GENERATOR))

import network_figure  # noqa: E402
import network_graph  # noqa: E402
import network_page  # noqa: E402
import reference  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def blocks_of(model):
    return network_graph.graph_of(model)


def by_label(blocks):
    return {network_graph.label_of(block): block for block in blocks}


def sources(blocks, label):
    names = {block.key: network_graph.label_of(block) for block in blocks}
    return {names[key] for key in by_label(blocks)[label].inputs}


@pytest.fixture(scope="module")
def unet():
    return blocks_of(network_page.build("unet"))


def test_unet_is_a_u(unet):
    strides = [block.stride for block in unet if block.kind == "block"]
    assert strides == [1, 2, 4, 8, 16, 8, 4, 2, 1, 1]
    channels = [block.channels for block in unet if block.kind == "block"]
    assert channels == [64, 128, 256, 512, 1024, 512, 256, 128, 64, 21]
    for level in (1, 2, 3, 4):
        deeper = "encoder5" if level == 4 else f"decoder{level + 1}"
        assert sources(unet, f"decoder{level}") == {f"encoder{level}", deeper}


def test_fcn8s_has_its_two_skips():
    blocks = blocks_of(network_page.build("fcn8s"))
    assert sources(blocks, "fuse_pool4") == {"score_fr", "score_pool4"}
    assert sources(blocks, "fuse_pool3") == {"fuse_pool4", "score_pool3"}
    assert sources(blocks, "score_pool4") == {"block4"}
    assert sources(blocks, "score_pool3") == {"block3"}
    assert by_label(blocks)["fuse_pool3"].stride == 8


def test_deeplabv3plus_has_its_pyramid_and_the_low_level_skip():
    blocks = blocks_of(network_page.build("deeplabv3plus"))
    rates = {"aspp_rate6", "aspp_rate12", "aspp_rate18"}
    assert sources(blocks, "aspp_fuse") == {"aspp_1x1", "aspp_image", *rates}
    assert sources(blocks, "decoder_1–2") == {"aspp_fuse", "low_level"}
    low = by_label(blocks)["low_level"]
    assert (low.stride, low.channels) == (4, 48)
    assert by_label(blocks)["aspp_image"].stride == 0


def test_hrnet_keeps_four_resolutions_side_by_side():
    model = kseg.build(
        "hrnet", backbone="hrnet_w18_small_v1", input_shape=(2048, 2048, 3)
    )
    blocks = blocks_of(model)
    last = [block for block in blocks if block.join == "Add"][-4:]
    assert sorted(block.stride for block in last) == [4, 8, 16, 32]
    branches = {frozenset(block.inputs) for block in last}
    assert len(branches) == 1 and len(branches.pop()) == 4


def test_a_residual_unit_is_one_block_and_a_pyramid_is_not():
    image = keras.Input((2048, 2048, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="stem")(image)
    x = layers.MaxPooling2D(2, name="pool")(x)
    y = layers.Conv2D(4, 1, name="unit1_a")(x)
    y = layers.Conv2D(8, 3, padding="same", name="unit1_b")(y)
    x = layers.Add(name="unit1_add")([x, y])
    branches = [layers.Conv2D(2, n, padding="same", name=f"rate{n}")(x) for n in (1, 3)]
    blocks = blocks_of(keras.Model(image, layers.Add(name="sum")(branches)))
    assert [network_graph.label_of(block) for block in blocks] == [
        "image", "stem", "unit1", "rate1", "rate3", "sum", "logits",
    ]  # fmt: skip
    assert by_label(blocks)["unit1"].units == 1


def test_the_figure_is_whole_and_says_what_it_shows(unet):
    figure = ElementTree.fromstring(network_figure.draw(unet, "U <Net>", "unet"))
    assert figure.attrib["role"] == "img"
    ids = {each.attrib.get("id") for each in figure}
    assert set(figure.attrib["aria-labelledby"].split()) <= ids
    assert figure.find(f"{SVG}title").text == "U <Net>"
    assert "decoder1: stride 1, 64 channels, from" in figure.find(f"{SVG}desc").text
    assert len(figure.findall(f".//{SVG}rect")) == len(unet)
    edges = [e for e in figure.iter(f"{SVG}path") if "edge" in e.attrib["class"]]
    assert len(edges) == sum(len(block.inputs) for block in unet)
    assert len([e for e in edges if "skip" in e.attrib["class"]]) == 4


def test_nothing_lies_on_anything_else(unet):
    figure = ElementTree.fromstring(network_figure.draw(unet, "U-Net"))
    boxes = [
        tuple(float(each.attrib[key]) for key in ("x", "y", "width", "height"))
        for each in figure.iter(f"{SVG}rect")
    ]
    _, _, width, height = map(float, figure.attrib["viewBox"].split())
    for number, (x, y, w, h) in enumerate(boxes):
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height
        for x2, y2, w2, h2 in boxes[:number]:
            assert x >= x2 + w2 or x2 >= x + w or y >= y2 + h2 or y2 >= y + h


def test_the_page_says_what_an_image_costs():
    page = network_page.page("lraspp")
    assert "| these defaults, in 10⁹ | 512×512 | **1.97** | computed |" in page
    assert "| 520×520 | 2.086 | torchvision" in page


def test_the_page_has_computed_published_and_measured_numbers():
    page = network_page.page("segnet")
    assert page.count("29,455,125") == 2  # as built, and as the authors' file adds up
    assert "https://arxiv.org/abs/1511.00561>" in page
    assert "| `camvid_segnet` | camvid | 32.0 | 62.0 | 26.6 |" in page
    assert "| `num_classes` | `21` | Number of classes" in page
    assert "**Departures:** SegNet subtracts" in page


def test_every_network_is_on_a_page_and_every_published_one_exists():
    pages = network_page.page_names()
    forms = {f"smp_{name}" for name in pages}
    assert set(pages) <= set(kseg.names()) <= set(pages) | forms
    published = tomllib.loads((GENERATOR / "published.toml").read_text("utf-8"))
    assert set(published) <= set(pages)
    for facts in published.values():
        assert all(len(row) == 3 for row in facts.get("parameters", []))
        assert all(len(row) == 4 for row in facts.get("computation", []))
        assert all(len(row) == 4 for row in facts.get("results", []))


@pytest.mark.parametrize("name", network_page.page_names())
def test_titles_and_summaries_come_from_docstrings(name):
    title = network_page.title_of(name)
    assert title and "Builds" not in title and not title.endswith(".")
    assert network_page.summary_of(name).endswith(".")
    assert "| |" not in network_page._arguments(kseg.networks.builder(name))


def test_the_reference_names_every_export_by_its_file():
    lines = reference.page("kseg.losses").splitlines()
    exports = [line.removeprefix("::: ") for line in lines if line.startswith(":::")]
    assert [each.rpartition(".")[2] for each in exports] == list(kseg.losses.__all__)
    assert "kseg.losses.boundary.BoundaryLoss" in exports
    page = reference.page("kseg.networks")
    assert "::: kseg.networks.unet.unet\n" in page
    assert "::: kseg.networks.build\n" in page
