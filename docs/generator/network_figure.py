"""Draws the blocks of a network as an SVG, whichever network it is.

Columns follow the way from image to logits, lanes the output stride, the image's own
resolution on top. So an encoder and a decoder make a U, branches of one stride lie
above each other, and what is carried across runs along its lane.
Colours are those of the page, by the classes of `stylesheets/figures.css`, so that one
picture is right on a light and on a dark page.
"""

import dataclasses
import html
import math

from network_graph import Block, label_of

_GAP = 30  # between columns, where the edges cross
_ROW = 10  # between blocks of one lane
_LANE = 26  # above and below the blocks of a lane, together
_AXIS = 70  # on the left, for the names of the lanes
_LINE = 12  # height an edge takes that passes by a block
_JOIN = 18
_SYMBOLS = {"Add": "+", "Multiply": "×", "Concatenate": "∥"}


@dataclasses.dataclass
class _Place:
    """Where something stands: its centre, width and height, in pixels."""

    x: float
    y: float
    width: float
    height: float


def draw(blocks: list[Block], title: str, key: str = "figure") -> str:
    """Returns the figure of a network as the text of an SVG element.

    Args:
        blocks: What `graph_of` returns.
        title: What the picture shows, read aloud first.
        key: What the ids of the element begin with: one of its own on each page.
    """
    columns = _columns(blocks)
    lanes = sorted({block.stride for block in blocks}, key=lambda s: s or math.inf)
    cells = _cells(blocks, columns)
    places, lines, size = _arrange(blocks, columns, lanes, cells)
    parts = [_lane(stride, *lines[stride], size[0]) for stride in lanes]
    parts += [_edges(block, blocks, columns, places) for block in blocks]
    parts += [_block(block, places[block.key], blocks) for block in blocks]
    width, height = (math.ceil(side) for side in size)
    return (
        f'<svg class="network" role="img" viewBox="0 0 {width} {height}" '
        f'style="min-width: {0.7 * width:.0f}px; max-width: {width}px" '
        f'aria-labelledby="{key}-title {key}-desc" '
        f'xmlns="http://www.w3.org/2000/svg">\n'
        f'<title id="{key}-title">{html.escape(title)}</title>\n'
        f'<desc id="{key}-desc">{html.escape(describe(blocks))}</desc>\n'
        + "\n".join(part for part in parts if part)
        + "\n</svg>"
    )


def describe(blocks: list[Block]) -> str:
    """Returns the figure in words: each block, and what it takes.

    Args:
        blocks: What `graph_of` returns.
    """
    names = {block.key: label_of(block) for block in blocks}
    sentences = []
    for block in blocks:
        sources = ", ".join(names[key] for key in block.inputs)
        sources = f", from {sources}" if sources else ""
        sentences.append(
            f"{names[block.key]}: {_resolution(block)}, {block.channels} channels"
            f"{sources}."
        )
    return " ".join(sentences)


def _resolution(block):
    """A block's stride, or its cells where it is pooled."""
    if block.stride:
        return f"stride {block.stride}"
    return f"{block.cells[0]}×{block.cells[1]} cells"


def _columns(blocks):
    """A block's column: one behind the last of those it takes."""
    columns = {}
    for block in blocks:
        columns[block.key] = max((columns[key] for key in block.inputs), default=-1) + 1
    return columns


def _cells(blocks, columns):
    """What stands at a lane and a column: keys of blocks, and of edges that pass.

    An edge that goes further than to the next column runs along the lane it comes
    from; it is ("past", key), with the key of the block where it starts.
    """
    by_key = {block.key: block for block in blocks}
    order = {  # among those that the same block takes
        key: place for block in blocks for place, key in enumerate(block.inputs)
    }
    cells: dict[tuple[int, int], list] = {}
    for block in sorted(blocks, key=lambda block: order.get(block.key, 0)):
        cells.setdefault((block.stride, columns[block.key]), []).append(block.key)
    for block in blocks:
        for key in block.inputs:
            for column in range(columns[key] + 1, columns[block.key]):
                cell = cells.setdefault((by_key[key].stride, column), [])
                if ("past", key) not in cell:
                    cell.append(("past", key))
    for cell in cells.values():  # passing edges on top, always in one order
        cell.sort(key=lambda item: item[1] if isinstance(item, tuple) else math.inf)
    return cells


def _size(block):
    """Width and height of a block; finer maps are taller."""
    if block.kind == "join":
        return _JOIN, _JOIN
    height = 56 - 4 * math.log2(block.stride) if block.stride else 32
    text = max(len(label_of(block)), len(_numbers(block)))
    sign = 10 if block.join else 0
    return max(44, 6.6 * text + 14) + sign, max(height, 32)


