"""Plots as inline SVG in the colours of the page, which dashes tell apart as well."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from kseg.inference.report.html import attribute

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 10, 40
# How series are drawn: A and B of two models, or training and validation.
SERIES = ("first", "second")


@dataclasses.dataclass(frozen=True)
class Frame:
    """The axes of a plot.

    Args:
        x: The least and the greatest value.
        y: Likewise.
        labels: What the axes are, in words.
        width: Of the picture.
        height: Likewise.
        per_cent: Whether ticks are words of shares of 1.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    labels: tuple[str, str]
    width: int = 360
    height: int = 260
    per_cent: tuple[bool, bool] = (True, True)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Returns where a point is drawn."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            _LEFT + across * (self.width - _LEFT - _RIGHT),
            self.height - _BOTTOM - up * (self.height - _TOP - _BOTTOM),
        )

    def draw(self, title: str, content: Iterable[str]) -> str:
        """Returns the plot.

        Args:
            title: What it shows, in words.
            content: The SVG inside the axes.
        """
        lines = []
        for axis, (low, high) in enumerate((self.x, self.y)):
            for tick in ticks(low, high):
                text = f"{100 * tick:.0f}" if self.per_cent[axis] else f"{tick:g}"
                lines.append(self._tick(axis, tick, text))
        bottom, middle = self.height - 6, (self.height - _BOTTOM + _TOP) / 2
        return (
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{attribute(title)}">{"".join(lines)}{"".join(content)}'
            f'<text x="{(self.width + _LEFT) / 2:g}" y="{bottom}" '
            f'text-anchor="middle">{escape(self.labels[0])}</text>'
            f'<text transform="translate(11 {middle:g}) rotate(-90)" '
            f'text-anchor="middle">{escape(self.labels[1])}</text></svg>'
        )

    def _tick(self, axis: int, tick: float, text: str) -> str:
        """Returns a line of the grid, with its number."""
        if axis == 0:
            x, y = self.place(tick, self.y[0])
            line = f"M{x:.1f} {_TOP}V{y:.1f}"
            place = f'x="{x:.1f}" y="{y + 14:.1f}" text-anchor="middle"'
        else:
            x, y = self.place(self.x[0], tick)
            line = f"M{x:.1f} {y:.1f}H{self.width - _RIGHT}"
            place = f'x="{x - 5:.1f}" y="{y + 4:.1f}" text-anchor="end"'
        return f'<path class="grid" d="{line}"/><text {place}>{text}</text>'

    def line(self, x: Iterable[float], y: Iterable[float], kind: str) -> str:
        """Returns a line through points, without those that are NaN."""
        points = [
            "{:.1f},{:.1f}".format(*self.place(a, b))
            for a, b in zip(x, y, strict=True)
            if math.isfinite(a) and math.isfinite(b)
        ]
        # Points that are drawn as one are one.
        points = [p for p, q in zip(points, [None, *points], strict=False) if p != q]
        return f'<polyline class="{kind}" points="{" ".join(points)}"/>'

    def box(self, x: Sequence[float], y: Sequence[float], kind: str, title: str) -> str:
        """Returns a rectangle between two values on each axis, with a title."""
        (left, top), (right, bottom) = self.place(x[0], y[1]), self.place(x[1], y[0])
        return (
            f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" '
            f'width="{right - left:.1f}" height="{bottom - top:.1f}">'
            f"<title>{escape(title)}</title></rect>"
        )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns round numbers between two values.

    Args:
        low: The lower value.
        high: The higher one.
        most: About how many.

    Example:
    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda n: abs(n * power - rough))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def series_legend(names: Sequence[str]) -> str:
    """Returns how the series of a plot are drawn.

    Args:
        names: Of the series, not yet escaped, at most two.
    """
    items = "".join(
        f'<li><svg viewBox="0 0 28 8" aria-hidden="true"><path class="{kind}" '
        f'd="M0 4H28"/></svg>{escape(name)}</li>'
        for kind, name in zip(SERIES, names, strict=False)
    )
    return f'<ul class="series">{items}</ul>'


def precision_recall_panel(name: str, curves: Sequence[tuple]) -> str:
    """Returns the precision of a class over its recall.

    Args:
        name: Of the class.
        curves: Recall and precision of each model.
    """
    frame = Frame((0, 1), (0, 1), ("recall", "precision"), 220, 190)
    content = [
        frame.line(recall, precision, kind)
        for (recall, precision), kind in zip(curves, SERIES, strict=False)
    ]
    return frame.draw(f"Precision over recall of {name}", content)


