"""A built network as a graph of few blocks: what a paper's figure would show.

The graph of a `keras.Model` has one node for every operation, up to a thousand. Here

- an operation without a kernel (batch norm, activation, pooling, resizing, padding) and
  a transposed convolution that enlarges become part of the edge they stand on;
- a residual unit, a gate or an attention with its shortcut becomes one block, by the
  dominators of the graph;
- the paths that bring a branch to the resolution of another and are added to it, as in
  HRNet, become edges;
- a sum or concatenation becomes part of the block behind it;
- blocks in a row, at one stride and of one width or one name, become one.

What is left has a name, a stride and a number of channels, all read from the model.
"""

import dataclasses
import itertools
import math
import re

# Convolutions an exchange between resolutions may have: 32 from 4 takes three.
_LONGEST_EXCHANGE = 3
# Below this many cells a side, a map is pooled to a fixed size, whatever the image's.
_POOLED = 16
_SUMS = ("Add", "Multiply")


@dataclasses.dataclass
class Block:
    """A node of the graph.

    Attributes:
        key: Its number; a smaller one comes earlier.
        kind: `"image"`, `"block"`, `"join"` or `"logits"`.
        names: Names of the layers with a kernel in it, or of the join.
        stride: The image's side over the map's; 0 where the map is pooled.
        cells: Height and width of the map.
        channels: Channels of the map that leaves it.
        inputs: Keys of the blocks that it takes, in order.
        apart: Whether the map was pooled or resized on its way from the first of them.
        join: How it takes several: the class of the layer, or nothing.
        depthwise: Whether it begins with a depthwise convolution.
        units: How many residual additions it holds.
    """

    key: int
    kind: str
    names: list[str]
    stride: int
    cells: tuple[int, int]
    channels: int
    inputs: list[int]
    apart: bool = False
    join: str = ""
    depthwise: bool = False
    units: int = 0


def graph_of(model) -> list[Block]:
    """Returns the blocks of a network, inputs before what takes them.

    Args:
        model: A `keras.Model` from an image of a fixed size, of 2,048 pixels a side
            so that no padding looks like a stride, to logits.
    """
    blocks = _operations(model)
    for step in (_fold_residuals, _fold_exchanges, _fold_joins, _fold_chains):
        step(blocks)
    return list(blocks.values())


def label_of(block: Block) -> str:
    """Returns what to call a block: what the names of its layers have in common.

    Args:
        block: A block of `graph_of`.
    """
    stems = list(dict.fromkeys(_stem(name) for name in block.names))
    if len(stems) == 1:
        return stems[0]
    parts = [re.fullmatch(r"(.*?)(\d+)", stem) for stem in stems]
    first, last = parts[0], parts[-1]
    if first and last and first[1] == last[1]:
        return f"{first[1]}{first[2]}–{last[2]}"
    return stems[-1]


def _stem(name):
    """Up to the first number: `conv4_block1_1_conv` -> `conv4`."""
    match = re.match(r"(?:[a-zA-Z]+_)*?[a-zA-Z]*(?:_?\d+)(?=_|$)", name)
    if match:
        return match[0]
    return re.sub(r"_(expand|depthwise|pointwise|project)$", "", name)


def _operations(model):
    """The layers with a kernel and the joins, by key; all others are on the edges."""
    image, blocks = model.inputs[0], {}
    origin = {id(image): (0, False)}  # of a tensor: the block, and whether it is apart

    def add(kind, tensor, names, taken, **rest):
        block = Block(
            key=len(blocks),
            kind=kind,
            names=names,
            stride=_stride(tensor, image),
            cells=tensor.shape[1:3],
            channels=tensor.shape[-1],
            inputs=list(dict.fromkeys(origin[id(each)][0] for each in taken)),
            apart=any(origin[id(each)][1] for each in taken[:1]),
            **rest,
        )
        blocks[block.key] = block
        return block

    add("image", image, [image.name], [])
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            operation, kind = node.operation, type(node.operation).__name__
            taken = node.input_tensors
            if kind.endswith("Like"):
                taken = taken[:1]  # the other one lends only its size
            if len({origin[id(tensor)][0] for tensor in taken}) > 1:
                block = add("join", node.outputs[0], [operation.name], taken, join=kind)
            elif _has_kernel(operation):
                block = add("block", node.outputs[0], [operation.name], taken)
                block.depthwise = "Depthwise" in kind
            else:
                key, apart = origin[id(taken[0])]
                sizes = {_stride(each, image) for each in (*taken, *node.outputs)}
                apart = apart or "Pool" in kind or len(sizes) > 1
                origin.update((id(tensor), (key, apart)) for tensor in node.outputs)
                continue
            origin.update((id(each), (block.key, False)) for each in node.outputs)
    add("logits", model.output, ["logits"], [model.output])
    return blocks


def _stride(tensor, image):
    """The image's side over the map's, a power of two; 0 of what is pooled."""
    if min(tensor.shape[1:3]) < _POOLED:
        return 0
    return 2 ** round(math.log2(image.shape[1] / tensor.shape[1]))


def _has_kernel(operation):
    """Says whether a layer is drawn as a block; enlarging ones are edges."""
    if getattr(operation, "strides", None) not in (None, 1, (1, 1)):
        if "Transpose" in type(operation).__name__:
            return False
    weights = getattr(operation, "weights", [])
    return any(len(weight.shape) > 1 for weight in weights)


