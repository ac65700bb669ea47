"""`kseg predict`: masks and overlays of images."""

import argparse
import sys
from pathlib import Path

from kseg.commands.arguments import add_model, add_views, open_model, read_views

HELP = "Segment images; writes masks and overlays."


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add_model(command)
    command.add_argument("inputs", nargs="+", type=Path, help="image files or folders")
    command.add_argument(
        "--output", type=Path, default=Path("predictions"), help="folder for results"
    )
    add_views(command)
    command.add_argument(
        "--probabilities",
        action="store_true",
        help="also write float16 probabilities (height, width, classes) as .npy",
    )
    command.add_argument(
        "--alpha", type=float, default=0.5, help="share of colour in the overlay"
    )


def run(arguments) -> int:
    """Writes masks and overlays of images."""
    import tqdm

    from kseg.files import write_json
    from kseg.inference.predict import check_gives_probabilities, check_options
    from kseg.raster import find_images, is_large
    from kseg.raster.pictures import check_alpha

    views = read_views(arguments)
    check_alpha(arguments.alpha)
    files = find_images(arguments.inputs)
    large = {path for path in files if is_large(path)}
    if large and arguments.probabilities:
        raise ValueError(
            "Probabilities are written for images that are held at once. Received: "
            f"{min(large)}, which is read by windows."
        )
    _, model, labels = open_model(arguments.model)
    check_options(model, **views)
    if arguments.probabilities:
        check_gives_probabilities(model)
    arguments.output.mkdir(parents=True, exist_ok=True)
    # What the ids mean, for those who read the masks: `kseg import --from masks`.
    write_json(arguments.output / "labels.json", labels.to_dict())
    failures = {}
    for path in tqdm.tqdm(files, desc="predict", unit="image"):
        try:
            _predict_one(arguments, model, labels, path, path in large, views)
        except (ValueError, FileNotFoundError) as error:
            failures[path] = error
    done = len(files) - len(failures)
    print(f"{done} images: masks and overlays are in {arguments.output}")
    if done_large := len(large - failures.keys()):
        print(f"{done_large} of them, read by windows, have masks alone")
    for path, error in failures.items():
        print(f"kseg: {path} failed: {error}", file=sys.stderr)
    return 2 if failures else 0


def _predict_one(arguments, model, labels, path: Path, large: bool, views) -> None:
    """Writes what is asked for of one image."""
    import numpy as np

    from kseg.files import whole_file
    from kseg.inference import overlay, predict, predict_file, predict_probabilities
    from kseg.lite.one_image import ids_of
    from kseg.raster import read_image, write_bands, write_image, write_mask

    target = arguments.output / path.stem
    if large:
        predict_file(model, path, f"{target}_mask.tif", labels, **views)
        return
    image = read_image(path)
    if arguments.probabilities:
        probabilities = predict_probabilities(model, image, **views)
        ids = ids_of(probabilities)
        with whole_file(f"{target}_probabilities.npy") as temporary:
            np.save(temporary, probabilities.astype("float16"))
    else:
        ids = predict(model, image, **views)
    if labels.num_classes > 256:  # more than a PNG has colours for
        size = ids.shape[0], ids.shape[1]
        write_bands(f"{target}_mask.tif", [ids], size, labels)
    else:
        write_mask(f"{target}_mask.png", ids, labels)
    write_image(f"{target}_overlay.png", overlay(image, ids, labels, arguments.alpha))
