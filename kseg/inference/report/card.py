"""A model card in Markdown as HTML: headings, lists, tables, paragraphs, code.

Of Markdown this reads what cards are written in, and no HTML: all text is escaped, a
link becomes its words with its address behind them, and a picture its words.
"""

import itertools
import re
from collections.abc import Iterator
from html import escape

from kseg.inference.report.html import cell, row, table

_PICTURE, _LINK = (
    re.compile(r"!\[([^\]]*)\]\([^)]*\)"),
    re.compile(r"\[([^\]]*)\]\(([^)\s]*)[^)]*\)"),
)
_CODE, _BOLD = re.compile(r"`([^`]+)`"), re.compile(r"\*\*([^*]+)\*\*")
_BULLET = re.compile(r"\s*[-*+]\s+")
_HEADING = re.compile(r"(#+)\s+(.*)")
_RULE = re.compile(r"[\s:|-]+")
# Headings of the page around the card are of the second level.
_LEVELS = range(3, 7)


def card_to_html(text: str) -> str:
    r"""Returns a card as HTML.

    Args:
        text: Its Markdown.

    Example:
    >>> card_to_html("# net\n\n- **Data**: <b>")
    '<h3>net</h3><ul><li><b>Data</b>: &lt;b&gt;</li></ul>'
    """
    parts, level = [], _LEVELS[0] - 1
    for kind, lines in itertools.groupby(_kinds(text), key=lambda pair: pair[0]):
        block = [line for _, line in lines]
        if kind == "heading":
            for line in block:
                signs, words = _HEADING.fullmatch(line).groups()  # type: ignore
                # No level is left out, as for those who hear a page.
                level = min(_LEVELS[0] - 1 + len(signs), level + 1, _LEVELS[-1])
                parts.append(f"<h{level}>{_inline(words)}</h{level}>")
        elif kind == "code":
            parts.append(f"<pre>{escape(chr(10).join(block))}</pre>")
        elif kind == "item":
            joined = re.split(r"\n(?=\s*[-*+]\s)", "\n".join(block))
            items = (f"<li>{_inline(_BULLET.sub('', i, count=1))}</li>" for i in joined)
            parts.append(f"<ul>{''.join(items)}</ul>")
        elif kind == "table":
            parts.append(_table(block))
        elif kind == "text":
            parts.append(f"<p>{_inline(chr(10).join(block))}</p>")
    return "".join(parts)


def _kinds(text: str) -> Iterator[tuple[str, str]]:
    """Yields what each line is, and the line."""
    fenced, before = False, "blank"
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
            kind = "fence"
        elif fenced:
            kind = "code"
        elif not line.strip():
            kind = "blank"
        elif _HEADING.fullmatch(line):
            kind = "heading"
        elif _BULLET.match(line) or (before == "item" and line[0].isspace()):
            kind = "item"
        else:
            kind = "table" if line.lstrip().startswith("|") else "text"
        yield kind, line
        before = kind


def _table(lines: list[str]) -> str:
    """Returns lines with bars between their cells as a table."""
    rows = [
        [_inline(text.strip()) for text in line.strip().strip("|").split("|")]
        for line in lines
        if not _RULE.fullmatch(line)
    ]
    if not rows:
        return ""
    head, *others = rows
    body = [row(first, map(cell, rest)) for first, *rest in others]
    return table("Table of the model card", head, body, sortable=False)


def _inline(text: str) -> str:
    """Returns the text of a block, with what is bold and what is code."""
    text = _LINK.sub(r"\1 (\2)", _PICTURE.sub(r"\1", text))
    text = _BOLD.sub(r"<b>\1</b>", escape(text))
    return _CODE.sub(r"<code>\1</code>", text)
