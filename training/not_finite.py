"""A loss that is not finite stops a run, and its cause is looked for."""

import math
from collections.abc import Callable

import keras
import numpy as np


def guarded(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Makes an optimizer leave a step out whose gradients are not all finite.

    So the weights stay those in front of the fault, and its cause can be found. It is
    Keras's own guard of half precision at a scale of 1, by which nothing changes.

    Args:
        optimizer: Any optimizer.

    Returns:
        The guarded optimizer; in float16, where `compile` adds the guard with a scale,
        `optimizer` itself.
    """
    if keras.config.dtype_policy().compute_dtype == "float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(
        optimizer, initial_scale=1.0, dynamic_growth_steps=2**31 - 1
    )


class StopOnNaN(keras.callbacks.Callback):
    """Stops with an error as soon as the loss is not finite, and says where from.

    Args:
        batch: Returns a training batch, `(images, names)`, by the number of its step.
        first_step: Steps of the whole run in front of this `fit`.
    """

    def __init__(self, batch: Callable[[int], tuple], first_step: int = 0):
        """Stores the arguments."""
        super().__init__()
        self.batch = batch
        self.step = first_step
        self._before = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Notes how many steps the optimizer has made."""
        self._begun = self.step
        self._before = self._iterations()

    def on_train_batch_end(self, batch, logs=None):
        """Raises if the loss is not finite."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            if keras.backend.backend() == "jax":
                self.model.jax_state_sync()
            raise FloatingPointError(self._explain(loss, batch))
        self.step += 1

    def on_epoch_end(self, epoch, logs=None):
        """Says how many steps were left out, if any were."""
        made = self._iterations() - self._before
        batches = self.step - self._begun
        every = self.model.optimizer.inner_optimizer.gradient_accumulation_steps or 1
        left_out = batches // every - made
        if left_out > 1 or (left_out and every == 1):
            print(
                f"{left_out} of {batches} steps of this epoch were left out, as their "
                "gradients were not finite"
            )

    def _iterations(self) -> int:
        return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    def _explain(self, loss: float, batch: int) -> str:
        """Says where a loss comes from that is not finite."""
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        images, names = self.batch(self.step)
        return (
            f"The loss must stay finite. Received: {loss} at batch {batch + 1} of "
            f"this epoch, {', '.join(names)}, at learning rate {rate:.3g}; "
            f"{first_fault(self.model, images)}. The last good checkpoint is kept and "
            "--resume starts from it; lower optimizer.learning_rate, set "
            "optimizer.clip_norm, or train in float32."
        )


def first_fault(model: keras.Model, images: np.ndarray, at_once: int = 16) -> str:
    """Finds the first layer whose output is not finite.

    Args:
        model: A functional model of one input.
        images: A batch of its input.
        at_once: Layers that are looked at together; more want more memory.

    Returns:
        A clause that names the layer, or says that all are finite.
    """
    layers = [x for x in model.layers if not isinstance(x, keras.layers.InputLayer)]
    if not np.isfinite(np.asarray(images, "float32")).all():
        return "the images themselves are not finite"
    for layer in layers:
        for variable in layer.trainable_variables:
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                return f"the weights {variable.path!r} are not finite"
    for start in range(0, len(layers), at_once):
        some = layers[start : start + at_once]
        probe = keras.Model(model.inputs[0], {x.name: x.output for x in some})
        found = probe(images, training=True)
        for layer in some:
            for output in keras.tree.flatten(found[layer.name]):
                values = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
                if not np.isfinite(values).all():
                    return (
                        f"the first layer whose output is not finite is {layer.name!r} "
                        f"({type(layer).__name__})"
                    )
    return "the outputs of all layers are finite, so it is the loss itself"
