"""Ground truth in MATLAB's files."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io


def read_matlab(
    path: Path, take: Callable[[dict], np.ndarray], content: str
) -> np.ndarray:
    """Reads an array from a file of MATLAB's versions 4 to 7.

    Args:
        path: The file.
        take: Called with the file's variables by name; returns the array.
        content: What the file must hold, for the message.

    Raises:
        FileNotFoundError: If there is no file.
        ValueError: If the file is broken or holds something else.
    """
    try:
        # Of a missing `Path`, SciPy says something else.
        return take(scipy.io.loadmat(str(path), appendmat=False))
    except FileNotFoundError:
        raise
    except (
        AttributeError,
        KeyError,
        NotImplementedError,
        OSError,
        TypeError,
        ValueError,
        IndexError,
        scipy.io.matlab.MatReadError,
        zlib.error,
    ) as error:
        raise ValueError(
            f"A ground truth file must hold {content}. Received: {path}, of which "
            f"SciPy says: {error!r}."
        ) from error
