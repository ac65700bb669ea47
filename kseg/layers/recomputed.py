"""A part of a network whose activations are computed again instead of kept.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, section 4.
https://arxiv.org/abs/1604.06174
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class Recomputed(keras.layers.Layer):
    """Runs a part of a network, and runs it again for the gradients.

    Between the two only its inputs and outputs are kept. Statistics of batch norms are
    updated once, and dropout draws the same both times.

    Args:
        part: A functional model.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, part: keras.Model, **kwargs):
        """Stores the part."""
        super().__init__(**kwargs)
        self.part = part
        self.built = True

    def call(self, *inputs, training=None):
        """Runs the part.

        Args:
            *inputs: The part's inputs.
            training: Whether the network is trained; otherwise nothing is run twice.

        Returns:
            The part's outputs, a list.
        """
        if not training:
            return keras.tree.flatten(self.part(list(inputs), training=False))
        learned = self.part.trainable_variables
        others = self.part.non_trainable_variables
        # Variables are read here, and written below: what is run twice has no effects.
        values = [ops.convert_to_tensor(variable) for variable in [*learned, *others]]

        def compute(*tensors):
            known, given = tensors[: len(values)], tensors[len(values) :]
            outputs, updated = self.part.stateless_call(
                list(known[: len(learned)]), list(known[len(learned) :]), list(given),
                training=True,
            )  # fmt: skip
            return (*keras.tree.flatten(outputs), *updated)

        results = keras.remat(compute)(*values, *inputs)
        count = len(self.part.outputs)
        for variable, value in zip(others, results[count:], strict=True):
            variable.assign(value)
        return list(results[:count])

    def compute_output_spec(self, *inputs, training=None):
        """Returns what the part makes of its inputs."""
        return keras.tree.flatten(self.part.compute_output_spec(list(inputs)))

    def get_config(self):
        """Returns the arguments of the constructor."""
        part = keras.saving.serialize_keras_object(self.part)
        return {**super().get_config(), "part": part}

    @classmethod
    def from_config(cls, config):
        """Makes the layer of its arguments."""
        return cls(keras.saving.deserialize_keras_object(config.pop("part")), **config)
