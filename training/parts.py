"""The parts of a run that configs choose by name: loss and heads."""

import inspect
from collections.abc import Mapping, Sequence

import keras
from keras import layers

from kseg import data, losses
from kseg.layers import ResizeLike, conv_bn_relu
from kseg.registry import unknown

_LOSSES: dict[str, type] = {
    "boundary": losses.BoundaryLoss,
    "class_balanced": losses.ClassBalancedCrossEntropy,
    "cross_entropy": losses.CrossEntropy,
    "dice": losses.Dice,
    "focal": losses.FocalCrossEntropy,
    "jaccard": losses.Jaccard,
    "lovasz_softmax": losses.LovaszSoftmax,
    "ohem": losses.OhemCrossEntropy,
    "tversky": losses.Tversky,
}
# What the data and the run say, and not the section `loss`.
_NOT_OPTIONS = {"ignore_class", "reduction", "name", "dtype"}


def make_loss(
    source: data.Source, name: str = "cross_entropy", **options
) -> losses.PixelWeightedLoss:
    """Makes the loss.

    Args:
        source: The training data, whose masks weights are counted on.
        name: A loss on logits of classes, `"class_balanced"` for edges, or `"sum"`.
        **options: Arguments of the loss's class in `kseg.losses`; `class_weights` may
            also be a method of `kseg.data.class_weights`. Of `"sum"`, `terms`: a list
            of dictionaries, each as the section `loss` itself, with a `factor` if it
            is not 1.

    Returns:
        The loss.

    Raises:
        ValueError: If the name or the weights are unknown, or an option is wrong or
            another loss's.
    """
    check_keys({"name": name, **options})
    if name == "sum":
        terms = [dict(term) for term in options["terms"]]
        factors = [term.pop("factor", 1.0) for term in terms]
        return losses.WeightedSum([make_loss(source, **x) for x in terms], factors)
    if "class_weights" in options:
        options["class_weights"] = data.class_weights(source, options["class_weights"])
    try:
        return _LOSSES[name](ignore_class=source.labels.ignore_class, **options)
    except TypeError as error:
        raise ValueError(
            f"The options of the loss {name!r} must be of their types. Received: "
            f"{options} ({error})."
        ) from error


def loss_keys(name: str = "cross_entropy") -> set[str]:
    """Returns the keys that the section `loss` may have.

    Args:
        name: The loss.

    Raises:
        ValueError: If the name is unknown.
    """
    if name == "sum":
        return {"name", "terms"}
    if name not in _LOSSES:
        raise ValueError(unknown("loss", name, [*_LOSSES, "sum"]))
    parameters = inspect.signature(_LOSSES[name]).parameters
    return (set(parameters) - _NOT_OPTIONS) | {"name"}


def check_keys(section: Mapping) -> None:
    """Raises if a section `loss`, or a term of it, has a key of no or another loss.

    Args:
        section: `name` and options, as `make_loss` takes them.

    Raises:
        ValueError: Naming the key and those that are right, or if terms are none.
    """
    name = section.get("name", "cross_entropy")
    known = loss_keys(name)
    for key in section:
        if key not in known:
            raise ValueError(unknown(f"key of the loss {name!r}", key, sorted(known)))
    if name != "sum":
        return
    terms = section.get("terms", ())
    several = isinstance(terms, list | tuple) and len(terms) > 0
    if not several or not all(isinstance(term, Mapping) for term in terms):
        raise ValueError(
            "`terms` must be a list of losses such as [{'name': 'cross_entropy'}, "
            f"{{'name': 'dice', 'factor': 0.5}}]. Received: {terms!r}."
        )
    for term in terms:
        check_keys({key: value for key, value in term.items() if key != "factor"})


def add_heads(
    model: keras.Model,
    tap: str | None = None,
    outputs: Sequence[str] = (),
    weight: float = 0.4,
    filters: int = 256,
) -> tuple[keras.Model, dict[str, float]]:
    """Adds what is trained beside the network's own logits.

    Args:
        model: A network from image to logits.
        tap: Name of a layer that a new head looks at, as in PSPNet (section 3.3).
        outputs: Names of layers that are logits already, such as the side outputs of
            HED.
        weight: Factor of the loss of each head beside the logits.
        filters: Channels of the new head's 3x3 convolution.

    Returns:
        A model that shares the layers of `model`, which stays as it is, and the
        factors of the losses by the names of its outputs: `logits`, then
        `auxiliary` for a tap, then `outputs`. Without any of these there are no
        names, and the model has the logits alone.

    Raises:
        ValueError: If the network has no such layer, a layer of `outputs` does not
            give logits as the network does, or `weight` is negative.
    """
    if weight < 0:
        raise ValueError(f"`weight` must not be negative. Received: {weight}.")
    if isinstance(outputs, str):
        raise ValueError(f"`outputs` must be a list. Received: the text {outputs!r}.")
    image, logits = model.inputs[0], model.outputs[0]
    heads = {"logits": logits}
    if tap:
        x = _output(model, tap)
        x = conv_bn_relu(x, filters, 3, name="auxiliary_conv")
        x = layers.Dropout(0.1, name="auxiliary_dropout")(x)
        x = layers.Conv2D(
            logits.shape[-1], 1, dtype="float32", name="auxiliary_classifier"
        )(x)
        # As the network itself puts its map on the image.
        aligned = getattr(model.layers[-1], "align_corners", False)
        x = ResizeLike(aligned, dtype="float32", name="auxiliary")(x, logits)
        heads["auxiliary"] = x
    for name in outputs:
        heads[name] = _output(model, name)
        if heads[name] is logits or heads[name].shape != logits.shape:
            raise ValueError(
                "A layer of `outputs` must give logits as the network does, "
                f"{tuple(logits.shape)}, and not be its last. Received: {name!r}, "
                f"{tuple(heads[name].shape)}."
            )
    if len(heads) == 1:
        # A wrapper is compiled, so that the network itself saves without optimizer.
        return keras.Model(image, logits, name=model.name), {}
    factors = dict.fromkeys(heads, weight)
    return keras.Model(image, heads, name=model.name), {**factors, "logits": 1.0}


def _output(model: keras.Model, name: str):
    """Returns the one output of a layer."""
    known = [layer.name for layer in model.layers]
    if name not in known:
        raise ValueError(unknown(f"layer of {model.name!r}", name, known))
    output = model.get_layer(name).output
    if isinstance(output, list | tuple):
        raise ValueError(
            f"A head needs a layer of one output. Received: {name!r}, which has "
            f"{len(output)}."
        )
    return output
