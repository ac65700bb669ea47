"""ScribbleSup: labels spread from scribbles, and training on them, in turn.

Lin et al., "ScribbleSup: Scribble-Supervised Convolutional Networks for Semantic
Segmentation", CVPR 2016, section 3. https://arxiv.org/abs/1604.05144
A round spreads the scribbles over their images by graph cut (`kseg.weak.propagate`),
from the second round on with what the network thinks, and trains the network on the
labels that come out.
"""

import dataclasses
import inspect
from pathlib import Path

import tqdm

from kseg.data import RelabelledSource, Source, write_mask
from kseg.files import whole_file
from kseg.inference import predict_probabilities
from kseg.registry import unknown
from kseg.training.feeds import open_feeds
from kseg.training.fit import fit
from kseg.weak import propagate


def alternate(experiment, directory: Path, resume: bool, rounds: int = 3, **options):
    """Trains a network on scribbles.

    The data's training masks hold the scribbles: class ids, and `ignore_class` where
    nobody has drawn, as `kseg scribbles` writes them. The labels of each round go to
    `directory/rounds/<round>/labels`, where they can be looked at; the last round
    trains in `directory` itself.

    Args:
        experiment: What to train, and on what; `fit` says how long in each round.
        directory: Where everything goes.
        resume: Whether to go on with what is there.
        rounds: How often to spread labels and train on them; the paper says 3.
        **options: Arguments of `kseg.weak.propagate`.

    Returns:
        The network of the last round and the feeds, as `kseg.training.fit.fit` does.

    Raises:
        ValueError: If `rounds` is below 1, an option is unknown, or an image has no
            scribble; the message names it.
    """
    if rounds < 1:
        raise ValueError(f"`weak.rounds` must be 1 or more. Received: {rounds}.")
    for option in options:
        if option not in option_names():
            raise ValueError(unknown("key of 'weak'", option, option_names()))
    scribbles = open_feeds(**experiment.data).train
    model = feeds = None
    for number in range(1, rounds + 1):
        place = directory / "rounds" / str(number)
        labels = place / "labels"
        if not labels.exists():
            print(f"round {number} of {rounds}: spreading the scribbles")
            write_labels(labels, scribbles, model, **options)
        folder = directory if number == rounds else place
        if number > 1:
            previous = directory / "rounds" / str(number - 1) / "model.keras"
            network = {**experiment.network, "weights": str(previous)}
            experiment = dataclasses.replace(experiment, network=network)
        train = RelabelledSource(scribbles, labels)
        model, feeds = fit(experiment, folder, resume, train=train, **experiment.fit)
        if number < rounds:
            with whole_file(place / "model.keras") as temporary:
                model.save(temporary)
    return model, feeds


def option_names() -> list[str]:
    """Returns the options of `kseg.weak.propagate`, which `alternate` takes too."""
    of_images = {"image", "scribbles", "probabilities", "ignore_class"}
    return [x for x in inspect.signature(propagate).parameters if x not in of_images]


def write_labels(folder: Path, scribbles: Source, model=None, **options) -> None:
    """Spreads the scribbles of a source over its images.

    Args:
        folder: Where the masks go, for `RelabelledSource`; it appears when all are
            there.
        scribbles: Images, and masks of scribbles.
        model: A network that says what it thinks, or `None`.
        **options: Arguments of `kseg.weak.propagate`.

    Raises:
        ValueError: As `kseg.weak.propagate` does, naming the image.
    """
    temporary = folder.with_name(f".{folder.name}")
    temporary.mkdir(parents=True, exist_ok=True)
    for index in tqdm.trange(len(scribbles), desc="graph cut", leave=False):
        image, drawn = scribbles[index]
        probabilities = None if model is None else predict_probabilities(model, image)
        try:
            mask = propagate(
                image,
                drawn,
                scribbles.labels.ignore_class,
                probabilities=probabilities,
                **options,
            )
        except ValueError as error:
            raise ValueError(f"{scribbles.name(index)}: {error}") from error
        path = temporary / RelabelledSource.file_name(scribbles, index)
        write_mask(path, mask, scribbles.labels)
    temporary.rename(folder)
