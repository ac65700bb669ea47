"""What the `kseg` command does, a function a subcommand.

Each takes the parsed arguments and returns the exit code. Heavy imports wait until it
runs, so that `kseg --help` answers at once.
"""

import collections
import sys
from collections.abc import Sequence
from pathlib import Path


def run_list(arguments) -> int:
    """Prints what can be named: networks, backbones, data sets, configs, models."""
    from kseg import backbones, data, networks
    from kseg.models import names as models
    from kseg.training.experiment import config_names

    for title, names in (
        ("networks", networks.names()),
        ("backbones", backbones.names()),
        ("data sets", data.names()),
        ("configs", config_names()),
        ("models", models()),
    ):
        print(f"{title:<10} {' '.join(names)}")
    return 0


def run_evaluate(arguments) -> int:
    """Scores a model on a data set."""
    from kseg.inference import evaluate, predict, score_table

    views = _views(arguments)
    path, model, labels = _open_model(arguments.model)
    source = _open_source(arguments, arguments.split, labels)
    examples = (source[i] for i in range(len(source)))
    result = evaluate(
        lambda image: predict(model, image, **views),
        examples,
        source.labels,
        len(source),
    )
    print(score_table(result))
    protocol = _protocol(model, views)
    print(f"of {protocol}")
    if arguments.output:
        from kseg.files import write_json

        about = {"model": str(path), "protocol": protocol}
        write_json(arguments.output, {**about, **result})
    return 0


def run_predict(arguments) -> int:
    """Writes masks and overlays of images."""
    import tqdm

    from kseg.inference.predict import check_gives_probabilities, check_options
    from kseg.raster import is_large

    views = _views(arguments)
    if not 0 <= arguments.alpha <= 1:
        raise ValueError(f"--alpha must be 0 to 1. Received: {arguments.alpha}.")
    files = _images(arguments.inputs)
    large = {path for path in files if is_large(path)}
    if large and arguments.probabilities:
        raise ValueError(
            "Probabilities are written for images that are held at once. Received: "
            f"{min(large)}, which is read by windows."
        )
    _, model, labels = _open_model(arguments.model)
    check_options(model, **views)
    if arguments.probabilities:
        check_gives_probabilities(model)
    arguments.output.mkdir(parents=True, exist_ok=True)
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


def _images(inputs: Sequence[Path]) -> list[Path]:
    """Returns the files that are named, and the images of folders that are."""
    from kseg.data.images import SUFFIXES

    files = []
    for path in inputs:
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        elif path.is_file():
            files.append(path)
        else:
            raise ValueError(f"An input must exist. Received: {path}.")
    if not files:
        raise ValueError(
            f"There must be an image ({', '.join(SUFFIXES)}). Received: "
            f"{', '.join(map(str, inputs))}, which holds none."
        )
    stems = [path.stem for path in files]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ValueError(
            "Results are named after the images, whose names must differ. Received: "
            f"{len(twice)} names that come twice, such as {twice[:3]}."
        )
    return files


def _predict_one(arguments, model, labels, path: Path, large: bool, views) -> None:
    """Writes what is asked for of one image."""
    import numpy as np

    from kseg.files import whole_file
    from kseg.inference import overlay, predict, predict_file, predict_probabilities
    from kseg.inference.one_pass import ids_of
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


def run_export(arguments) -> int:
    """Writes the files of a model for devices and servers."""
    from kseg.data import fitted
    from kseg.export import CALIBRATION_IMAGES, FORMATS, deploy, markdown_table
    from kseg.models import read_info

    path, model, labels = _open_model(arguments.model)
    if path.suffix != ".keras":
        raise ValueError(f"Export needs a .keras model. Received: {path}.")
    formats = arguments.formats or (FORMATS if arguments.data else FORMATS[:3])
    if "int8" in formats and not arguments.data:
        raise ValueError(
            "int8 needs --data, whose training images set the ranges for calibration."
        )
    size = arguments.size or read_info(path).get("input_size")
    if size is None:
        raise ValueError(f"Nothing says the size of {path}. Give --size HEIGHT WIDTH.")
    directory = arguments.output or Path("exports") / path.stem
    calibration, examples = [], []
    if arguments.data:
        train = _open_source(arguments, "train", labels)
        val = _open_source(arguments, "val", labels)
        calibration = [image for image, _ in fitted(train, size, CALIBRATION_IMAGES)]
        examples = fitted(val, size)
    rows = deploy(
        model,
        path.stem,
        directory,
        tuple(size),
        labels,
        tuple(formats),
        arguments.result,
        calibration,
        examples,
    )
    print(markdown_table(rows) if rows else f"written to {directory}")
    return 0


def run_convert(arguments) -> int:
    """Makes a model of a checkpoint of PyTorch."""
    from kseg.convert import from_pytorch, save

    output = arguments.output or Path(f"{arguments.checkpoint.stem}.keras")
    if output.suffix != ".keras":
        raise ValueError(f"--output must be a .keras file. Received: {output}.")
    conversion = from_pytorch(
        arguments.checkpoint,
        arguments.source,
        arguments.network,
        arguments.num_classes,
        _options(arguments),
    )
    save(conversion, output)
    print(", ".join(f"{key}={value}" for key, value in conversion.network.items()))
    if conversion.left_out:
        print(f"left out: {_groups(conversion.left_out)}")
    if conversion.new:
        print(f"starts anew: {', '.join(conversion.new)}")
    print(f"classes: {', '.join(conversion.labels.names)}")
    print(f"written to {output}, with its classes in the .json beside it")
    return 0


