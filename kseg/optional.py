"""Packages that only some functions need, and that an extra of kseg installs."""

import importlib
from types import ModuleType


def import_optional(module: str, extra: str = "image") -> ModuleType:
    """Imports a module that may not be installed.

    Args:
        module: Its dotted name, such as `"skimage.morphology"`.
        extra: The extra of kseg that installs its package.

    Returns:
        The module.

    Raises:
        ImportError: If it is missing; the message says how to install it.

    Example:
    >>> import_optional("json").dumps([])
    '[]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This function needs `{module}`, an optional package. Received: {error}. "
            f'`pip install "kseg[{extra}]"` installs it.'
        ) from error
