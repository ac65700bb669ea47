"""The cards of published data sets, and the page that is made from them.

python tests/data/test_cards.py     writes the tables of docs/datasets.md anew
"""

import re
from pathlib import Path

import pytest

from kseg.data import names
from kseg.data.card import Card
from kseg.data.catalogue import card, option_names

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"


def cards() -> dict[str, Card]:
    found = {}
    for name in names():
        try:
            found[name] = card(name)
        except ValueError:
            continue
    return found


CARDS = cards()


def size(known: Card) -> str:
    sizes = [download.size for download in known.downloads]
    if not sizes:
        return "by hand"
    if None in sizes:
        return "download"
    total = sum(sizes) / 1e6
    return (
        f"download, {total / 1e3:.1f} GB"
        if total > 999
        else f"download, {total:.0f} MB"
    )


def table() -> str:
    rows = ["| name | data set | classes | images | void | licence | comes by |"]
    rows.append("|---" * 7 + "|")
    for name, known in CARDS.items():
        splits = ", ".join(f"{k} {v:,}" for k, v in known.splits.items())
        cells = (
            f"`{name}`",
            f"[{known.title}]({known.homepage})",
            str(known.labels.num_classes),
            splits,
            known.void,
            known.license,
            size(known),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def manual() -> str:
    lines = (
        f"- `{name}`: {known.manual}" for name, known in CARDS.items() if known.manual
    )
    return "\n".join(lines)


def citations() -> str:
    lines = []
    for name, known in CARDS.items():
        statistics = (
            f" Mean and deviation: {known.statistics.rstrip('.')}."
            if known.mean
            else ""
        )
        lines.append(f"- `{name}`: {known.citation}.{statistics}")
    return "\n".join(lines)


PARTS = {"table": table, "manual": manual, "citations": citations}


def written(page: str) -> str:
    """Returns the page with its tables made anew."""
    for part, make in PARTS.items():
        begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{make()}\n\n{end}{rest.partition(end)[2]}"
    return page


def test_the_page_agrees_with_the_cards():
    page = PAGE.read_text()
    assert page == written(page), "`python tests/data/test_cards.py` writes it anew"


def test_the_code_of_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        if "VOCdevkit" not in block:
            exec(block, {})
    lines = re.findall(r"^(\S.*?)  # ([('[].*)$", "\n".join(blocks), re.MULTILINE)
    assert len(lines) == 3
    space = {"card": card, "option_names": option_names}
    for code, said in lines:
        actual = str(eval(code, space))
        assert actual.startswith(said.removesuffix(", ...]")), code


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_filled_in(name):
    known = CARDS[name]
    for text in (known.title, known.void, known.license, known.citation):
        assert text == text.strip() and "|" not in text and len(text) > 3
    assert known.homepage.startswith("http")
    assert known.splits and all(count > 0 for count in known.splits.values())
    assert {"train"} <= set(known.splits)
    # It comes by a download or by hand, and whoever brings it learns how.
    assert known.downloads or known.manual
    assert "path" in option_names(name)
    for download in known.downloads:
        assert re.match(r"https?://[^\s]+$", download.url)
        if download.digest is not None:
            algorithm, digest = download.digest.split(":")
            length = {"md5": 32, "sha1": 40, "sha256": 64}[algorithm]
            assert re.fullmatch(rf"[0-9a-f]{{{length}}}", digest)
    # Some publish a mean alone; what there is has a source.
    measured = [values for values in (known.mean, known.std) if values]
    assert bool(measured) == bool(known.statistics) and (known.mean or not known.std)
    for values in measured:
        assert len(values) == 3 and all(0 < value < 255 for value in values)


@pytest.mark.parametrize("name", CARDS)
def test_colours_tell_classes_apart(name):
    colors = CARDS[name].labels.colors
    assert all(0 <= value <= 255 for color in colors for value in color)
    # The benchmark itself gives road and skyscraper one colour.
    assert len(colors) - len(set(colors)) <= (name == "ade20k")


def test_what_is_not_published_has_no_card():
    for name in ("folder", "synthetic", "tfds"):
        assert name not in CARDS
        with pytest.raises(ValueError, match=f"to have a card. Received: '{name}'"):
            card(name)
    with pytest.raises(ValueError, match="Received: 'CamVid'. Did you mean 'camvid'"):
        card("CamVid")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
