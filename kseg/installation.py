"""Whether what kseg needs is installed, and what a run would be on."""

import importlib.metadata
import shutil
import sys
from pathlib import Path

from packaging.requirements import Requirement

from kseg.backend import import_backend


def report(directory: str | Path = ".") -> tuple[str, bool]:
    """Says what is installed and what a run has to work with.

    Args:
        directory: Where results would go.

    Returns:
        Lines for the terminal, and whether all that kseg needs is there.
    """
    rows, good = packages()
    lines = [
        f"Python {sys.version.split()[0]}, kseg {importlib.metadata.version('kseg')}"
    ]
    lines += [
        f"{name:<26}{wanted:<16}{found or '-':<12}{state}"
        for name, wanted, found, state in rows
    ]
    free = shutil.disk_usage(directory).free / 2**30
    lines.append(f"{free:.0f} GiB free on the disk here")
    lines.append(f"trains on {_devices()}")
    return "\n".join(lines), good


def packages() -> tuple[list[tuple[str, str, str | None, str]], bool]:
    """Compares the installed packages with the ranges that kseg is tested with.

    Returns:
        Rows of a package, its range, its version or `None`, and what that means; and
        whether all that kseg cannot do without is in its range.
    """
    rows, good = [], True
    for text in importlib.metadata.requires("kseg") or []:
        requirement = Requirement(text)
        extra = _extra(requirement)
        if extra in ("dev", "peers") or not _applies(requirement, extra):
            continue
        found = _version(requirement.name)
        fits = found is not None and requirement.specifier.contains(found, True)
        if fits:
            state = "good"
        elif found is None and extra:
            state = f'not there: pip install "kseg[{extra}]"'
        else:
            wanted = f"{requirement.name}{requirement.specifier}"
            state = f"outside of the range: pip install -U '{wanted}'"
            good = False
        rows.append((requirement.name, str(requirement.specifier), found, state))
    return rows, good


def _extra(requirement: Requirement) -> str:
    """Returns the extra that a requirement belongs to, `""` for none."""
    marker = str(requirement.marker or "")
    return marker.rpartition("extra == ")[2].strip("\"' ") if "extra" in marker else ""


def _applies(requirement: Requirement, extra: str) -> bool:
    """Returns whether a requirement is one on this system."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _version(name: str) -> str | None:
    """Returns the version of an installed package, or `None`."""
    # The build for processors alone has a name of its own.
    for known in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(known)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _devices() -> str:
    """Returns what a run would be trained on, or why nothing."""
    try:
        import_backend()
        from kseg.training.devices import describe_devices

        return describe_devices()
    except ImportError as error:
        return f"nothing: {error}"
