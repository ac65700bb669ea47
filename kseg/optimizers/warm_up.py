"""A learning rate that rises before it follows its schedule.

Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 2.2.
https://arxiv.org/abs/1706.02677
"""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kseg")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Rises in a line to what a schedule says at that step, then is the schedule.

    The schedule counts from the first step of all, so that it ends where it would
    without: the rate of step s is `schedule(s) * min(1, (s + 1) / steps)`.

    Args:
        schedule: What is followed after.
        steps: Steps of the rise, 1 or more.

    Example:
    >>> rate = WarmUp(keras.optimizers.schedules.PolynomialDecay(1.0, 100), steps=4)
    >>> round(float(rate(0)), 3), round(float(rate(50)), 3)
    (0.25, 0.5)
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int
    ):
        """Checks and stores the arguments."""
        if steps < 1:
            raise ValueError(f"`steps` must be 1 or more. Received: {steps}.")
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        risen = (keras.ops.cast(step, "float32") + 1.0) / self.steps
        return self.schedule(step) * keras.ops.minimum(1.0, risen)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict) -> "WarmUp":
        """Makes the schedule of its arguments."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["steps"])
