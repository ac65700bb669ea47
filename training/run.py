"""Trains, evaluates and exports what a config describes.

    python training/run.py <config> [--set section.key=value ...] [--resume]

A config is a name in `training/configs` or the path of a Python file with a
function `config()` that returns an `Experiment`. Results go to
`saved_models/<config>`. An installed kseg runs the same as `kseg train`.
"""

import argparse
import contextlib
import itertools
import os
import sys
from pathlib import Path

from kseg.quiet import import_backend


def main(argv: list[str] | None = None) -> int:
    """Runs a config.

    Args:
        argv: Arguments of the command line; `None` for the process's.

    Returns:
        The exit code: 0, or 2 for wrong input, which a message explains.
    """
    arguments = parser().parse_args(argv)
    try:
        import_backend()
        from kseg.training.experiment import load_experiment

        name, experiment = load_experiment(arguments.config)
        experiment.replace(arguments.set)
        experiment.check()
        directory = Path(arguments.directory or Path("saved_models") / name)
        run(name, experiment, directory, arguments.resume)
    except (ValueError, OSError, ImportError, ArithmeticError, RuntimeError) as error:
        print(f"kseg: {error}", file=sys.stderr)
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line; it imports nothing heavy."""
    result = argparse.ArgumentParser(
        prog="kseg train", description="Trains, evaluates and exports a config."
    )
    result.add_argument("config", help="a config's name, or the path of a .py file")
    result.add_argument(
        "--set",
        nargs="+",
        default=[],
        action="extend",
        metavar="SECTION.KEY=VALUE",
        help="replace values of the config, such as data.batch_size=4",
    )
    result.add_argument(
        "--resume", action="store_true", help="go on where an earlier run stopped"
    )
    result.add_argument(
        "--directory", help="where results go; saved_models/<config> by default"
    )
    return result


def run(name, experiment, directory: Path, resume: bool = False) -> dict:
    """Trains, evaluates and exports.

    Args:
        name: What the model is called.
        experiment: What to do.
        directory: Where everything goes.
        resume: Whether to go on from what `directory` holds.

    Returns:
        The scores, as `metrics.json` holds them.
    """
    check_directory(directory, resume)
    model, feeds = fit(experiment, directory, resume, **experiment.fit)
    return export(name, experiment, model, feeds, directory, **experiment.export)


def check_directory(directory: Path, resume: bool) -> None:
    """Guards an earlier run in a folder, and asks whether it can be written.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If it holds a run and `resume` is not asked for.
    """
    state = directory / "run" / "state.json"
    if state.exists() and not resume:
        raise ValueError(
            f"{directory} holds a run already. Say --resume to go on with it, "
            "--directory for another place, or delete it."
        )
    existing = next(p for p in (directory, *directory.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OSError(
            f"Results must go to a folder that can be written, not {existing}."
        )


def fit(
    experiment,
    directory: Path,
    resume: bool,
    epochs: int = 30,
    steps_per_epoch: int | None = None,
    seed: int = 0,
    dtype_policy: str = "float32",
):
    """Trains the network on all visible devices.

    Args:
        experiment: What to train, and on what.
        directory: Where `experiment.json` goes, and `run/` with checkpoints and logs.
        resume: Whether to go on from the last checkpoint.
        epochs: Passes over the training data, with a validation after each.
        steps_per_epoch: Steps of an epoch; `None` for one pass.
        seed: What weights, dropout, order and augmentation are drawn from.
        dtype_policy: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`.

    Returns:
        The network with the weights of its best epoch, and the feeds.
    """
    import keras

    from kseg import metrics, networks
    from kseg.export import FORMATS, check_formats
    from kseg.files import write_json
    from kseg.training import parts
    from kseg.training.callbacks import (
        Checkpoints,
        ClassScores,
        EpochSeeds,
        Log,
        StopOnNaN,
        read_state,
    )
    from kseg.training.feeds import open_feeds

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(dtype_policy)
    feeds = open_feeds(**{"seed": seed, **experiment.data})
    labels = feeds.train.labels
    experiment.network.setdefault("num_classes", labels.num_classes)
    if experiment.network["num_classes"] != labels.num_classes:
        raise ValueError(
            "The network must have as many classes as the data. Received: "
            f"network.num_classes={experiment.network['num_classes']}, and "
            f"{labels.num_classes} classes in the data: {list(labels.names)}."
        )
    steps = steps_per_epoch or feeds.train_examples.steps
    formats = experiment.export.get("formats", FORMATS)
    check_formats(formats, experiment.export.get("output", "logits"))

    with all_devices():
        feeds.check_replicas(replicas())
        model = networks.build(**experiment.network)
        feeds.crop_masks(model)
        loss = parts.make_loss(feeds.train, **experiment.loss)
        optimizer = parts.make_optimizer(epochs * steps, **experiment.optimizer)
        scores = [
            metric(labels.num_classes, labels.ignore_class)
            for metric in (metrics.MeanIoU, metrics.PixelAccuracy, metrics.MeanAccuracy)
        ]
        # A wrapper is compiled, so that the network itself saves without optimizer.
        trained = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
        heads, prefix, options = (), "", {"loss": loss, "metrics": scores}
        if experiment.auxiliary:
            trained = parts.add_auxiliary(model, **experiment.auxiliary)
            weight = experiment.auxiliary.get("weight", 0.4)
            heads, prefix = ("logits", "auxiliary"), "logits_"
            options = {
                "loss": {"logits": loss, "auxiliary": loss},
                "loss_weights": {"logits": 1.0, "auxiliary": weight},
                "metrics": {"logits": scores},
            }
        trained.compile(optimizer=optimizer, jit_compile=jit_compile(), **options)
        optimizer.build(trained.trainable_variables)

    checkpoints = directory / "run"
    state = read_state(checkpoints) if resume else {}
    if state:
        trained.load_weights(checkpoints / state["last"])
        print(f"going on after epoch {state['epochs']}")
    else:
        feeds.check()
    done = state.get("epochs", 0)
    checkpoints.mkdir(parents=True, exist_ok=True)
    write_json(directory / "experiment.json", experiment.to_dict())
    print(f"experiment: {experiment.to_dict()}")
    if done < epochs:
        trained.fit(
            feeds.training(done * steps, heads),
            validation_data=feeds.validation(heads),
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=[
                EpochSeeds(seed),
                StopOnNaN(),
                Checkpoints(checkpoints, f"val_{prefix}mean_iou"),
                ClassScores(scores[0], labels, checkpoints / "class_iou.csv"),
                Log(checkpoints / "log.csv"),
                *tensorboard(checkpoints),
            ],
        )
    trained.load_weights(checkpoints / read_state(checkpoints)["best"])
    return model, feeds


def all_devices():
    """Returns the scope of a `MirroredStrategy` over all visible devices."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices(
        "CPU"
    )
    return tf.distribute.MirroredStrategy([d.name for d in devices]).scope()


def replicas() -> int:
    """Returns how many devices a batch is split over, inside of `all_devices`."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def jit_compile() -> bool:
    """Returns whether to compile with XLA: always on JAX, where there is no other.

    On TensorFlow `MirroredStrategy` refuses it.
    """
    import keras

    return keras.backend.backend() == "jax"


def tensorboard(directory: Path) -> list:
    """Returns the TensorBoard callback on TensorFlow, which it needs."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False)]


def export(
    name: str,
    experiment,
    model,
    feeds,
    directory: Path,
    formats: tuple[str, ...] = ("saved_model", "float32", "float16", "int8"),
    size: tuple[int, int] | None = None,
    output: str = "logits",
    pictures: int = 3,
    note: str = "",
) -> dict:
    """Evaluates the network, writes its files, verifies them, writes the card.

    Args:
        name: What the model is called.
        experiment: What it was made by.
        model: The trained network.
        feeds: The data it was trained and is judged on.
        directory: Where everything goes.
        formats: Of `"saved_model"`, `"float32"`, `"float16"`, `"int8"`; on a backend
            without TensorFlow none are written.
        size: Height and width of the LiteRT files; `None` for that of validation.
        output: What the LiteRT files return: `"logits"`, `"probabilities"` or
            `"class_map"`.
        pictures: How many validation images the overlay picture shows; 0 for no
            picture, where they must not be passed on.
        note: What the card says of licence and use.

    Returns:
        The scores, as `metrics.json` holds them.
    """
    import keras

    from kseg.data import fitted
    from kseg.data.images import write_image
    from kseg.export.card import write_card
    from kseg.files import whole_file, write_json
    from kseg.inference import evaluate, predict, score_table, side_by_side
    from kseg.training.callbacks import read_state

    val, labels = feeds.val, feeds.val.labels
    height, width = size or feeds.val_examples.size
    size = (height, width)
    info = {"name": name, "input_size": list(size), "labels": labels.to_dict()}
    write_json(directory / f"{name}.json", info)
    with whole_file(directory / f"{name}.keras") as temporary:
        model.save(temporary)

    examples = (val[i] for i in range(len(val)))
    result = evaluate(lambda image: predict(model, image), examples, labels, len(val))
    print(score_table(result))

    if pictures:
        shown = list(itertools.islice(fitted(val, size, pictures), pictures))
        panels = [(image, mask, predict(model, image)) for image, mask in shown]
        write_image(directory / "overlay.png", side_by_side(panels, labels))

    rows = []
    if formats and keras.backend.backend() == "tensorflow":
        from kseg.export import CALIBRATION_IMAGES, deploy, markdown_table

        calibration = [i for i, _ in fitted(feeds.train, size, CALIBRATION_IMAGES)]
        rows = deploy(
            model, name, directory, size, labels, formats, output, calibration,
            fitted(val, size),
        )  # fmt: skip
        print(markdown_table(rows))

    state = read_state(directory / "run")
    metrics = {
        "name": name,
        "validation": result,
        "files": rows,
        "best_epoch": state["best_epoch"],
        "epochs": state["epochs"],
        "environment": environment(),
        "experiment": experiment.to_dict(),
    }
    write_json(directory / "metrics.json", metrics)
    write_card(
        directory / "README.md",
        name,
        card_facts(name, experiment, model, metrics, note),
        result,
        rows,
        labels,
        "overlay.png" if pictures else None,
    )
    print(f"{directory} holds the model, its files, metrics.json and a card, README.md")
    return metrics


def environment() -> dict[str, str]:
    """Returns the versions and the processor that a result was obtained with."""
    import importlib.metadata
    import platform

    import keras

    import kseg

    backend = keras.backend.backend()
    return {
        "kseg": kseg.__version__,
        "keras": keras.__version__,
        backend: importlib.metadata.version(backend),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def card_facts(
    name: str, experiment, model, metrics: dict, note: str
) -> dict[str, str]:
    """Returns what the model card says in front of the scores."""
    network = dict(experiment.network)
    if network.get("weights") not in (None, "imagenet"):
        network["weights"] = "from a file"
    described = ", ".join(f"{key} {value}" for key, value in network.items())
    facts = {
        "Network": f"{described}; {model.count_params():,} parameters",
        "Input": "RGB images in 0 to 255; normalisation is inside the graph",
        "Data": ", ".join(
            f"{key} {value}"
            for key, value in experiment.data.items()
            if key not in ("path", "data_dir")
        ),
        "Command": f"`kseg train {name}`; the experiment is in experiment.json",
        "Best epoch": f"{metrics['best_epoch']} of {metrics['epochs']}, by mean IoU on "
        "the validation images that the scores below are on",
        "Environment": ", ".join(f"{k} {v}" for k, v in metrics["environment"].items()),
    }
    return {**facts, "Note": note} if note else facts


if __name__ == "__main__":
    sys.exit(main())
