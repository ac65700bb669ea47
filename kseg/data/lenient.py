"""Data that is opened to be looked at: what is wrong is told, and not raised."""

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from pathlib import Path


class DataError(ValueError):
    """What is wrong with files of a data set, of which the others can be used.

    Args:
        message: The rule, what was received, and the fix.
        kind: What kind of mistake it is: `"unpaired"` or `"binary"`.
        files: The files.
    """

    def __init__(self, message: str, kind: str, files: Sequence[Path] = ()):
        """Stores the arguments."""
        super().__init__(message)
        self.kind = kind
        self.files = tuple(files)


_told: contextvars.ContextVar[list[DataError] | None] = contextvars.ContextVar(
    "told", default=None
)


@contextlib.contextmanager
def lenient() -> Iterator[list[DataError]]:
    """Keeps what `complain` is called with, where it would be raised otherwise.

    Yields:
        The errors so far.

    Example:
    >>> with lenient() as errors:
    ...     complain(DataError("b.png has no mask.", "unpaired", [Path("b.png")]))
    >>> [error.kind for error in errors]
    ['unpaired']
    """
    errors: list[DataError] = []
    token = _told.set(errors)
    try:
        yield errors
    finally:
        _told.reset(token)


def is_lenient() -> bool:
    """Returns whether this is called within `lenient`."""
    return _told.get() is not None


def complain(error: DataError) -> None:
    """Raises an error, or keeps it within `lenient`; then the caller goes on.

    Args:
        error: What is wrong.

    Raises:
        DataError: The error, outside of `lenient`.
    """
    errors = _told.get()
    if errors is None:
        raise error
    errors.append(error)
