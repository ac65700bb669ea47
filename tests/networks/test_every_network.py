"""What holds for every network that is registered, whichever it is."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from every_network import build, channels, images, logits_of, loss_of

import kseg
from kseg import networks

SIZES = [(1, 1), (33, 47), (65, 40)]
REPOSITORY = Path(__file__).parents[2]
# Without the auxiliary loss only a softmax over space sees these logits.
OCR_REGIONS = ("ocrnet", "regions")
# Linear bottlenecks of MobileNets with a batch norm behind the next convolution; what
# all keys of attention have in common; the last linear maps ahead of SegFormer's norm.
IDLE = re.compile(
    r"_project_(bn|BN)/beta|_self_key/bias|layer_norm_3/beta|linear_c_\d_proj/bias"
)


def assert_close(actual, expected, rtol=1e-4):
    assert np.ptp(expected) > 1e-2
    np.testing.assert_allclose(actual, expected, atol=rtol * np.abs(expected).max())


@pytest.fixture(scope="module", params=kseg.names())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return build(name)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """The `.keras` file of the network."""
    path = tmp_path_factory.mktemp(model.name) / f"{model.name}.keras"
    model.save(path)
    return path


def test_the_file_the_function_and_the_model_have_the_name(name, model):
    assert model.name == name
    assert networks.builder(name).__name__ == name
    # A file may hold the sizes and stages of one network: fcn32s, fcn16s, fcn8s.
    module = networks.builder(name).__module__.removeprefix("kseg.networks.")
    assert name.startswith(module)


@pytest.mark.parametrize("size", SIZES)
def test_logits_are_float32_at_the_size_of_the_image(model, size):
    result = logits_of(model, images(size))
    assert result.shape == (2, *size, channels(model.name))
    assert result.dtype == np.float32
    assert np.all(np.isfinite(result))
    assert np.ptp(result) > 0


def test_the_shapes_are_open(model):
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, None, None, channels(model.name))
    assert model.output.dtype == "float32"


def test_uint8_images_are_float_images(model):
    pixels = images((33, 47))
    expected = logits_of(model, pixels)
    np.testing.assert_array_equal(model(pixels, training=False), expected)
    assert_close(model.predict_on_batch(pixels), expected)


def test_images_of_a_batch_do_not_see_each_other(model):
    pixels = images((33, 47))
    alone = np.concatenate([logits_of(model, image[np.newaxis]) for image in pixels])
    assert_close(alone, logits_of(model, pixels))


def test_every_variable_has_a_gradient_and_training_moves_it(name):
    model = build(name)
    masks = np.random.default_rng(1).integers(0, max(channels(name), 2), (2, 65, 40))
    masks[:, :3] = 255
    pixels = tf.constant(images((65, 40)), "float32")
    loss = loss_of(name)
    with tf.GradientTape() as tape:
        value = loss(masks, model(pixels, training=True))
    gradients = tape.gradient(value, [v.value for v in model.trainable_variables])
    assert np.isfinite(value) and value > 0
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.all(np.isfinite(gradient)), variable.path
        assert np.any(gradient) or is_idle(variable, model), variable.path

    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    assert np.isfinite(model.train_on_batch(pixels, masks))
    frozen = {v.path for v in model.non_trainable_variables if v.name == "kernel"}
    for variable, value in zip(model.variables, before, strict=True):
        still = variable.path in frozen or is_idle(variable, model)
        if variable.dtype == "float32" and not still:  # and no random state
            after = keras.ops.convert_to_numpy(variable)
            assert np.all(np.isfinite(after)), variable.path
            assert np.any(after != value), variable.path


def is_idle(variable, model):
    """Says whether what a variable adds is taken away behind it.

    Batch norms do so behind a convolution, a softmax to what all places have in common.
    """
    layer, name = variable.path.split("/")[-2:]
    normalised = f"{layer}_bn" in {each.name for each in model.layers}
    idle = normalised or (model.name, layer) == OCR_REGIONS
    return (name == "bias" and idle) or bool(IDLE.search(variable.path))


def test_a_saved_network_needs_no_custom_objects(model, saved):
    restored = keras.saving.load_model(saved)
    for size in SIZES:
        expected = logits_of(model, images(size))
        np.testing.assert_array_equal(logits_of(restored, images(size)), expected)


def test_a_saved_model_takes_any_size(model, tmp_path):
    model.export(tmp_path / "saved_model", verbose=False)
    restored = tf.saved_model.load(str(tmp_path / "saved_model"))
    for size in ((33, 47), (64, 32)):
        pixels = images(size)
        assert_close(
            restored.serve(tf.constant(pixels, "float32")).numpy(),
            logits_of(model, pixels),
        )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_gives_finite_float32_logits(name, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = build(name)
    finally:
        keras.config.set_dtype_policy("float32")
    half = policy.removeprefix("mixed_")
    computed = {layer.compute_dtype for layer in model.layers}
    assert half in computed
    result = model(images((33, 47)), training=False)
    assert result.dtype == "float32"
    assert np.all(np.isfinite(result))
    assert np.ptp(result) > 0


def test_a_fixed_size_and_another_class_count(name):
    model = build(name, num_classes=2, input_shape=(48, 32, 3))
    assert model.output_shape == (None, 48, 32, channels(name, 2))
    with pytest.raises(ValueError):
        model(np.zeros((1, 48, 33, 3), "float32"))


@pytest.mark.parametrize("num_classes", [1, 0, -3])
def test_fewer_than_two_classes_are_refused(name, num_classes):
    if channels(name) == 1:
        pytest.skip(f"{name} has no classes to count")
    with pytest.raises(ValueError, match=f"2 or more. Received: {num_classes}"):
        kseg.build(name, num_classes=num_classes)


def test_an_unknown_argument_lists_the_known(name):
    with pytest.raises(ValueError, match="'weights'.*mean 'weights'") as error:
        kseg.build(name, weight=None)
    assert f"argument of {name!r}" in str(error.value)


def test_an_unknown_network_lists_the_known():
    with pytest.raises(ValueError) as error:
        kseg.build("deeplabv3+")
    for name in kseg.names():
        assert repr(name) in str(error.value)


# One process for all networks: starting JAX takes longer than running most of them.
ON_JAX = """
import json
import sys
import traceback
import keras
import numpy as np
import kseg

