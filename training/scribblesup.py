"""ScribbleSup: labels spread from scribbles, and training on them, in turn.

Lin et al., "ScribbleSup: Scribble-Supervised Convolutional Networks for Semantic
Segmentation", CVPR 2016, section 3. https://arxiv.org/abs/1604.05144
A round spreads the scribbles over their images by graph cut (`kseg.weak.propagate`),
from the second round on with what the network thinks, and trains the network on the
labels that come out.
Departures: each round begins the schedule of the learning rate anew; there is no CRF
behind the network, unless prediction is asked for one. With `fit.keep="best"` full
masks of validation choose the epoch of every round; `"last"` leaves them out.
"""

import dataclasses
import inspect
import shutil
from pathlib import Path

import tqdm

from kseg import networks
from kseg.data import RelabelledSource, Source, write_mask
from kseg.files import whole_file, write_json
from kseg.inference import predict_probabilities
from kseg.training.export import check_scores
from kseg.training.feeds import open_feeds
from kseg.training.fit import check_keep, fit, set_num_classes
from kseg.weak import check_options, propagate


def alternate(experiment, directory: Path, resume: bool, rounds: int = 3, **options):
    """Trains a network on scribbles.

    The data's training masks hold the scribbles: class ids, and `ignore_class` where
    nobody has drawn, as `kseg scribbles` writes them. Each round lies in
    `directory/rounds/<round>`: its labels, which can be looked at, its checkpoints and
    its network, from which the next one starts, with random numbers of its own.

    Args:
        experiment: What to train, and on what; `fit` says how long in each round.
        directory: Where everything goes.
        resume: Whether to go on with what is there.
        rounds: How often to spread labels and train on them; the paper says 3.
        **options: Arguments of `kseg.weak.propagate`.

    Returns:
        The network of the last round and the feeds, as `kseg.training.fit.fit` does,
        and the folder of that round.

    Raises:
        ValueError: If an option is out of range, no image has a scribble, or as
            `kseg.training.fit.fit` does; before labels are spread.
    """
    if not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"`weak.rounds` must be 1 or more. Received: {rounds!r}.")
    check_options(**options)
    scribbles = _open_scribbles(experiment)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "experiment.json", experiment.to_dict())
    model, feeds, network = None, None, dict(experiment.network)
    checked_data = {**experiment.data, "check": False}
    for number in range(1, rounds + 1):
        folder = directory / "rounds" / str(number)
        labels = folder / "labels"
        if not labels.exists():
            print(f"round {number} of {rounds}: spreading the scribbles")
            write_labels(labels, scribbles, model, **options)
        arguments = {
            **experiment.fit,
            "seed": experiment.fit.get("seed", 0) + number - 1,
        }
        model, feeds = fit(
            dataclasses.replace(experiment, network=dict(network), data=checked_data),
            folder,
            resume,
            train=RelabelledSource(scribbles, labels),
            **arguments,
        )
        network["weights"] = str(folder / "model.keras")
        with whole_file(network["weights"]) as temporary:
            model.save(temporary)
    return model, feeds, directory / "rounds" / str(rounds)


def _open_scribbles(experiment) -> Source:
    """Opens the scribbles, and raises now if what comes later would fail."""
    check_keep(experiment.fit.get("keep", "best"))
    feeds = open_feeds(**experiment.data)
    network = dict(experiment.network)
    set_num_classes(network, feeds.train.labels)
    check_scores(experiment.export.get("scores", ()), feeds.train.labels)
    networks.build(**{**network, "weights": None})
    feeds.check()
    return feeds.train


def option_names() -> list[str]:
    """Returns the options of `kseg.weak.propagate`, which `alternate` takes too."""
    of_images = {"image", "scribbles", "probabilities", "ignore_class"}
    return [x for x in inspect.signature(propagate).parameters if x not in of_images]


def write_labels(folder: Path, scribbles: Source, model=None, **options) -> None:
    """Spreads the scribbles of a source over its images.

    An image without a scribble stays void, and is named.

    Args:
        folder: Where the masks go, for `RelabelledSource`; it appears when all are
            there.
        scribbles: Images, and masks of scribbles.
        model: A network that says what it thinks, or `None`.
        **options: Arguments of `kseg.weak.propagate`.

    Raises:
        ValueError: If no image has a scribble, or as `kseg.weak.propagate` does,
            naming the image.
    """
    temporary = folder.with_name(f".{folder.name}")
    temporary.mkdir(parents=True, exist_ok=True)
    try:
        empty = [
            scribbles.name(index)
            for index in tqdm.trange(len(scribbles), desc="graph cut", leave=False)
            if not _write_label(temporary, scribbles, index, model, options)
        ]
        if len(empty) == len(scribbles):
            raise ValueError(
                "An image must have a scribble. Received: masks of training that are "
                f"all void, such as that of {empty[0]}."
            )
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if empty:
        print(f"{len(empty)} images without a scribble count nothing, as {empty[0]}")


def _write_label(folder: Path, scribbles: Source, index: int, model, options) -> bool:
    """Writes the labels of an image, and returns whether it has a scribble."""
    image, mask = scribbles[index]
    void = scribbles.labels.ignore_class
    drawn = bool((mask != void).any())
    if drawn:
        probabilities = None if model is None else predict_probabilities(model, image)
        try:
            mask = propagate(image, mask, void, probabilities=probabilities, **options)
        except ValueError as error:
            raise ValueError(f"{scribbles.name(index)}: {error}") from error
    name = RelabelledSource.file_name(scribbles, index)
    write_mask(folder / name, mask, scribbles.labels)
    return drawn