def reliability_diagram(result: dict, title: str) -> str:
    """Returns how often pixels are right, by how confident they are.

    Args:
        result: What `kseg.metrics.CalibrationScores.result` returns.
        title: What it shows, in words.
    """
    frame = Frame((0, 1), (0, 1), ("confidence", "pixels that are right"))
    edges = np.linspace(0, 1, len(result["bin_count"]) + 1).tolist()
    total = max(int(result["bin_count"].sum()), 1)
    content = [frame.line((0, 1), (0, 1), "even")]
    for index, count in enumerate(result["bin_count"].tolist()):
        if not count:
            continue
        right = float(result["bin_accuracy"][index])
        sure = float(result["bin_confidence"][index])
        words = (
            f"confidence {sure:.1%}, right {right:.1%}, {count / total:.2%} of pixels"
        )
        low, high = edges[index : index + 2]
        content.append(frame.box((low, high), (0, right), "bin", words))
        content.append(frame.line((low, high), (sure, sure), "second"))
    return frame.draw(title, content)


def confidences(result: dict, title: str) -> str:
    """Returns how many pixels have which confidence.

    Args:
        result: What `kseg.metrics.CalibrationScores.result` returns.
        title: What it shows, in words.
    """
    shares = result["bin_count"] / max(int(result["bin_count"].sum()), 1)
    edges = np.linspace(0, 1, len(shares) + 1).tolist()
    frame = Frame((0, 1), (0, 1), ("confidence", "share of pixels"))
    content = [
        frame.box(edges[i : i + 2], (0, share), "bin", f"{share:.2%} of pixels")
        for i, share in enumerate(shares.tolist())
        if share
    ]
    return frame.draw(title, content)


def histogram(values: Sequence[Sequence[float]], bins: int = 20) -> str:
    """Returns how many images have which mean IoU.

    Args:
        values: Of each model, shares of 1; NaN are left out.
        bins: How many bars from 0 to 1.
    """
    edges = np.linspace(0, 1, bins + 1)
    counts = [
        np.histogram(np.array(v)[~np.isnan(v)], edges)[0].tolist() for v in values
    ]
    highest = max(5, *(max(c) for c in counts))
    labels = ("mean IoU of an image", "images")
    frame = Frame((0, 1), (0, highest), labels, per_cent=(True, False))
    pairs = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    content = [
        frame.box(pair, (0, n), "bin", f"{pair[0]:.0%} to {pair[1]:.0%}: {n} images")
        for pair, n in zip(pairs, counts[0], strict=True)
        if n
    ]
    if len(counts) > 1:
        x = [edge for pair in pairs for edge in pair]
        y = [n for n in counts[1] for _ in range(2)]
        content.append(frame.line([0, *x, 1], [0, *y, 0], "second"))
    return frame.draw("Images by their mean IoU", content)


def scatter(
    x: Sequence[float],
    y: Sequence[float],
    names: Sequence[str],
    labels: tuple[str, str],
    equal: bool,
) -> str:
    """Returns two scores of every image, a point each.

    Args:
        x: Shares of 1; images with NaN are left out.
        y: Likewise.
        names: Of the images.
        labels: What the scores are.
        equal: Whether to draw where the two are equal.
    """
    frame = Frame((0, 1), (0, 1), labels)
    content = [frame.line((0, 1), (0, 1), "even")] * equal
    for a, b, name in zip(x, y, names, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            left, top = frame.place(a, b)
            words = escape(f"{name}: {a:.1%}, {b:.1%}")
            content.append(
                f'<circle class="dot" cx="{left:.1f}" cy="{top:.1f}" r="3">'
                f"<title>{words}</title></circle>"
            )
    return frame.draw(f"{labels[1]} over {labels[0]}, every image", content)


def training_curves(
    epochs: Sequence[float], series: Sequence[Sequence[float]], label: str, share: bool
) -> str:
    """Returns how something goes over the epochs.

    Args:
        epochs: Their numbers.
        series: A value an epoch; NaN are left out.
        label: What it is.
        share: Whether values are shares of 1.
    """
    known = [v for values in series for v in values if math.isfinite(v)]
    low, high = min(0.0, *known), max(known)
    if share:
        high = 1.0
    frame = Frame(
        (min(epochs), max(epochs)),
        (low, high if high > low else low + 1),
        ("epoch", label),
        per_cent=(False, share),
    )
    content = [
        frame.line(epochs, values, kind)
        for values, kind in zip(series, SERIES, strict=False)
    ]
    return frame.draw(f"{label} over the epochs", content)
