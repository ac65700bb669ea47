"""What a run says when its network calls all pixels one class."""

import keras
import numpy as np

from kseg.labels import Labels
from kseg.losses import CrossEntropy
from kseg.metrics import MeanIoU
from kseg.training import callbacks

NAMES = Labels.named(["sky", "road", "sign"])


def tell(predictions, masks, history=()):
    """Runs the callback over epochs whose validation predicts the given ids."""
    metric = MeanIoU(3, 255)
    callback = callbacks.ClassScores(metric, NAMES, history)
    for epoch, ids in enumerate(predictions, len(history)):
        metric.reset_state()
        metric.update_state(masks, np.eye(3, dtype="float32")[ids % 3])
        callback.on_epoch_end(epoch)


def test_it_says_which_class_since_when_and_what_to_do(capsys):
    rng = np.random.default_rng(0)
    masks = rng.choice(3, (2, 20, 20), p=[0.25, 0.5, 0.25])
    masks[:, :2] = 255
    road = np.ones_like(masks)
    nearly = np.where(rng.random(masks.shape) < 0.003, (masks + 1) % 3, 1)
    half = np.where(rng.random(masks.shape) < 0.5, masks, 1)
    tell([half, road, nearly, half, 0 * road], masks)
    epochs = capsys.readouterr().out.split("IoU %: ")[1:]
    told = [e.split("\n", 1)[1] for e in epochs]
    assert told[0] == told[3] == ""
    assert told[1].startswith("Collapsed since epoch 2: 100.0% of the validation")
    share = (masks == 1).sum() / (masks != 255).sum()
    assert f"called 'road', which {share:.1%} are" in told[1]
    assert "loss.class_weights=median_frequency" in told[1]
    assert told[2].startswith("Collapsed since epoch 2: 99.")
    assert told[4].startswith("Collapsed since epoch 5: 100.0%") and "'sky'" in told[4]


def test_a_rare_class_that_is_found_is_no_collapse():
    """Of 10,000 pixels 20 are rare, and half of them are found."""
    assert callbacks.collapsed_class(np.array([[9975, 5], [10, 10]])) is None
    assert callbacks.collapsed_class(np.array([[9980, 0], [20, 0]])) == 0
    assert callbacks.collapsed_class(np.array([[9980, 0], [0, 0]])) is None
    assert callbacks.collapsed_class(np.zeros((3, 3), int)) is None


def test_a_run_that_goes_on_knows_since_when(capsys):
    masks = np.arange(300).reshape(1, 30, 10) % 3
    history = [{"epoch": n, "collapsed": c} for n, c in ((1, 1), (2, None), (3, 1))]
    tell([np.ones_like(masks)], masks, history)
    assert "Collapsed since epoch 3: " in capsys.readouterr().out


def test_a_model_that_collapses_is_told_of(capsys):
    """Trained on the frequent class alone, it calls everything that."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 8, 8, 3)).astype("float32")
    masks = rng.choice(3, (4, 8, 8), p=[0.2, 0.7, 0.1])
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.Dense(3)(image))
    metric = MeanIoU(3, 255)
    loss = CrossEntropy(class_weights=[0, 1, 0])
    model.compile(keras.optimizers.SGD(1.0), loss, metrics=[metric], jit_compile=False)
    callback = callbacks.ClassScores(metric, NAMES)
    model.fit(images, masks, 1, 9, 0, [callback], validation_data=(images, masks))
    told = capsys.readouterr().out
    assert "of the validation pixels are called 'road'" in told