def _arrange(blocks, columns, lanes, cells):
    """Places of blocks and of passing edges, tops and heights of lanes, the size."""
    by_key = {block.key: block for block in blocks}
    widths = [
        max(_size(block)[0] for block in blocks if columns[block.key] == column)
        for column in range(max(columns.values()) + 1)
    ]
    left = [_AXIS + sum(widths[:c]) + c * _GAP for c in range(len(widths))]

    def height(item):
        return _LINE if isinstance(item, tuple) else _size(by_key[item])[1]

    places, lines, top = {}, {}, 0.0
    for stride in lanes:
        here = {c: items for (lane, c), items in cells.items() if lane == stride}
        room = {c: sum(map(height, i)) + _ROW * (len(i) - 1) for c, i in here.items()}
        tall = max(room.values()) + _LANE
        for column, items in here.items():
            y = top + (tall - room[column]) / 2
            for item in items:
                passing = isinstance(item, tuple)
                width = widths[column] if passing else _size(by_key[item])[0]
                x = left[column] + widths[column] / 2
                key = (item[1], column) if passing else item
                places[key] = _Place(x, y + height(item) / 2, width, height(item))
                y += height(item) + _ROW
        lines[stride] = (top, tall)
        top += tall
    return places, lines, (left[-1] + widths[-1] + 12, top)


def _lane(stride, top, tall, width):
    """A lane's line and its name."""
    name = f"stride {stride}" if stride else "pooled"
    return (
        f'<path class="lane" d="M0 {top:.0f}H{width:.0f}"/>'
        f'<text class="axis" x="6" y="{top + tall / 2 + 4:.0f}">{name}</text>'
    )


def _edges(block, blocks, columns, places):
    """The edges into a block, each along its lane and then across."""
    strides = {each.key: each.stride for each in blocks}
    paths = []
    for key in block.inputs:
        x, y = places[key].x + places[key].width / 2, places[key].y
        path = [f"M{x:.1f} {y:.1f}"]
        stops = [places[key, c] for c in range(columns[key] + 1, columns[block.key])]
        for stop in (*stops, places[block.key]):
            to, across = stop.x - stop.width / 2, stop.y
            middle = (x + to) / 2
            path.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {across:.1f}")
            path.append(f"{to:.1f} {across:.1f}")
            x, y = stop.x + stop.width / 2, across
            if stop is not places[block.key]:
                path.append(f"H{x:.1f}")
        kind = "skip" if stops else "down"
        if not stops and strides[key] == block.stride:
            kind = "along"
        paths.append(f'<path class="edge {kind}" d="{" ".join(path)}"/>')
    return "".join(paths)


def _numbers(block):
    """What stands below a block's name: channels, units, cells of a pooled map."""
    numbers = [str(block.channels)]
    if block.units > 1:
        numbers.append(f"{block.units} units")
    if not block.stride:
        numbers.append(f"{block.cells[0]}×{block.cells[1]}")
    return " · ".join(numbers)


def _block(block, place, blocks):
    """A block with its name and channels, or a join with its sign."""
    names = {each.key: label_of(each) for each in blocks}
    layers = f"{len(block.names)} layers with kernels" if len(block.names) > 1 else ""
    joined = f"{block.join} of {', '.join(names[key] for key in block.inputs)}"
    notes = [_resolution(block), f"{block.channels} channels", layers]
    notes.append(joined if block.join else "")
    hint = f"{names[block.key]}: {', '.join(note for note in notes if note)}"
    tip = f"<title>{html.escape(hint)}</title>"
    sign = _SYMBOLS.get(block.join, "•") if block.join else ""
    if block.kind == "join":
        return f"<g>{tip}{_sign(sign, place.x, place.y)}</g>"
    kind = "end" if block.kind != "block" else "block"
    if block.kind == "block" and block.channels == blocks[-1].channels:
        kind = "score"
    x, y = place.x - place.width / 2, place.y - place.height / 2
    middle = place.x + (5 if sign else 0)
    text = (
        f'<text x="{middle:.1f}" y="{place.y - 2:.1f}">{names[block.key]}</text>'
        f'<text class="number" x="{middle:.1f}" y="{place.y + 12:.1f}">'
        f"{_numbers(block)}</text>"
    )
    return (
        f'<g>{tip}<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" rx="4" '
        f'width="{place.width:.1f}" height="{place.height:.1f}"/>{text}'
        + (_sign(sign, x, place.y) if sign else "")
        + "</g>"
    )


def _sign(sign, x, y):
    """A small circle with what a join does."""
    return (
        f'<circle class="join" cx="{x:.1f}" cy="{y:.1f}" r="8"/>'
        f'<text class="sign" x="{x:.1f}" y="{y + 4:.1f}">{sign}</text>'
    )
