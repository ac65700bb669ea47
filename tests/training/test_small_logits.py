"""A run whose loss enlarges the logits against one whose network does."""

import keras
import numpy as np
import pytest

import kseg
from kseg.layers import ResizeLike
from kseg.training import parts
from kseg.training.experiment import Experiment
from kseg.training.feeds import open_feeds
from kseg.training.fit import compiled
from kseg.training.small_logits import without_last_resize


def train(scenes, resize_in_loss, auxiliary):
    """Trains two steps; returns the logs, the weights, and the logits of an image."""
    experiment = Experiment(
        network=dict(name="lraspp", backbone="mobilenet_v3_small"),
        data=dict(name="folder", path=str(scenes), crop=(33, 47), batch_size=2),
        loss=dict(class_weights="median_frequency"),
        optimizer=dict(name="sgd", learning_rate=0.01),
        auxiliary=auxiliary,
    )
    keras.utils.set_random_seed(0)
    feeds = open_feeds(**experiment.data, seed=0)
    model, trained, heads, scores = compiled(
        experiment, feeds, 2, resize_in_loss=resize_in_loss
    )
    logs = trained.fit(
        feeds.training(0, heads), steps_per_epoch=2, shuffle=False, verbose=0
    ).history
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 47, 3)).astype("float32")
    logits = model(image).numpy()
    matrix = scores[0].confusion_matrix()
    return logs, model.get_weights(), logits, matrix, trained


@pytest.mark.slow
@pytest.mark.parametrize("auxiliary", [{}, {"tap": "low", "filters": 4}])
def test_a_run_is_the_same_with_and_without(scenes, auxiliary):
    if auxiliary:
        tap = kseg.build("lraspp", backbone="mobilenet_v3_small").layers[-8].name
        auxiliary = {**auxiliary, "tap": tap}
    expected = train(scenes, False, auxiliary)
    actual = train(scenes, True, auxiliary)
    assert expected[0].keys() == actual[0].keys()
    for key, values in expected[0].items():
        np.testing.assert_allclose(actual[0][key], values, rtol=1e-4, err_msg=key)
    for a, b in zip(actual[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    assert actual[2].shape == expected[2].shape == (1, 33, 47, expected[2].shape[-1])
    np.testing.assert_allclose(actual[2], expected[2], atol=1e-3)
    assert actual[3].sum() == expected[3].sum() > 0
    shapes = [tuple(output.shape) for output in actual[4].outputs]
    images = np.zeros((1, 32, 48, 3), "float32")
    for output in keras.tree.flatten(actual[4](images)):
        assert tuple(output.shape[1:3]) < (32, 48), shapes


def test_outputs_keep_names_and_a_head_its_own_alignment():
    image = keras.Input((None, None, 3))
    trunk = keras.layers.Conv2D(5, 4, strides=4, padding="same", name="trunk")(image)
    scores = keras.layers.Conv2D(3, 1, name="classifier")(trunk)
    model = keras.Model(image, ResizeLike(True, name="logits")(scores, image))
    trained, weights = parts.add_heads(model, tap="trunk", filters=4)
    small, aligned = without_last_resize(trained)
    assert aligned == {"auxiliary": True, "logits": True}
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 41, 3)).astype("float32")
    outputs, large = small(image), model(image)
    assert outputs.keys() == weights.keys()
    assert outputs["auxiliary"].shape == outputs["logits"].shape == (1, 9, 11, 3)
    enlarged = model.get_layer("logits")(outputs["logits"], image)
    np.testing.assert_array_equal(enlarged, large)
    single, aligned = without_last_resize(model)
    assert aligned == {"logits": True}
    np.testing.assert_array_equal(single(image), outputs["logits"])


def test_a_network_that_enlarges_in_another_way_is_refused():
    model = kseg.build("unet", num_classes=3, filters=2, depth=2)
    with pytest.raises(ValueError, match="must come from `ResizeLike`"):
        without_last_resize(model)
