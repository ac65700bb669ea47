"""Silence for the logs of TensorFlow's compiled code."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences what compiled code writes to the process's standard error.

    TensorFlow's converter writes a page of notes there for every file, past Python's
    logging and warnings. Exceptions pass as they are.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)
