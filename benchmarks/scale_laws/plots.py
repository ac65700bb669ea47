"""Laws as small plots: both axes logarithmic, the predicted slope dashed."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image

from scale_laws.law import Measured, upper

_ACROSS = 4
_PANEL = (2.55, 2.15)  # inches
_COLORS = {"seconds": "#1f5fbf", "megabytes": "#7a4fb5", "kilobytes": "#2f7d4f"}
_WORDS = {
    "seconds": "seconds",
    "megabytes": "memory, MB",
    "kilobytes": "size of the page, kB",
}


def write_plots(folder: Path, found: Sequence[Measured]) -> list[Path]:
    """Writes a picture of each part, `scale_<part>.png`.

    Args:
        folder: Where to.
        found: What was measured.

    Returns:
        The files.
    """
    mpl.use("agg")
    folder.mkdir(parents=True, exist_ok=True)
    parts = dict.fromkeys(measured.law.part for measured in found)
    paths = []
    for part in parts:
        paths.append(folder / f"scale_{part.replace(' ', '_')}.png")
        _write(paths[-1], [m for m in found if m.law.part == part])
    return paths


def _write(path: Path, found: Sequence[Measured]) -> None:
    """Writes the plots of a part."""
    across = min(_ACROSS, len(found))
    down = -(-len(found) // across)
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(_PANEL[0] * across, _PANEL[1] * down),
        layout="constrained",
        squeeze=False,
    )
    for axis, measured in zip(axes.flat, found, strict=False):
        _draw(axis, measured)
    for axis in axes.flat[len(found) :]:
        axis.set_axis_off()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=90)
    plt.close(figure)
    # Lines and words of a few colours need no more.
    Image.open(picture).convert("RGB").quantize(64).save(path, optimize=True)


def _draw(axis, measured: Measured) -> None:
    """Draws one law."""
    sizes, values = np.array(measured.sizes), np.array(measured.values)
    color = "#c0271a" if measured.too_fast else _COLORS[measured.unit]
    # Through the middle of what the exponent is fitted to.
    middle = [
        np.exp(np.log(upper(v)).mean()) for v in (measured.sizes, measured.values)
    ]
    line = middle[1] * (sizes / middle[0]) ** measured.must
    axis.loglog(sizes, line, "--", color="#777777", linewidth=1)
    axis.loglog(sizes, values, "o-", color=color, linewidth=1.3, markersize=3.5)
    axis.set_title("\n".join(textwrap.wrap(measured.law.name, 30)), fontsize=8)
    axis.set_xlabel(measured.law.over, fontsize=7.5)
    axis.set_ylabel(_WORDS[measured.unit], fontsize=7.5)
    axis.tick_params(labelsize=7)
    axis.minorticks_off()
    axis.grid(True, color="#e3e3e3", linewidth=0.6)
    low, high = np.concatenate([line, values]).min(), max(line.max(), values.max())
    middle, room = (low * high) ** 0.5, max((high / low) ** 0.5 * 1.3, 4)
    axis.set_ylim(middle / room, middle * room)
    axis.text(
        0.04,
        0.95,
        f"must {measured.must:g}, found {measured.exponent:.2f}",
        transform=axis.transAxes,
        fontsize=7,
        color=color,
        va="top",
    )
