"""Training: the network, its loss and optimizer, under a strategy, with checkpoints."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras

from kseg import backbones, losses, metrics, networks
from kseg.data import Source
from kseg.data.tf_calls import original_errors
from kseg.export.quantisation_aware import fake_quantised
from kseg.files import write_json
from kseg.labels import Labels
from kseg.taps import sums_of_taps
from kseg.training import parts
from kseg.training.average import ValidateAverage
from kseg.training.callbacks import ClassScores
from kseg.training.checkpoints import Checkpoints, is_over, load_best, restore
from kseg.training.devices import (
    all_devices,
    check_compile_options,
    host,
    jit_compile,
    leave_hosts,
    replicas,
    writes,
)
from kseg.training.distillation import add_teacher
from kseg.training.export import check_scores
from kseg.training.feeds import Feeds, open_feeds
from kseg.training.not_finite import StopOnNaN, guarded
from kseg.training.optimizer import make_optimizer
from kseg.training.recompute import recomputed
from kseg.training.small_logits import without_last_resize
from kseg.training.trackers import check_trackers, make_trackers

# Of a config that does not say.
EPOCHS = 30


def fit(
    experiment,
    directory: Path,
    resume: bool,
    epochs: int = EPOCHS,
    steps_per_epoch: int | None = None,
    seed: int = 0,
    dtype_policy: str = "float32",
    keep: str = "best",
    patience: int | None = None,
    checkpoint_steps: int | None = None,
    trackers: Sequence[str] | None = None,
    train: Source | None = None,
    **options,
):
    """Trains the network on all visible devices.

    Args:
        experiment: What to train, and on what.
        directory: Where `experiment.json` goes, and `run/` with checkpoints and logs.
        resume: Whether to go on from the last checkpoint.
        epochs: Passes over the training data, with a validation after each.
        steps_per_epoch: Batches of an epoch; `None` for one pass.
        seed: What weights, dropout, order and augmentation are drawn from.
        dtype_policy: `"float32"`, `"mixed_bfloat16"` or `"mixed_float16"`, of the
            training.
        keep: `"best"`, the epoch of the highest mean IoU in validation, or `"last"`.
        patience: Epochs without a better mean IoU in validation after which the run
            ends early; `None` to train all epochs.
        checkpoint_steps: Batches after which a checkpoint is written within an epoch,
            beside the one at its end; `None` for none.
        trackers: What follows the run: of `"tensorboard"`, `"mlflow"` and `"wandb"`;
            `None` for TensorBoard, where it is installed.
        train: What to train on; `None` for the training split of the data.
        **options: As in `compiled`.

    Returns:
        The network with the weights of that epoch, in float32, and the feeds.

    Raises:
        ValueError: If a part of the experiment is not one that exists, or the
            checkpoint is of another one.
        FloatingPointError: If the loss is not finite; the message says where from.
    """
    check_keep(keep)
    check_trackers(trackers)
    for name, value in (("patience", patience), ("checkpoint_steps", checkpoint_steps)):
        if value is not None and value < 1:
            raise ValueError(f"`fit.{name}` must be 1 or more. Received: {value}.")
    feeds = _opened(experiment.data, seed, dtype_policy, train)
    check_scores(experiment.export.get("scores", ()), feeds.train.labels)
    steps = steps_per_epoch or feeds.train_examples.steps
    with all_devices():
        several = replicas() > 1
        model, trained, heads, scores = compiled(
            experiment, feeds, epochs * steps, **options
        )

    checkpoints = directory / "run"
    state = restore(checkpoints, trained) if resume else {}
    if state:
        step = f", step {state['step']}" if state["step"] else ""
        print(f"going on after epoch {state['epochs']}{step}")
    else:
        feeds.check()
    if writes():
        checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(directory / "experiment.json", experiment.to_dict())
    print(f"experiment: {experiment.to_dict()}")
    monitor = f"val_{'logits_' if heads else ''}mean_iou"
    names = feeds.train.labels.names
    while not is_over(state, epochs, patience):
        keeper = Checkpoints(
            checkpoints, monitor, scores[0], names, checkpoint_steps, state, patience
        )
        callbacks = [
            ValidateAverage(),
            keeper,
            ClassScores(scores[0], feeds.train.labels, keeper.state["history"]),
        ]
        if writes():
            callbacks += make_trackers(
                trackers, experiment, feeds, scores[0], model, directory
            )
        train_epochs(trained, feeds, heads, keeper.state, steps, epochs, callbacks)
        # Keras leaves the average in the place of the weights.
        state = restore(checkpoints, trained)
    feeds.clear()
    if keep == "best":
        load_best(checkpoints, state, trained)
    else:
        trained.optimizer.finalize_variable_values(trained.trainable_variables)
    weights = model.get_weights()
    leave_hosts()
    if several or dtype_policy != "float32":
        # Half precision and several devices are a matter of training; what is measured
        # and shipped is not.
        keras.config.set_dtype_policy("float32")
        model = networks.build(**{**experiment.network, "weights": None})
        model.set_weights(weights)
    return model, feeds


def train_epochs(
    trained: keras.Model,
    feeds: Feeds,
    heads: Sequence[str],
    state: Mapping,
    steps: int,
    epochs: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Trains to the end, or to the end of an epoch that was begun.

    Args:
        trained: The compiled model.
        feeds: The data.
        heads: Names of the model's outputs, none for a single one.
        state: Where the run is: its whole `epochs` and the `step` in the next one.
        steps: Batches of an epoch.
        epochs: Epochs of the run.
        callbacks: What follows the run.

    Raises:
        FloatingPointError: If the loss is not finite.
    """
    done, begun = state["epochs"], state["step"]
    first = done * steps + begun
    with all_devices(), sums_of_taps(trained), original_errors():
        trained.fit(
            feeds.training(first, heads),
            validation_data=feeds.validation(heads),
            initial_epoch=done,
            epochs=done + 1 if begun else epochs,
            steps_per_epoch=steps - begun,
            shuffle=False,
            callbacks=[StopOnNaN(feeds.training_batch, first), *callbacks],
        )


