"""Words, numbers and tables as HTML that names of any kind cannot break."""

import math
from collections.abc import Iterable, Sequence
from html import escape

from kseg.labels import Labels
from kseg.web_page import scrolling


def name_text(name: str) -> str:
    """Returns a name that keeps its own direction of writing.

    Args:
        name: The name, not yet escaped.
    """
    return f"<bdi>{escape(name)}</bdi>"


def attribute(text: str) -> str:
    """Returns text as it may stand between double quotes.

    Args:
        text: The text, not yet escaped.
    """
    return escape(text, quote=True)


def class_name(labels: Labels, index: int) -> str:
    """Returns a class with its colour.

    Args:
        labels: The classes.
        index: Which one.
    """
    color = ",".join(map(str, labels.colors[index]))
    swatch = f'<i style="background:rgb({color})"></i>'
    return swatch + name_text(labels.names[index])


def percent(value: float, digits: int = 2, sign: str = "") -> str:
    """Words a share of 1; a dash for NaN.

    Args:
        value: The share.
        digits: Behind the point.
        sign: `"+"` for differences.
    """
    if math.isnan(value):
        return "–"
    rounded = round(100 * value, digits) + 0.0  # no minus in front of 0
    return f"{rounded:{sign}.{digits}f}".replace("-", "−")


def between(bounds: Sequence[float], digits: int = 1, sign: str = "") -> str:
    """Words the bounds of a score; a dash for NaN.

    Args:
        bounds: The lower and the upper one, shares of 1.
        digits: Behind the point.
        sign: `"+"` for differences.
    """
    if math.isnan(bounds[0]):
        return "–"
    return " to ".join(percent(bound, digits, sign) for bound in bounds)


def cell(text: str, value: float | None = None, more: str = "") -> str:
    """Returns a cell of a table.

    Args:
        text: Its HTML.
        value: What it is sorted by; `None` for its text, NaN for the end.
        more: Attributes.
    """
    sorted_by = ""
    if value is not None:
        sorted_by = ' data-value="' + ("" if math.isnan(value) else f"{value:.6g}")
        sorted_by += '"'
    return f"<td{sorted_by}{more}>{text}</td>"


def score_cell(value: float, digits: int = 2, sign: str = "") -> str:
    """Returns a cell of a share of 1, in percent.

    Args:
        value: The share.
        digits: Behind the point.
        sign: `"+"` for differences.
    """
    return cell(percent(value, digits, sign), value)


def row(head: str, cells: Iterable[str], more: str = "") -> str:
    """Returns a row of a table.

    Args:
        head: HTML of what the row is about.
        cells: Its cells.
        more: Attributes of the head.
    """
    return f'<tr><th scope="row"{more}>{head}</th>{"".join(cells)}</tr>\n'


def table(
    label: str, columns: Sequence[str], rows: Iterable[str], sortable: bool = True
) -> str:
    """Returns a table that scrolls in a box of its own.

    Args:
        label: What it holds, in words.
        columns: HTML of the heads of its columns.
        rows: Its rows.
        sortable: Whether a click on a head sorts; an empty head never does.
    """
    heads = "".join(
        f'<th scope="col"{" data-sort" * sortable}>{column}</th>'
        if column
        else "<td></td>"
        for column in columns
    )
    return (
        f"{scrolling(label)}<table{' class=sortable' * sortable}>"
        f"<thead><tr>{heads}</tr></thead><tbody>\n{''.join(rows)}</tbody></table></div>"
    )
