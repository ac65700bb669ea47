"""Trains, evaluates and exports what a config describes.

    python training/run.py <config> [--set section.key=value ...] [--resume]

A config is a name in `training/configs` or the path of a Python file with a
function `config()` that returns an `Experiment`. Results go to
`saved_models/<config>`. An installed kseg runs the same as `kseg train`.
"""

import argparse
import contextlib
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main(argv: list[str] | None = None) -> int:
    """Runs a config.

    Args:
        argv: Arguments of the command line; `None` for the process's.

    Returns:
        The exit code: 0, or 2 for wrong input, which a message explains.
    """
    arguments = parser().parse_args(argv)
    from kseg.training.experiment import load_experiment

    try:
        name, experiment = load_experiment(arguments.config)
        experiment.replace(arguments.set)
        experiment.check()
        directory = Path(arguments.directory or Path("saved_models") / name)
        run(name, experiment, directory, arguments.resume)
    except (ValueError, OSError, FloatingPointError) as error:
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
    from kseg.training.callbacks import write_json

    prepare_directory(directory, resume)
    write_json(directory / "experiment.json", experiment.to_dict())
    print(f"{name}: {experiment.to_dict()}")
    model, feeds = fit(experiment, directory / "run", resume, **experiment.fit)
    return export(name, experiment, model, feeds, directory, **experiment.export)


def prepare_directory(directory: Path, resume: bool) -> None:
    """Makes the folder of a run, and guards an earlier run in it.

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
    (directory / "run").mkdir(parents=True, exist_ok=True)
    probe = directory / "run" / ".probe"
    probe.touch()
    probe.unlink()


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
        directory: Where checkpoints and logs go.
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
    from kseg.training import parts
    from kseg.training.callbacks import Checkpoints, ClassScores, StopOnNaN, read_state
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

    with all_devices():
        model = networks.build(**experiment.network)
        feeds.crop_masks(model)
        loss = parts.make_loss(feeds.train, **experiment.loss)
        optimizer = parts.make_optimizer(epochs * steps, **experiment.optimizer)
        scores = [
            metric(labels.num_classes, labels.ignore_class)
            for metric in (metrics.MeanIoU, metrics.PixelAccuracy, metrics.MeanAccuracy)
        ]
        trained, prefix, options = model, "", {"loss": loss, "metrics": scores}
        if experiment.auxiliary:
            trained = parts.add_auxiliary(model, **experiment.auxiliary)
            weight = experiment.auxiliary.get("weight", 0.4)
            prefix = "logits_"
            options = {
                "loss": {"logits": loss, "auxiliary": loss},
                "loss_weights": {"logits": 1.0, "auxiliary": weight},
                "metrics": {"logits": scores},
            }
        trained.compile(optimizer=optimizer, jit_compile=jit_compile(), **options)
        optimizer.build(trained.trainable_variables)

    state = read_state(directory) if resume else {}
    if state:
        trained.load_weights(directory / state["last"])
        print(f"going on after epoch {state['epochs']}")
    done = state.get("epochs", 0)
    if done < epochs:
        trained.fit(
            both_heads(feeds.training(done * steps), experiment.auxiliary),
            validation_data=both_heads(feeds.validation(), experiment.auxiliary),
            initial_epoch=done,
            epochs=epochs,
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=[
                StopOnNaN(),
                ClassScores(scores[0], labels, directory / "class_iou.csv"),
                Checkpoints(directory, f"val_{prefix}mean_iou"),
                keras.callbacks.CSVLogger(str(directory / "log.csv"), append=done > 0),
                *tensorboard(directory),
            ],
        )
    trained.load_weights(directory / read_state(directory)["best"])
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


def jit_compile() -> bool:
    """Returns whether to compile with XLA: always on JAX, where there is no other.

    On TensorFlow `MirroredStrategy` refuses it.
    """
    import keras

    return keras.backend.backend() == "jax"


def both_heads(feed, auxiliary: dict):
    """Gives the masks to both heads where there is an auxiliary one."""
    if not auxiliary:
        return feed
    return feed.map(lambda x, y: (x, {"logits": y, "auxiliary": y}))


def tensorboard(directory: Path) -> list:
    """Returns the TensorBoard callback on TensorFlow, which it needs."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False)]


def export(name, experiment, model, feeds, directory: Path) -> dict:
    """Placeholder."""
    return {}


if __name__ == "__main__":
    sys.exit(main())
