"""The optimizer of a run and the schedule of its learning rate."""

from collections.abc import Mapping

import keras
from keras.optimizers import schedules

from kseg.optimizers import SGD, AdamW, WarmUp, layer_decay
from kseg.registry import unknown

_OPTIMIZERS = ("adamw", "sgd")
_SCHEDULES = ("poly", "cosine", "constant", "drop")


def make_optimizer(
    steps: int,
    name: str = "sgd",
    learning_rate: float = 0.01,
    schedule: str = "poly",
    power: float = 0.9,
    warmup_steps: int = 0,
    drop_every: int | None = None,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    clip_norm: float | None = None,
    multipliers: Mapping[str, float] | None = None,
    decay_per_layer: float | None = None,
    ema: float | None = None,
    accumulate: int = 1,
    model: keras.Model | None = None,
) -> keras.optimizers.Optimizer:
    """Makes the optimizer, with the schedule of its learning rate.

    Weight decay is decoupled and spares biases and batch norms.

    Args:
        steps: Number of batches of the whole run.
        name: `"sgd"` or `"adamw"`.
        learning_rate: Of the first step, or where the warm-up ends.
        schedule: `"poly"`, the rate of step s is `learning_rate * (1 - s / steps) **
            power` (Chen et al., "DeepLab", section 4.1); `"cosine"`, half a wave down
            to 0; `"constant"`; or `"drop"`, to a tenth after every `drop_every`.
        power: Of `"poly"`.
        warmup_steps: Steps in which the rate rises in a line to that of the schedule.
        drop_every: Steps after which the rate falls to a tenth, again and again, as
            the authors of HED and DeconvNet have it; it means `schedule="drop"`.
        momentum: Of SGD; AdamW's moments are Keras's defaults.
        weight_decay: Share of a weight that a step takes off, per learning rate.
        clip_norm: Largest global norm of the gradient, or `None`.
        multipliers: Factors on the learning rate of single layers, as in
            `kseg.optimizers`.
        decay_per_layer: Factor on the learning rate for each layer between one and
            the output, as `kseg.optimizers.layer_decay`; instead of `multipliers`.
        ema: Momentum of the moving average of the weights, such as 0.999; the average
            is what validation measures and what is exported. `None` for none.
        accumulate: Batches whose gradients make one step; `warmup_steps`, `drop_every`
            and `ema` count such steps.
        model: What is trained; only `decay_per_layer` needs it.

    Returns:
        The optimizer.

    Raises:
        ValueError: If a name is unknown, or an option is out of range or contradicts
            another.
    """
    if accumulate < 1:
        raise ValueError(f"`accumulate` must be 1 or more. Received: {accumulate}.")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"`ema` must be between 0 and 1. Received: {ema}.")
    if decay_per_layer is not None:
        if multipliers:
            raise ValueError(
                "`multipliers` and `decay_per_layer` both say the rates of layers. "
                f"Received: {dict(multipliers)} and {decay_per_layer}. Give one."
            )
        if model is None:
            raise ValueError("`decay_per_layer` needs the `model`.")
        multipliers = layer_decay(model, decay_per_layer)
    # Keras asks a schedule for the rate of a batch.
    rate = make_schedule(
        steps,
        learning_rate,
        "drop" if drop_every else schedule,
        power,
        warmup_steps * accumulate,
        drop_every and drop_every * accumulate,
    )
    options = {
        "weight_decay": weight_decay,
        "global_clipnorm": clip_norm,
        "multipliers": multipliers,
        "use_ema": ema is not None,
        # Keras averages after every batch.
        "ema_momentum": 0.99 if ema is None else ema ** (1 / accumulate),
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
    }
    if name == "sgd":
        optimizer = SGD(rate, momentum=momentum, **options)
    elif name == "adamw":
        optimizer = AdamW(rate, **options)
    else:
        raise ValueError(unknown("optimizer", name, list(_OPTIMIZERS)))
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def constant(optimizer: Mapping) -> dict:
    """Returns an optimizer's options without what it does in the long term only.

    Args:
        optimizer: Arguments of `make_optimizer`.

    Returns:
        The same with one rate from the first step on, and no averages.
    """
    long_term = {"schedule", "power", "warmup_steps", "drop_every", "ema", "accumulate"}
    kept = {key: x for key, x in optimizer.items() if key not in long_term}
    return {**kept, "schedule": "constant"}


def make_schedule(
    steps: int,
    learning_rate: float,
    name: str = "poly",
    power: float = 0.9,
    warmup_steps: int = 0,
    drop_every: int | None = None,
) -> schedules.LearningRateSchedule | float:
    """Makes the schedule of the learning rate.

    Args:
        steps: Batches of the whole run.
        learning_rate: As in `make_optimizer`.
        name: As `schedule` in `make_optimizer`.
        power: As in `make_optimizer`.
        warmup_steps: As in `make_optimizer`, in batches.
        drop_every: As in `make_optimizer`, in batches.

    Returns:
        The schedule, or the rate that stays.

    Raises:
        ValueError: If the name is unknown, steps are negative or missing.
    """
    if warmup_steps < 0:
        raise ValueError(
            f"`warmup_steps` must not be negative. Received: {warmup_steps}."
        )
    if name == "drop":
        if not drop_every:
            raise ValueError("The schedule 'drop' needs `drop_every`, in steps.")
        rate = schedules.ExponentialDecay(
            learning_rate, drop_every, 0.1, staircase=True
        )
    elif name == "cosine":
        rate = schedules.CosineDecay(learning_rate, steps)
    elif name == "poly":
        rate = schedules.PolynomialDecay(learning_rate, steps, 0.0, power)
    elif name == "constant" and not warmup_steps:
        return learning_rate
    elif name == "constant":
        rate = schedules.PolynomialDecay(learning_rate, steps, 0.0, power=0.0)
    else:
        raise ValueError(unknown("schedule", name, list(_SCHEDULES)))
    return WarmUp(rate, warmup_steps) if warmup_steps else rate
