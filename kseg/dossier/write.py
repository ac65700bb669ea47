"""From files to a dossier in a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from kseg.data import FittedSource
from kseg.dossier.measure import measure
from kseg.dossier.page import write_page_of
from kseg.export import LiteRTModel
from kseg.export.verify import keras_predictor
from kseg.files import write_json


def write_dossier(
    directory: str | Path,
    name: str,
    model: keras.Model,
    files: Mapping[str, Path],
    source: FittedSource,
    data: str,
    limits: Mapping[str, float] | None = None,
    images: int = 6,
) -> dict[str, Any]:
    """Measures what the files of a model cost, and writes it down.

    Args:
        directory: Where `dossier.json` and `dossier.html` go, which appear whole.
        name: What to call the model.
        model: The network, on the TensorFlow backend.
        files: Its LiteRT files by name, as `kseg.export.litert_files` returns them.
        source: Images with masks, at the size of the files.
        data: What to call the data.
        limits: As in `kseg.dossier.measure`.
        images: How many of the images that changed most the page shows; 0 where they
            must not be passed on.

    Returns:
        What `kseg.dossier.measure` returned, which `dossier.json` holds.

    Raises:
        ValueError: As `kseg.dossier.measure`.
    """
    result = {"model": name, "data": data, **measure(model, files, source, limits)}
    write_json(Path(directory, "dossier.json"), result)
    predictors = {"Keras": keras_predictor(model)} | {
        file: LiteRTModel(path).predict_ids for file, path in files.items()
    }
    page = Path(directory, "dossier.html")
    write_page_of(result, page, source, predictors, images)
    return result
