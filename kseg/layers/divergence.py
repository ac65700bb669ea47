"""How far one network's opinion of each pixel is from another's."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class TeacherDivergence(keras.layers.Layer):
    """Says how far a student's class probabilities are from a teacher's.

    It is the Kullback-Leibler divergence of the teacher from the student, both of
    logits divided by the temperature, times the temperature's square, so that
    gradients keep their size (Hinton et al., "Distilling the Knowledge in a Neural
    Network", 2015, section 2, https://arxiv.org/abs/1503.02531), of each pixel as Liu
    et al. have it ("Structured Knowledge Distillation for Semantic Segmentation", CVPR
    2019, section 3.2, https://arxiv.org/abs/1903.04197). The teacher gets no gradient.

    Args:
        temperature: Over 0; the higher, the more small probabilities count.
        **kwargs: Of `keras.layers.Layer`; it computes in float32.

    Raises:
        ValueError: If the temperature is not over 0.

    Example:
    >>> import numpy as np
    >>> logits = np.log([[[[0.5, 0.5]]]]), np.log([[[[0.9, 0.1]]]])
    >>> round(float(TeacherDivergence()(logits)[0, 0, 0, 0]), 4)
    0.3681
    """

    def __init__(self, temperature: float = 1.0, **kwargs):
        """Checks and stores the temperature."""
        super().__init__(**{"dtype": "float32", **kwargs})
        if not 0 < temperature < float("inf"):
            raise ValueError(
                f"`temperature` must be over 0 and finite. Received: {temperature}."
            )
        self.temperature = temperature

    def call(self, inputs):
        """Compares logits.

        Args:
            inputs: The student's logits and the teacher's, each
                `(batch, height, width, num_classes)`.

        Returns:
            Float32 `(batch, height, width, 1)`.
        """
        student, teacher = (logits / self.temperature for logits in inputs)
        log_teacher = ops.log_softmax(ops.stop_gradient(teacher))
        differences = log_teacher - ops.log_softmax(student)
        divergence = ops.sum(ops.exp(log_teacher) * differences, axis=-1, keepdims=True)
        return self.temperature**2 * divergence

    def compute_output_shape(self, input_shape):
        """Returns `(batch, height, width, 1)`."""
        return (*input_shape[0][:-1], 1)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "temperature": self.temperature}
