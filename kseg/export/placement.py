"""Which operators of a LiteRT file a device's accelerator takes, and which fall back.

What each target takes stands in `placement.json` beside this file, with the page or the
code that says so; nothing of it is known here. A target may still refuse an operator
for a reason that its documents do not give: the compiler or the device has the last
word. The rules of XNNPACK are compared with what the installed runtime does, by tests.
"""

import collections
import functools
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from kseg.export.operator_walk import Operator, walk_operators

Rule = Mapping[str, Any]


def placement(path: str | Path) -> dict[str, dict[str, Any]]:
    """Says for every target what it takes of a LiteRT file.

    Args:
        path: The `.tflite` file; a sidecar is not needed.

    Returns:
        From each of `targets()` to a dictionary that JSON can hold: `title` and
        `source`; `operators`, how many the file has; `taken`, how many of them the
        target can run; `partitions`, into how many connected parts these fall;
        `accelerated`, how many lie in the parts that the target keeps (some keep the
        first or the largest one alone), and `share`, the same from 0 to 1;
        `falls_back`, what it does not take, most frequent first: rows of `operator`,
        `count`, `reason` and `source`; and `uncertain`, such rows of what it takes in
        some sizes or forms, of which its documents do not say which.

    Raises:
        OSError: If there is no such file.
    """
    walked = list(walk_operators(Path(path).read_bytes()))
    return {name: _place(walked, target) for name, target in _rules().items()}


def targets() -> tuple[str, ...]:
    """Returns the names of the targets that `placement` knows."""
    return tuple(_rules())


@functools.cache
def _rules() -> dict[str, Any]:
    """Returns the data file."""
    text = Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
    return json.loads(text)


def _place(walked: list[Operator], target: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the row of one target."""
    refusals = [_refusal(operator, target) for operator in walked]
    doubts = [
        None if refusal else target["operators"][operator.name].get("uncertain")
        for operator, refusal in zip(walked, refusals, strict=True)
    ]
    parts = _partitions(walked, [refusal is None for refusal in refusals])
    kept = {
        "all": sum(parts),
        "first": parts[0] if refusals and refusals[0] is None else 0,
        "largest": max(parts, default=0),
    }[target["keeps"]]
    return {
        "title": target["title"],
        "source": target["source"],
        "operators": len(walked),
        "taken": refusals.count(None),
        "partitions": len(parts),
        "accelerated": kept,
        "share": kept / len(walked),
        "falls_back": _rows(walked, refusals, target),
        "uncertain": _rows(walked, doubts, target),
    }


def _refusal(operator: Operator, target: Mapping[str, Any]) -> str | None:
    """Returns why a target does not take an operator, or `None` if it does."""
    rule = target["operators"].get(operator.name)
    if rule is None:
        return target["unlisted"]
    rule = {**target["always"], **rule}
    for key, allowed in rule.items():
        if key in _CONDITIONS and (reason := _CONDITIONS[key](operator, allowed)):
            return reason
    return None


def _types(operator: Operator, allowed: Iterable[str]) -> str | None:
    found = operator.types - set(allowed)
    return f"does not take {_listed(found)} here" if found else None


def _inputs(operator: Operator, most: int) -> str | None:
    count = len(operator.inputs)
    return f"takes {most} inputs at the most, not {count}" if count > most else None


def _rank(operator: Operator, most: int) -> str | None:
    rank = max(len(tensor.shape) for tensor in operator.tensors)
    return f"takes {most} axes at the most, not {rank}" if rank > most else None


def _flat(operator: Operator, most: int) -> str | None:
    *others, last = operator.inputs[0].shape
    if max(others, default=1) > 1 or last > most:
        return f"takes one axis of {most} values at the most"
    return None


def _modes(operator: Operator, allowed: Collection[str]) -> str | None:
    if operator.mode in allowed:
        return None
    return f"pads by {_listed(allowed)} only, not {operator.mode}"


def _same_dilation(operator: Operator, _: bool) -> str | None:
    height, width = operator.dilation
    return f"takes no dilation of {height}x{width}" if height != width else None


def _unit_strides(operator: Operator, _: bool) -> str | None:
    strides = operator.inputs[3].values
    return None if set(strides) == {1} else f"takes strides of 1, not {list(strides)}"


def _hybrid(operator: Operator, allowed: bool) -> str | None:
    weights = operator.inputs[1]
    if allowed or weights.type != "INT8" or "FLOAT32" not in operator.types:
        return None
    return "does not take INT8 weights with FLOAT32 values"


def _scale_ratio(operator: Operator, bounds: tuple[float, float]) -> str | None:
    output, (low, high) = operator.outputs[0].scale, bounds
    ratios = [tensor.scale / output for tensor in operator.inputs if output]
    if all(low <= ratio < high for ratio in ratios):
        return None
    return f"takes scales of {low:g} to {high:g} times its output's"


def _second_zero_point(operator: Operator, value: int) -> str | None:
    found = operator.inputs[1].zero_point
    return None if found == value else f"takes a second zero point of {value} only"


# What a rule of the data file may ask for, by its key; each returns why not.
_CONDITIONS: dict[str, Callable[[Operator, Any], str | None]] = {
    "types": _types,
    "inputs": _inputs,
    "rank": _rank,
    "flat": _flat,
    "modes": _modes,
    "same_dilation": _same_dilation,
    "unit_strides": _unit_strides,
    "hybrid": _hybrid,
    "scale_ratio": _scale_ratio,
    "second_zero_point": _second_zero_point,
}


def _listed(words: Iterable[str]) -> str:
    """Words a list."""
    return ", ".join(sorted(words))


def _partitions(walked: list[Operator], taken: list[bool]) -> list[int]:
    """Returns the sizes of the parts that a delegate gets, in order.

    As the runtime finds them: all that is ready and taken, then all that is ready and
    not, and so on.
    """
    made = {i for operator in walked for i in operator.writes}
    waiting = list(range(len(walked)))
    sizes, turn = [], True
    while waiting:
        size, rest = 0, []
        for number in waiting:
            reads = made.intersection(walked[number].reads)
            if taken[number] == turn and not reads:
                made.difference_update(walked[number].writes)
                size += 1
            else:
                rest.append(number)
        if turn and size:
            sizes.append(size)
        waiting, turn = rest, not turn
    return sizes


def _rows(
    walked: list[Operator], reasons: list[str | None], target: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Counts the operators of each name and reason."""
    pairs = zip(walked, reasons, strict=True)
    counts = collections.Counter((op.name, why) for op, why in pairs if why)
    return [
        {
            "operator": name,
            "count": count,
            "reason": reason,
            "source": target["operators"].get(name, {}).get("source", target["source"]),
        }
        for (name, reason), count in counts.most_common()
    ]
