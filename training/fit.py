"""Training: the network, its loss and optimizer, under a strategy, with checkpoints."""

import inspect
from pathlib import Path

import keras

from kseg import backbones, metrics, networks
from kseg.data import Source
from kseg.data.tf_calls import original_errors
from kseg.files import write_json
from kseg.labels import Labels
from kseg.training import parts
from kseg.training.callbacks import (
    Checkpoints,
    ClassScores,
    EpochSeeds,
    Log,
    StopOnNaN,
    read_state,
)
from kseg.training.devices import all_devices, jit_compile, replicas
from kseg.training.export import check_scores
from kseg.training.feeds import Feeds, open_feeds


def fit(
    experiment,
    directory: Path,
    resume: bool,
    epochs: int = 30,
    steps_per_epoch: int | None = None,
    seed: int = 0,
    dtype_policy: str = "float32",
    keep: str = "best",
    freeze_batch_norm: bool = False,
    train: Source | None = None,
):
    """Trains the network on all visible devices.

    Args:
        experiment: What to train, and on what.
        directory: Where `experiment.json` goes, and `run/` with checkpoints and logs.
        resume: Whether to go on from the last checkpoint.
        epochs: Passes over the training data, with a validation after each.
        steps_per_epoch: Steps of an epoch; `None` for one pass.
        seed: What weights, dropout, order and augmentation are drawn from.
        dtype_policy: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`, of the
            training.
        keep: `"best"`, the epoch of the highest mean IoU in validation, or `"last"`.
        freeze_batch_norm: Whether the network's batch norms keep their statistics and
            scales, as in fine-tuning with small batches; that of an auxiliary head
            learns.
        train: What to train on; `None` for the training split of the data.

    Returns:
        The network with the weights of that epoch, in float32, and the feeds.

    Raises:
        ValueError: If a part of the experiment is not one that exists.
    """
    check_keep(keep)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(dtype_policy)
    feeds = open_feeds(**{"seed": seed, **experiment.data}, train=train)
    labels = feeds.train.labels
    check_scores(experiment.export.get("scores", ()), labels)
    steps = steps_per_epoch or feeds.train_examples.steps
    with all_devices():
        model, trained, heads, scores = compiled(
            experiment, feeds, epochs * steps, freeze_batch_norm
        )

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
        callbacks = [
            EpochSeeds(seed),
            StopOnNaN(),
            Checkpoints(checkpoints, f"val_{'logits_' if heads else ''}mean_iou"),
            ClassScores(scores[0], labels, checkpoints / "class_iou.csv"),
            Log(checkpoints / "log.csv"),
            *tensorboard(checkpoints),
        ]
        with original_errors():
            trained.fit(
                feeds.training(done * steps, heads),
                validation_data=feeds.validation(heads),
                initial_epoch=done,
                epochs=epochs,
                steps_per_epoch=steps,
                shuffle=False,
                callbacks=callbacks,
            )
    feeds.clear()
    trained.load_weights(checkpoints / read_state(checkpoints)[keep])
    if dtype_policy != "float32":
        # Half precision is a matter of training; what is measured and shipped is not.
        keras.config.set_dtype_policy("float32")
        weights = model.get_weights()
        model = networks.build(**{**experiment.network, "weights": None})
        model.set_weights(weights)
    return model, feeds


def compiled(
    experiment, feeds: Feeds, steps: int, freeze_batch_norm: bool = False
) -> tuple[keras.Model, keras.Model, tuple[str, ...], list[keras.metrics.Metric]]:
    """Builds what is trained, inside of `all_devices`.

    Args:
        experiment: What to train; `network` gets the number of classes.
        feeds: On what; masks are cropped to what the network returns.
        steps: Steps of the whole run.
        freeze_batch_norm: As in `fit`.

    Returns:
        The network; the compiled model, which shares its layers and has the heads; the
        names of these, none for a single one; and the metrics of the logits, the mean
        IoU first.

    Raises:
        ValueError: If a part of the experiment is not one that exists.
    """
    labels = feeds.train.labels
    set_num_classes(experiment.network, labels)
    feeds.check_replicas(replicas())
    model = networks.build(**experiment.network)
    if freeze_batch_norm:
        backbones.freeze_batch_norm(model)
    feeds.crop_masks(model)
    loss = parts.make_loss(feeds.train, **experiment.loss)
    optimizer = parts.make_optimizer(steps, **experiment.optimizer)
    scores = [
        metric(labels.num_classes, labels.ignore_class)
        for metric in (metrics.MeanIoU, metrics.PixelAccuracy, metrics.MeanAccuracy)
    ]
    trained, loss_weights = parts.add_heads(model, **experiment.auxiliary)
    heads = tuple(loss_weights)
    trained.compile(
        optimizer,
        loss=dict.fromkeys(heads, loss) or loss,
        loss_weights=loss_weights or None,
        metrics={"logits": scores} if heads else scores,
        jit_compile=jit_compile(),
    )
    # `compile` wraps the optimizer where losses are scaled, in float16.
    trained.optimizer.build(trained.trainable_variables)
    return model, trained, heads, scores


def check_keep(keep: str) -> None:
    """Raises if `keep` is neither `"best"` nor `"last"`.

    Args:
        keep: As in `fit`.

    Raises:
        ValueError: If so.
    """
    if keep not in ("best", "last"):
        raise ValueError(f"`fit.keep` must be 'best' or 'last'. Received: {keep!r}.")


def set_num_classes(network: dict, labels: Labels) -> None:
    """Gives a network as many classes as the data, where it takes their number.

    Args:
        network: Arguments of `kseg.build`; `num_classes` is added.
        labels: The classes of the data.

    Raises:
        ValueError: If the network is told another number, or it takes none, as a
            detector of edges, and the data has not two classes.
    """
    builder = networks.builder(network["name"])
    if "num_classes" not in inspect.signature(builder).parameters:
        if labels.num_classes != 2:
            raise ValueError(
                f"{network['name']!r} gives one logit and needs data of two classes. "
                f"Received: {list(labels.names)}."
            )
        return
    network.setdefault("num_classes", labels.num_classes)
    if network["num_classes"] != labels.num_classes:
        raise ValueError(
            "The network must have as many classes as the data. Received: "
            f"network.num_classes={network['num_classes']}, and "
            f"{labels.num_classes} classes in the data: {list(labels.names)}."
        )


def tensorboard(directory: Path) -> list:
    """Returns the TensorBoard callback on TensorFlow, which it needs."""
    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False)]