def _consumers(blocks):
    """Who takes what a block gives, by key."""
    result = {key: [] for key in blocks}
    for block in blocks.values():
        for key in block.inputs:
            result[key].append(block.key)
    return result


def _replace(blocks, block, removed):
    """Takes blocks away that have become part of another, which stays."""
    for key in removed:
        del blocks[key]
    blocks[block.key] = block


def _fold_residuals(blocks):
    """A sum or product with a shortcut becomes one block with what it goes round."""
    for key in list(blocks):
        join = blocks[key]
        if join.join not in (*_SUMS, "Concatenate"):
            continue
        entry = _dominators(blocks, key)[key]
        inside = _between(blocks, entry, key)
        if not _is_unit(blocks, join, entry, inside):
            continue
        layers = [blocks[each] for each in inside]
        names = list(itertools.chain.from_iterable(each.names for each in layers))
        join.units = int(join.join == "Add")
        join.apart = entry not in join.inputs and layers[0].apart
        join.depthwise = layers[0].depthwise
        join.kind, join.names, join.inputs, join.join = "block", names, [entry], ""
        _replace(blocks, join, inside)


def _dominators(blocks, last):
    """The nearest block that all paths from the image go through, up to a key."""
    nearest, rank = {0: 0}, {key: place for place, key in enumerate(blocks)}
    for key, block in blocks.items():
        if not block.inputs:
            continue
        common = block.inputs[0]
        for other in block.inputs[1:]:
            while common != other:
                if rank[common] > rank[other]:
                    common = nearest[common]
                else:
                    other = nearest[other]
        nearest[key] = common
        if key == last:
            break
    return nearest


def _between(blocks, entry, last):
    """Keys of the blocks on paths from one to another, sorted, without the two."""
    found, waiting = set(), list(blocks[last].inputs)
    while waiting:
        key = waiting.pop()
        if key != entry and key not in found:
            found.add(key)
            waiting += blocks[key].inputs
    return sorted(found)


def _is_unit(blocks, join, entry, inside):
    """Says whether a join is the end of a residual unit, gate or dense layer."""
    layers = [blocks[key] for key in inside]
    consumers = _consumers({key: blocks[key] for key in blocks})
    own = {*inside, join.key}
    if not layers or any(set(consumers[key]) - own for key in inside):
        return False
    shortcut = entry in join.inputs
    if join.join == "Concatenate":
        return shortcut and all(each.stride == join.stride for each in layers)
    if not shortcut:  # a projection beside two layers or more
        lengths = sorted(len(_between(blocks, entry, key)) for key in join.inputs)
        shortcut = len(lengths) == 2 and lengths[0] == 0 < lengths[1]
    attends = any(each.join not in ("", *_SUMS, "Concatenate") for each in layers)
    strides = {0, join.stride, blocks[entry].stride}
    return shortcut and (attends or {each.stride for each in layers} <= strides)


def _fold_exchanges(blocks):
    """A sum of branches of several strides takes them as they are, its own as it is."""
    for key in list(blocks):
        join, consumers = blocks[key], _consumers(blocks)
        forked = [
            each
            for each in join.inputs
            if len(consumers[each]) > 1 and blocks[each].stride == join.stride
        ]
        if join.join != "Add" or not forked:
            continue
        for place, each in enumerate(join.inputs):
            path = []
            while len(consumers[each]) == 1 and len(blocks[each].inputs) == 1:
                path.append(each)
                each = blocks[each].inputs[0]
            far = blocks[each].stride != join.stride and len(consumers[each]) > 1
            if path and far and len(path) <= _LONGEST_EXCHANGE:
                join.inputs[place] = each
                _replace(blocks, join, path)


def _fold_joins(blocks):
    """A join at the entrance of a block becomes part of the block."""
    for key in list(blocks):
        consumers = _consumers(blocks)
        join, behind = blocks[key], [blocks[each] for each in consumers[key]]
        if join.kind != "join" or len(behind) != 1:
            continue
        block = behind[0]
        if block.kind == "block" and not block.join and block.stride == join.stride:
            block.inputs, block.join, block.apart = join.inputs, join.join, join.apart
            _replace(blocks, block, [key])


def _fold_chains(blocks):
    """Blocks in a row become one where stride and width, or stride and name, stay."""
    for key in list(blocks):
        block = blocks[key]
        if block.kind != "block" or len(block.inputs) != 1 or block.join:
            continue
        before = blocks[block.inputs[0]]
        alone = len(_consumers(blocks)[before.key]) == 1
        if before.kind != "block" or not alone:
            continue
        named = _stem(before.names[-1]) == _stem(block.names[0])
        level = (before.stride, before.cells) == (block.stride, block.cells)
        # A convolution may lead to residual units, and does not end them.
        units = block.units or not before.units
        alike = before.channels == block.channels and units
        expands = named and block.depthwise  # of an inverted bottleneck
        if not block.apart and (expands or (level and (named or alike))):
            block.names = before.names + block.names
            block.inputs, block.join = before.inputs, before.join
            block.units += before.units
            block.apart, block.depthwise = before.apart, before.depthwise
            _replace(blocks, block, [before.key])
