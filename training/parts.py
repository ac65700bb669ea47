"""The parts of a run that configs choose by name: loss, optimizer, head."""

from collections.abc import Sequence

import keras
from keras import layers

from kseg import data
from kseg.layers import ResizeLike, conv_bn_relu
from kseg.losses import CrossEntropy
from kseg.registry import unknown

_OPTIMIZERS = ("sgd", "adamw")


def make_loss(
    source: data.Source,
    name: str = "cross_entropy",
    class_weights: str | Sequence[float] = "none",
) -> keras.losses.Loss:
    """Makes the loss.

    Args:
        source: The training data, whose masks weights are counted on.
        name: `"cross_entropy"`.
        class_weights: `"none"`, `"median_frequency"`, or one number per class.

    Returns:
        The loss.

    Raises:
        ValueError: If the name or the weights are unknown.
    """
    if name != "cross_entropy":
        raise ValueError(unknown("loss", name, ["cross_entropy"]))
    weights = data.class_weights(source, class_weights)
    return CrossEntropy(source.labels.ignore_class, weights)


def make_optimizer(
    steps: int,
    name: str = "sgd",
    learning_rate: float = 0.01,
    power: float = 0.9,
    momentum: float = 0.9,
    weight_decay: float = 1e-4,
    clip_norm: float | None = None,
) -> keras.optimizers.Optimizer:
    """Makes the optimizer, with the poly schedule.

    The rate of step s is `learning_rate * (1 - s / steps) ** power` (Chen et al.,
    "DeepLab", section 4.1). Weight decay is decoupled and spares biases and
    batch norms.

    Args:
        steps: Number of steps of the whole run.
        name: `"sgd"` or `"adamw"`.
        learning_rate: Of the first step.
        power: Of the schedule; 0 keeps the rate constant.
        momentum: Of SGD; AdamW's moments are Keras's defaults.
        weight_decay: Share of a weight that a step takes off, per learning rate.
        clip_norm: Largest global norm of the gradient, or `None`.

    Returns:
        The optimizer.

    Raises:
        ValueError: If the name is unknown.
    """
    schedule = keras.optimizers.schedules.PolynomialDecay(
        learning_rate, steps, end_learning_rate=0.0, power=power
    )
    options = {"weight_decay": weight_decay, "global_clipnorm": clip_norm}
    if name == "sgd":
        optimizer = keras.optimizers.SGD(schedule, momentum=momentum, **options)
    elif name == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, **options)
    else:
        raise ValueError(unknown("optimizer", name, list(_OPTIMIZERS)))
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


def add_auxiliary(
    model: keras.Model, tap: str, weight: float = 0.4, filters: int = 256
) -> keras.Model:
    """Adds a second head for training, as PSPNet does (section 3.3).

    Args:
        model: A network from image to logits.
        tap: Name of the layer whose output the head looks at.
        weight: Factor of the head's loss; kept by the run, not by the model.
        filters: Channels of the head's 3x3 convolution.

    Returns:
        A model with the outputs `logits` and `auxiliary`; it shares the layers
        of `model`, which stays as it is.

    Raises:
        ValueError: If the network has no such layer, or `weight` is negative.
    """
    if weight < 0:
        raise ValueError(f"`weight` must not be negative. Received: {weight}.")
    known = [layer.name for layer in model.layers]
    if tap not in known:
        raise ValueError(unknown(f"layer of {model.name!r}", tap, known))
    x = model.get_layer(tap).output
    x = conv_bn_relu(x, filters, 3, name="auxiliary_conv")
    x = layers.Dropout(0.1, name="auxiliary_dropout")(x)
    x = layers.Conv2D(
        model.output_shape[-1], 1, dtype="float32", name="auxiliary_classifier"
    )(x)
    x = ResizeLike(dtype="float32", name="auxiliary")(x, model.output)
    return keras.Model(
        model.input, {"logits": model.output, "auxiliary": x}, name=model.name
    )
