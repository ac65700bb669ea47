"""Makes the package `kseg_lite` of modules of kseg, when it is built from a clone.

They have one home, `kseg/`, whose modules import each other by their full names. Here
`kseg.lite` becomes `kseg_lite`, and `kseg.labels` becomes `kseg_lite.labels`. A source
distribution holds them made.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
KSEG = HERE.parent / "kseg"
# `kseg.lite`, and all that it imports of kseg.
MODULES = ("files.py", "labels.py", "optional.py", "quiet.py", "raster/*", "lite/*")


def make(package: Path) -> None:
    """Writes the package anew."""
    shutil.rmtree(package, ignore_errors=True)
    for source in sorted(path for name in MODULES for path in KSEG.glob(name)):
        if source.suffix != ".py":
            continue
        place = package.joinpath(*source.relative_to(KSEG).parts)
        if source.parent.name == "lite":
            place = package / source.name
        place.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        text = re.sub(r"\bkseg\.lite\b", "kseg_lite", text)
        text = re.sub(r"^( *(?:from|import)) kseg\b", r"\1 kseg_lite", text, flags=re.M)
        place.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if (KSEG / "lite").is_dir():
        shutil.rmtree(HERE / "build", ignore_errors=True)  # may hold modules long gone
        make(HERE / "made" / "kseg_lite")
        shutil.copy(KSEG.parent / "LICENSE", HERE / "made")
    setup()
