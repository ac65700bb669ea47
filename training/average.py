"""The moving average of a network's weights in the place of the weights."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Gives a model the moving average of its weights within a block, if it has one.

    Args:
        model: A compiled model.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not getattr(optimizer, "use_ema", False):
        yield
        return
    variables = model.trainable_variables
    kept = [keras.ops.convert_to_numpy(variable) for variable in variables]
    optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


class ValidateAverage(keras.callbacks.Callback):
    """Validates the moving average of the weights, where the optimizer keeps one."""

    def on_test_begin(self, logs=None):
        """Puts the average in."""
        self._block = contextlib.ExitStack()
        self._block.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs=None):
        """Puts the weights back."""
        self._block.close()
