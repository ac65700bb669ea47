"""Writes the page of a network: what it is, its figure, arguments and scores.

All of it is read from where it is true: the docstrings, the signature, the built model,
the runs of `saved_models`; only what others published stands in `published.toml`.
"""

import functools
import inspect
import json
import re
import tomllib
from pathlib import Path

import keras
from network_figure import draw
from network_graph import graph_of

import kseg
from kseg.networks import builder

_REPOSITORY = Path(__file__).parents[2]
# Large enough that the zeros of a padding look like no stride; nothing is computed.
_SIDE = 2048
# What papers count multiply-adds of most often.
_COUNTED = 512
# Forms of a network that another library has stand on the page of the network.
_FORMS = "smp_"
# Scores that only edges and membranes have: key, and name on the page.
_SPECIAL = (
    ("ods", "ODS"),
    ("ois", "OIS"),
    ("ap", "AP"),
    ("pixel_error", "pixel error"),
    ("v_rand_thinned", "V_rand"),
    ("v_info_thinned", "V_info"),
)
_LEGEND = (
    "Columns follow the way from image to logits, rows the stride. Numbers are "
    "channels; units are residual additions. **+** adds, **×** multiplies, **∥** "
    "concatenates, **•** is another layer of several inputs, named where the pointer "
    "rests. Pooling and resizing are part of the lines. Drawn from the built model."
)


def page_names() -> list[str]:
    """Returns the networks that have a page of their own."""
    return [name for name in kseg.names() if not _is_form(name)]


def title_of(name: str) -> str:
    """Returns a network's name as its paper writes it.

    Args:
        name: One of `kseg.names()`.
    """
    line = inspect.getdoc(builder(name)).splitlines()[0]
    return re.sub(r"^Builds (the )?|[.:,].*$", "", line)


def summary_of(name: str) -> str:
    """Returns what a network is, in a line that begins with a small letter.

    Args:
        name: One of `kseg.names()`.
    """
    own = inspect.getdoc(builder(name)).splitlines()[0]
    module = inspect.getmodule(builder(name)).__doc__.splitlines()[0]
    line = own if ": " in own else module
    return line.partition(": ")[2] or line


def _reference(name):
    """How to build a network, with a link to its function."""
    home = f"{builder(name).__module__}.{builder(name).__name__}"
    return f'`kseg.build("{name}")`, [reference][{home}]'


def build(name: str, side: int = _SIDE):
    """Returns the model of a name's default arguments, without memory for its weights.

    Args:
        name: One of `kseg.names()`.
        side: Height and width of its images.
    """
    keras.backend.clear_session()
    with keras.StatelessScope(initialize_variables=False):
        return kseg.build(name, input_shape=(side, side, 3))