def ready(
    experiment, steps: int | None = None
) -> tuple[Feeds, keras.Model, tuple[str, ...]]:
    """Opens the data of an experiment and builds what it trains, as `fit` does.

    Args:
        experiment: What to train, and on what.
        steps: Steps of the whole run; `None` for those that the experiment says.

    Returns:
        The feeds, the compiled model, and the names of its outputs as `compiled`
        returns them.

    Raises:
        ValueError: If a part of the experiment is not one that exists.
    """
    section = experiment.fit
    feeds = _opened(
        experiment.data,
        section.get("seed", 0),
        section.get("dtype_policy", "float32"),
    )
    epoch = section.get("steps_per_epoch") or feeds.train_examples.steps
    steps = steps or section.get("epochs", EPOCHS) * epoch
    options = {key: section[key] for key in option_names() if key in section}
    with all_devices():
        _, trained, heads, _ = compiled(experiment, feeds, steps, **options)
    return feeds, trained, heads


def _opened(
    data: Mapping, seed: int, dtype_policy: str, train: Source | None = None
) -> Feeds:
    """Opens the data, with Keras as a run wants it."""
    keras.config.set_dtype_policy(dtype_policy)
    feeds = open_feeds(**{"seed": seed, **data}, train=train)
    # Only now: a data set that is made first draws random numbers.
    keras.utils.set_random_seed(seed)
    return feeds


def option_names() -> list[str]:
    """Returns the options of `compiled`, which `fit` takes too."""
    parameters = inspect.signature(compiled).parameters.values()
    return [x.name for x in parameters if x.kind is x.KEYWORD_ONLY]


def compiled(
    experiment,
    feeds: Feeds,
    steps: int,
    *,
    freeze_batch_norm: bool = False,
    resize_in_loss: bool = False,
    recompute: bool | int = False,
    quantisation_aware: bool = False,
    xla: bool = False,
) -> tuple[keras.Model, keras.Model, tuple[str, ...], list[keras.metrics.Metric]]:
    """Builds what is trained, inside of `all_devices`.

    Args:
        experiment: What to train; `network` gets the number of classes.
        feeds: On what; masks are cropped to what the network returns.
        steps: Steps of the whole run.
        freeze_batch_norm: Whether the network's batch norms keep their statistics and
            scales, as in fine-tuning with small batches; that of an auxiliary head
            learns.
        resize_in_loss: Whether loss and metrics enlarge the logits themselves, band by
            band, for the memory of large crops; values and gradients stay the same.
        recompute: Whether activations are computed again for the gradients instead of
            kept, as `kseg.training.recompute.recomputed` has it; or in how many parts.
        quantisation_aware: Whether to train with fake quantisation, as
            `kseg.export.quantisation_aware.fake_quantised` has it: for some epochs from
            weights that are trained, in float32.
        xla: Whether to compile with XLA on one TensorFlow device; on JAX there is no
            other way.

    Returns:
        The network; the compiled model, which shares its layers and has the heads; the
        names of these, none for a single one; and the metrics of the logits, the mean
        IoU first.

    Raises:
        ValueError: If a part of the experiment is not one that exists.
    """
    labels = feeds.train.labels
    set_num_classes(experiment.network, labels)
    check_compile_options(xla, experiment.optimizer.get("accumulate", 1))
    feeds.spread(replicas(), host())
    model = networks.build(**experiment.network)
    if freeze_batch_norm:
        backbones.freeze_batch_norm(model)
    feeds.crop_masks(model)
    loss = parts.make_loss(feeds.train, **experiment.loss)
    scores = [
        metric(labels.num_classes, labels.ignore_class)
        for metric in (metrics.MeanIoU, metrics.PixelAccuracy, metrics.MeanAccuracy)
    ]
    trained, loss_weights = parts.add_heads(model, **experiment.auxiliary)
    if quantisation_aware:
        trained = fake_quantised(trained)
    if experiment.distillation:
        trained, loss_weights = add_teacher(
            trained, loss_weights, **experiment.distillation
        )
    heads = tuple(loss_weights)
    optimizer = make_optimizer(steps, model=model, **experiment.optimizer)
    loss_of, scored = dict.fromkeys(heads, loss), scores
    if experiment.distillation:
        if resize_in_loss:
            raise ValueError(
                "A teacher is compared with on the whole map. Received: a section "
                "`distillation` and fit.resize_in_loss=True. Leave one out."
            )
        loss_of["distillation"] = losses.MeanOverPixels(labels.ignore_class)
    if resize_in_loss:
        trained, aligned = without_last_resize(trained)
        loss_of = {head: losses.Resized(loss, aligned[head]) for head in aligned}
        main = aligned["logits"]  # the name of the last layer, and of the first head
        scored = [metrics.Resized(score, main) for score in scores]
    if recompute:
        trained = recomputed(trained, None if recompute is True else recompute)
    trained.compile(
        guarded(optimizer),
        loss=loss_of if heads else loss_of.get("logits", loss),
        loss_weights=loss_weights or None,
        metrics={"logits": scored} if heads else scored,
        jit_compile=xla or jit_compile(),
    )
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