def run_scribbles(arguments) -> int:
    """Writes a data set whose training masks are scribbles."""
    import numpy as np

    from kseg.data import open_source, write_folder
    from kseg.data.folder_writer import check_split
    from kseg.weak import draw_points, draw_scribbles

    train, val = (
        open_source(arguments.data, split, **_options(arguments))
        for split in ("train", "val")
    )
    # Drawing takes long; what hinders the second split is told before the first.
    check_split(arguments.output, "train", train.labels)
    check_split(arguments.output, "val", val.labels)
    labels = train.labels
    pixels, drawn = np.zeros((2, labels.ignore_class + 1), int)

    def scribbled(index, image, mask):
        common = (labels.ignore_class, arguments.width)
        seed = (arguments.seed, index)
        if (mask == labels.ignore_class).all():
            return mask
        if arguments.points is not None:
            result = draw_points(mask, arguments.points, *common, seed=seed)
        else:
            result = draw_scribbles(mask, arguments.fraction, *common, seed=seed)
        for counts, ids in ((pixels, mask), (drawn, result)):
            counts += np.bincount(ids.ravel(), minlength=len(counts))
        return result

    write_folder(arguments.output, "train", train, scribbled)
    write_folder(arguments.output, "val", val)
    print(f"{'class':<16} {'pixels':>12} {'labelled':>9}")
    rows = zip(labels.names, pixels.tolist(), drawn.tolist(), strict=False)
    total = "all", int(pixels[:-1].sum()), int(drawn[:-1].sum())
    for name, number, labelled in (*rows, total):
        print(f"{name:<16} {number:>12} {labelled / max(number, 1):>9.2%}")
    print(
        f"\n{arguments.output} has scribbles in train and full masks in val. Train on "
        f"it:\n  kseg train CONFIG --set data.name=folder data.path={arguments.output}"
        "\nand add weak.rounds=3 to spread the scribbles too, as ScribbleSup does."
    )
    return 0


def _groups(tensors: Sequence[str]) -> str:
    """Counts tensors by the beginnings of their names, or as counters of batches."""
    counts = collections.Counter(
        "num_batches_tracked"
        if tensor.endswith(".num_batches_tracked")
        else tensor.split(".")[0]
        for tensor in tensors
    )
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _views(arguments) -> dict:
    """Returns the options of `kseg.predict` that the command line has."""
    names = ("tile", "overlap", "blend", "scales", "flip", "turns", "crf")
    views = {name: getattr(arguments, name) for name in names}
    views = {k: v for k, v in views.items() if v is not None and v is not False}
    if "tile" not in views and not views.keys().isdisjoint(("overlap", "blend")):
        raise ValueError(
            "--overlap and --blend say how tiles lie. Received: no --tile. Give "
            "--tile HEIGHT WIDTH."
        )
    return views


def _protocol(model, views: dict) -> str:
    """Words how predictions were made."""
    from kseg.inference.tiling import default_overlap

    parts = [
        "images at scale " + " ".join(f"{s:g}" for s in views.get("scales", [1.0]))
    ]
    if "tile" in views:
        height, width = views["tile"]
        overlap = views.get("overlap", default_overlap(model, views["tile"]))
        parts.append(
            f"tiles of {height}x{width}, overlap {overlap}, "
            f"blend {views.get('blend', 'none')}"
        )
    else:
        parts.append("seen whole")
    parts += ["mirrored too"] * ("flip" in views) + ["turned too"] * ("turns" in views)
    parts += [f"CRF {views['crf']}"] if "crf" in views else []
    return ", ".join(parts)


def _open_model(name: str):
    """Returns the path, the model (Keras or LiteRT) and the classes."""
    from kseg import models

    path = models.find(name)
    if path.suffix == ".tflite":
        from kseg.export import LiteRTModel

        model = LiteRTModel(path)
        return path, model, model.labels
    from kseg.inference.one_pass import count_classes

    model = models.load(path)
    return path, model, models.read_labels(path, count_classes(model))


def _options(arguments) -> dict:
    """Returns what `--set` says."""
    from kseg.training.experiment import literal

    options = {}
    for text in arguments.set:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes key=value. Received: {text!r}.")
        options[key] = literal(value)
    return options


def _open_source(arguments, split: str, labels):
    """Opens the data set of the command line, whose classes must be the model's."""
    from kseg.data import open_source

    source = open_source(arguments.data, split, **_options(arguments))
    found = source.labels
    if found.num_classes != labels.num_classes:
        raise ValueError(
            "The data must have the model's classes. Received: "
            f"{found.num_classes} classes in {arguments.data!r} and "
            f"{labels.num_classes} in {arguments.model!r}."
        )
    named = not (found.are_numbered or labels.are_numbered)
    if named and found.names != labels.names:
        raise ValueError(
            "The data must have the model's classes in the model's order. Received: "
            f"{list(found.names)} in {arguments.data!r} and {list(labels.names)} in "
            f"{arguments.model!r}. Reorder the classes of the data, or, if they mean "
            "the same, rename them there or in the .json beside the model."
        )
    return source