@functools.cache
def page(name: str) -> str:
    """Returns the page of a network in Markdown.

    Args:
        name: One of `page_names()`.
    """
    published = _published().get(name, {})
    parts = [
        "---\nhide: [toc]\n---",
        f"# {title_of(name)}",
        f"{summary_of(name)[0].upper()}{summary_of(name)[1:]}",
        _reference(name),
        _prose(inspect.getmodule(builder(name)).__doc__),
        *_built(name, published),
        _results(published.get("results", [])),
        _measured(name),
    ]
    form = _FORMS + name
    if form in kseg.names():
        parts += [
            "## As segmentation_models.pytorch has it",
            _reference(form),
            _prose(inspect.getmodule(builder(form)).__doc__),
            *(part.replace("## ", "### ", 1) for part in _built(form, {})),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def index() -> str:
    """Returns the page that lists all networks, in Markdown."""
    rows = []
    for name in page_names():
        summary = summary_of(name).rstrip(".")
        counts = re.findall(r"\*\*([\d,.]+)\*\*", page(name))[:2]
        rows.append([f"[{title_of(name)}]({name}.md)", f"`{name}`", summary, *counts])
    header = ["network", "name", "what", "parameters", "multiply-adds, 10⁹"]
    return (
        "# Networks\n\nEach page has the network's figure, drawn from the built model, "
        "its arguments, and scores, published and measured. Parameters are those that "
        "are trained, with all arguments at their defaults and 21 classes, and "
        f"multiply-adds those of one image of {_COUNTED}×{_COUNTED}. "
        "[Adding a network](../adding_a_network.md) says how yours joins them.\n\n"
        + _table(header, rows, "lllrr")
    )


def _is_form(name):
    """Says whether a network is a form that stands on another one's page."""
    return name.startswith(_FORMS) and name.removeprefix(_FORMS) in kseg.names()


def _prose(docstring):
    """A module's docstring, but for its first line, as Markdown.

    Addresses become links, and departures have a paragraph of their own.
    """
    text = inspect.cleandoc(docstring).partition("\n")[2].strip()
    text = re.sub(r"(https?://[^\s,:;]*[^\s,:;.])", r"<\1>", text)
    return re.sub(r"(?<!\n)\s(Departures?[^\n.:]*:)", r"\n\n**\1**", text)


def _built(name, published):
    """The sections on the built model: figure, arguments, parameters, computation."""
    model = build(name)
    trained = sum(_size(weight) for weight in model.trainable_variables)
    rows = [["these defaults, trained", f"**{trained:,}**", "computed"]]
    rows.append(["these defaults, all", f"{model.count_params():,}", "computed"])
    figure = draw(
        graph_of(model), f"{title_of(name)}: the network as it is built", name
    )
    return [
        "## Figure",
        f'<div class="figure" tabindex="0" data-search-exclude>\n{figure}\n</div>',
        _LEGEND,
        "## Arguments\n\n" + _arguments(builder(name)),
        "## Parameters\n\n"
        + _table(
            ["of", "number", "source"], rows + published.get("parameters", []), "lrl"
        ),
        "## Multiply-adds\n\n" + _computation(name, published.get("computation", [])),
    ]


def _computation(name, published):
    """A table of what one image costs, and of what it is said to cost."""
    model, size = build(name, _COUNTED), f"{_COUNTED}×{_COUNTED}"
    count = f"**{kseg.multiply_adds(model) / 1e9:.2f}**"
    held = f"{kseg.activation_bytes(model) / 1e6:.0f} MB"
    rows = [
        ["these defaults, in 10⁹", size, count, "computed"],
        ["maps held at the same time, float32", size, held, "computed"],
    ]
    return _table(["of", "image", "number", "source"], rows + published, "llrl")


def _size(weight):
    """Number of values in a variable that has none yet."""
    size = 1
    for side in weight.shape:
        size *= side
    return size


def _arguments(function):
    """A table of a builder's arguments, by its signature and its docstring."""
    section = inspect.getdoc(function).partition("Args:\n")[2].partition("\n\n")[0]
    meanings = {}
    for entry in re.split(r"\n(?=    \w)", "\n" + section):
        key, _, meaning = entry.strip().partition(": ")
        meanings[key] = " ".join(meaning.split())
    rows = []
    for key, parameter in inspect.signature(function).parameters.items():
        text = isinstance(parameter.default, str)
        default = f'"{parameter.default}"' if text else repr(parameter.default)
        rows.append([f"`{key}`", f"`{default}`", meanings[key]])
    return _table(["argument", "default", "meaning"], rows)


@functools.cache
def _published():
    """What papers and authors' code say, by network."""
    return tomllib.loads(
        Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    )


def _results(rows):
    """The section of published results, or nothing."""
    if not rows:
        return ""
    header = ["data", "form", "score", "source"]
    return "## Published results\n\n" + _table(header, rows)


def _measured(name):
    """The section of this project's own runs, or nothing."""
    rows = []
    for path in sorted((_REPOSITORY / "saved_models").glob("*/metrics.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        network, data = run["experiment"]["network"], run["experiment"]["data"]["name"]
        if network["name"] == name and data != "synthetic":
            rows.append([f"`{path.parent.name}`", data, *_scores(run)])
    if not rows:
        return ""
    header = ["run", "data, validation", "mIoU", "PA", "BF", "others"]
    return (
        "## Measured\n\nRuns of this project, on two cores, far shorter than the "
        "papers': [Results](../results.md) says what was run and how. Each has a model "
        "card, `saved_models/<run>/README.md`.\n\n" + _table(header, rows, "llrrrl")
    )


def _scores(run):
    """Mean IoU, pixel accuracy, boundary F1 in percent, and scores of edges."""
    validation = run["validation"]
    keys = ("mean_iou", "pixel_accuracy", "boundary_f1")
    percent = [
        "–" if validation.get(key) is None else f"{100 * validation[key]:.1f}"
        for key in keys
    ]
    special = {**run.get("edges", {}), **run.get("membranes", {})}
    others = [f"{name} {special[key]:.3f}" for key, name in _SPECIAL if key in special]
    return [*percent, ", ".join(others)]


def _table(header, rows, align=""):
    """A Markdown table; `align` has a letter, l or r, for each column."""
    rules = ["--:" if side == "r" else "---" for side in align.ljust(len(header), "l")]
    lines = [header, rules]
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