def compare(path, arrays):
    model = kseg.load(path)
    with np.load(arrays) as file:
        actual, expected = model.predict_on_batch(file["images"]), file["logits"]
    assert actual.dtype == np.float32, actual.dtype
    np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())
    assert "jax" in sys.modules
    assert "tensorflow" not in sys.modules
    keras.backend.clear_session()

for line in sys.stdin:
    try:
        compare(*json.loads(line))
        print(json.dumps("equal"), flush=True)
    except Exception:
        print(json.dumps(traceback.format_exc()), flush=True)
"""


def python_with_jax():
    """Returns an interpreter that has JAX: this one, or that of `make test-jax`."""
    if importlib.util.find_spec("jax"):
        return sys.executable
    other = REPOSITORY / ".venv-jax" / "bin" / "python"
    return str(other) if other.is_file() else None


@pytest.fixture(scope="module")
def jax():
    """A process that compares saved networks with logits, on JAX."""
    if python_with_jax() is None:
        pytest.skip("JAX is not installed")
    with subprocess.Popen(
        [python_with_jax(), "-c", ON_JAX],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.stdin.close()


def test_jax_gives_the_logits_of_tensorflow(model, saved, tmp_path, jax):
    pixels, arrays = images((33, 47)), tmp_path / "arrays.npz"
    np.savez(arrays, images=pixels, logits=logits_of(model, pixels))
    jax.stdin.write(json.dumps([str(saved), str(arrays)]) + "\n")
    jax.stdin.flush()
    assert json.loads(jax.stdout.readline() or '"JAX has ended"') == "equal"
