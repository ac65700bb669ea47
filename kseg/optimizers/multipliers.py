"""Learning rates per layer, as Caffe's `lr_mult`.

A multiplier is a factor on the learning rate of the variables that a pattern names:

    optimizer = SGD(
        1e-3,
        momentum=0.9,
        multipliers={"classifier/bias": 20.0, "classifier": 10.0, "block1_*": 0.0},
    )

A pattern is a glob (`*`, `?`, `[1-4]`) for a part of a variable's path: a layer's
name, a variable's name, or names that follow each other, joined by a slash. The
first pattern that fits decides, so the special ones come first; where none fits,
the factor is 1.
"""

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import keras


class LearningRateMultipliers:
    """Gives an optimizer of Keras, any but Muon, learning rates per layer.

    The local rate is the rate of the schedule times the multiplier. It also scales
    the weight decay, as in Caffe; a multiplier of 0 freezes a variable. It goes in
    front of the optimizer:

        @keras.saving.register_keras_serializable(package="mine")
        class RMSprop(LearningRateMultipliers, keras.optimizers.RMSprop):
            pass

    Args:
        *args: Of the optimizer.
        multipliers: Pattern to factor, 0 or more; the module says what fits.
        **kwargs: Of the optimizer.

    Raises:
        ValueError: If `multipliers` is no dictionary, or a factor is negative or not
            finite; and, once the optimizer
            knows its variables, if a pattern decides on none.
    """

    def __init__(self, *args, multipliers: Mapping[str, float] | None = None, **kwargs):
        """Checks and stores the multipliers."""
        if multipliers is not None and not isinstance(multipliers, Mapping):
            raise ValueError(
                "`multipliers` must be a dictionary from pattern to factor. Received: "
                f"{multipliers!r}."
            )
        multipliers = {k: float(v) for k, v in (multipliers or {}).items()}
        super().__init__(*args, **kwargs)
        for pattern, factor in multipliers.items():
            if not 0 <= factor < float("inf"):
                raise ValueError(
                    "A multiplier must be finite and not negative. Received: "
                    f"{factor} for {pattern!r}."
                )
        self._multipliers = tuple(multipliers.items())
        self._factors: tuple[float, ...] = ()

    @property
    def multipliers(self) -> dict[str, float]:
        """The factors by pattern, in the order in which they are tried."""
        return dict(self._multipliers)

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the optimizer's state and finds the factor of each variable."""
        if self.built:
            return
        self._factors = _factors([v.path for v in variables], self.multipliers)
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decays and updates a variable at its own learning rate."""
        # On TensorFlow the variable is one without a path.
        factor = self._factors[self._get_variable_index(variable)]
        learning_rate = keras.ops.cast(learning_rate, variable.dtype) * factor
        if self.weight_decay and self._use_weight_decay(variable):
            self.assign_sub(variable, variable * self.weight_decay * learning_rate)
        super().update_step(gradient, variable, learning_rate)

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Does nothing: Keras would decay all variables at the global rate."""

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "multipliers": self.multipliers}


@keras.saving.register_keras_serializable(package="kseg")
class SGD(LearningRateMultipliers, keras.optimizers.SGD):
    """`keras.optimizers.SGD` with `multipliers`: pattern to factor."""


@keras.saving.register_keras_serializable(package="kseg")
class AdamW(LearningRateMultipliers, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with `multipliers`: pattern to factor."""


def _factors(
    paths: Sequence[str], multipliers: Mapping[str, float]
) -> tuple[float, ...]:
    """Returns the factor of each path.

    Raises:
        ValueError: If a pattern fits no path, or none that is left for it.
    """
    chosen = [next((p for p in multipliers if _fits(p, path)), None) for path in paths]
    for pattern in multipliers:
        if pattern in chosen:
            continue
        if any(_fits(pattern, path) for path in paths):
            raise ValueError(
                "A multiplier must decide on a variable. Received: "
                f"{pattern!r}, whose variables all fit a pattern ahead of it. Put "
                "it first."
            )
        parts = sorted({part for path in paths for part in _parts(path)})
        near = difflib.get_close_matches(pattern, parts, n=1, cutoff=0.0)
        raise ValueError(
            "A multiplier must name a layer or variable that is trained. Received: "
            f"{pattern!r}. Did you mean {near[0]!r}?"
        )
    return tuple(1.0 if p is None else multipliers[p] for p in chosen)


def _fits(pattern: str, path: str) -> bool:
    """Says whether a glob fits a part of a path."""
    return any(fnmatchcase(part, pattern) for part in _parts(path))


def _parts(path: str) -> list[str]:
    """Returns all runs of names in a path.

    Example:
    >>> _parts("a/b/kernel")
    ['a', 'a/b', 'a/b/kernel', 'b', 'b/kernel', 'kernel']
    """
    names = path.split("/")
    ends = range(1, len(names) + 1)
    return ["/".join(names[i:j]) for i in range(len(names)) for j in ends if i < j]
