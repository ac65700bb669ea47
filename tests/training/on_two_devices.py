"""A step of training on logical devices; as a script, on two of them."""

import sys
from pathlib import Path

import keras
import numpy as np

from kseg import losses, metrics, networks
from kseg.training import devices
from kseg.training.feeds import open_feeds

REFUSED = ({"jit_compile": True}, {"accumulate": 2}, {"steps_per_execution": 2})


def trained(path, count):
    """Returns the logs, gradients, states and counts of a step and a validation."""
    assert devices.describe_devices() == f"{count} CPU (tensorflow)"
    keras.utils.set_random_seed(0)
    feeds = open_feeds(
        "folder", path=path, classes=3, crop=(16, 24), batch_size=4, val_batch_size=3,
        validation_fraction=0.5, check=False,
    )  # fmt: skip
    with devices.all_devices():
        assert devices.replicas() == count
        feeds.spread(devices.replicas())
        model = networks.build("unet", num_classes=3, filters=2, depth=2, dropout=0.0)
        score = metrics.MeanIoU(3)
        model.compile(
            keras.optimizers.SGD(1.0),
            losses.WeightedSum([losses.CrossEntropy(), losses.Dice()]),
            metrics=[score],
            jit_compile=False,
        )
    before = [variable.numpy() for variable in model.trainable_variables]
    history = model.fit(
        feeds.training(),
        validation_data=feeds.validation(),
        steps_per_epoch=1,
        shuffle=False,
        verbose=0,
    ).history
    arrays = {f"log {key}": np.array(value) for key, value in history.items()}
    for variable, old in zip(model.trainable_variables, before, strict=True):
        arrays[f"gradient {variable.path}"] = old - variable.numpy()
    for variable in model.non_trainable_variables:
        arrays[f"state {variable.path}"] = variable.numpy()
    return {**arrays, "counts": score.confusion_matrix()}


def print_what_is_refused(path):
    """Prints the errors of what several devices cannot do."""
    feeds = open_feeds("folder", path=path, classes=3, batch_size=3)
    refused = [lambda o=o: devices.check_compile_options(**o) for o in REFUSED]
    for function in (*refused, lambda: feeds.spread(2)):
        try:
            function()
        except ValueError as error:
            print(error)


if __name__ == "__main__":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    np.savez(Path(sys.argv[2]), **trained(sys.argv[1], 2))
    print_what_is_refused(sys.argv[1])
