"""What tests of published data sets share: pictures, archives, a cache of their own."""

import dataclasses
import tarfile
import zipfile

import numpy as np
from PIL import Image

from kseg.data.card import Download

PALETTE = np.random.default_rng(0).integers(0, 256, 768).tolist()


def picture(path, array, palette=False):
    """Writes grey or RGB values, or palette indices with colours of no meaning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(array, np.uint8))
    if palette:
        image.putpalette(PALETTE)
    image.save(path)


def photograph(path, size=(8, 8)):
    picture(path, np.full((*size, 3), 90))


def every(values, size=(8, 8)):
    """An array that holds all the given values."""
    return np.resize(np.asarray(values), size).astype(np.uint8)


def pack(archive, folder):
    """Packs what a folder holds, from its names on."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in files:
                file.write(path, path.relative_to(folder))
    else:
        mode = "w:gz" if archive.suffix in (".tgz", ".gz") else "w"
        with tarfile.open(archive, mode) as file:
            for path in files:
                file.add(path, path.relative_to(folder))
    return archive


def serve(monkeypatch, module, archives, **changes):
    """Lets a data set be downloaded from archives on the disk, with other counts."""
    downloads = tuple(Download(archive.as_uri()) for archive in archives)
    card = dataclasses.replace(module.CARD, downloads=downloads, **changes)
    monkeypatch.setattr(module, "CARD", card)


def laid_out(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
