from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_network import build

from kseg.export import export_saved_model


def photo(*shape):
    return np.random.default_rng(5).uniform(0, 255, shape).astype("float32")


def serve(path, images):
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    return signature(image=tf.constant(images))["logits"].numpy()


@pytest.mark.parametrize("shape", [(2, 33, 46, 3), (1, 50, 31, 3)])
def test_open_sizes_stay_open_and_give_the_models_logits(model, shape, tmp_path):
    path = export_saved_model(model, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder"
    images = photo(*shape)
    expected = np.asarray(model(images, training=False))
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(serve(path, images), expected, atol=1e-4)


def test_signature(model, tmp_path):
    path = export_saved_model(model, tmp_path / "model")
    loaded = tf.saved_model.load(str(path))
    assert list(loaded.signatures) == ["serving_default"]
    signature = loaded.signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    assert inputs == {
        "image": tf.TensorSpec((None, None, None, 3), tf.float32, name="image")
    }
    assert signature.structured_outputs["logits"].dtype == tf.float32


def test_a_fixed_size_stays_fixed(tmp_path):
    path = export_saved_model(build((32, 48, 1)), tmp_path / "model")
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    _, inputs = signature.structured_input_signature
    assert inputs["image"].shape.as_list() == [None, 32, 48, 1]


def test_only_the_directory_is_left(model, tmp_path):
    export_saved_model(model, tmp_path / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    # A scratch directory of `tempfile` shuts others out; what is shipped must not.
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "model").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_existing_path_is_refused(model, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="must be free.*Received"):
            export_saved_model(model, tmp_path, overwrite=overwrite)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_overwrite_replaces_the_whole_directory(model, tmp_path):
    path = export_saved_model(build(), tmp_path / "model")
    (path / "stale").touch()
    with pytest.raises(ValueError, match="overwrite=True"):
        export_saved_model(model, path)
    export_saved_model(model, path, overwrite=True)
    images = photo(1, 33, 46, 3)
    expected = np.asarray(model(images, training=False))
    np.testing.assert_allclose(serve(path, images), expected, atol=1e-4)
    assert not (path / "stale").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


class Noise(keras.layers.Layer):
    def call(self, x):
        return x + 1e-2 * tf.random.normal(tf.shape(x))


def test_logits_that_differ_are_refused_and_the_old_file_stays(tmp_path):
    path = export_saved_model(build(), tmp_path / "model")
    before = (path / "saved_model.pb").read_bytes()
    network = build()
    noisy = keras.Model(network.input, Noise()(network.output))
    with pytest.raises(RuntimeError, match="must give the model's logits"):
        export_saved_model(noisy, path, overwrite=True)
    assert (path / "saved_model.pb").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_failed_move_brings_the_old_directory_back(model, tmp_path, monkeypatch):
    path = export_saved_model(build(), tmp_path / "model")
    before = (path / "saved_model.pb").read_bytes()
    rename = Path.rename

    def fail(source, target):
        if source.name == "written":
            raise OSError("disk full")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="disk full"):
        export_saved_model(model, path, overwrite=True)
    assert (path / "saved_model.pb").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_model_of_another_form_is_refused(tmp_path):
    image = keras.Input((None, None, 3))
    twin = keras.Model(image, [image, image])
    vector = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    for model in (twin, vector):
        with pytest.raises(ValueError, match="one tensor of logits.*Received"):
            export_saved_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_another_backend_is_refused(model, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="'jax'.*KERAS_BACKEND=tensorflow"):
        export_saved_model(model, tmp_path / "model")
