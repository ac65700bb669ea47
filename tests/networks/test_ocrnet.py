import logging

import keras
import numpy as np
import pytest

import kseg
from kseg.losses import CrossEntropy
from kseg.training import parts

# At 21 classes, and what every class adds: rows of two classifiers and their biases.
TRAINABLE = {
    "hrnet_w18_small_v1": (3_842_278 + 2 * 754, 241 + 513),
    "hrnet_w18_small_v2": (6_379_278 + 2 * 784, 271 + 513),
    "hrnet_w48": (70_375_146, 721 + 513),
    "resnet101_beta": (57_988_586, 513 + 513),
}
SMALL = dict(backbone="hrnet_w18_small_v1", num_classes=3, filters=16, key_filters=8)


def count(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


def taps(model, *names):
    return keras.Model(model.input, [model.get_layer(name).output for name in names])


def images(*size, batch=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (batch, *size, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = kseg.build("ocrnet", **SMALL)
    # The statistics of a batch, so that no map is at rest or beyond all bounds.
    norms = [layer for layer in model.layers if hasattr(layer, "moving_mean")]
    for norm in norms:
        norm.momentum = 0.0
    model(images(64, 96), training=True)
    for norm in norms:
        norm.momentum = 0.9
    return model


@pytest.mark.parametrize("backbone", TRAINABLE)
def test_the_parameters_are_those_of_the_authors_network(backbone):
    model = kseg.build("ocrnet", num_classes=21, backbone=backbone)
    total, per_class = TRAINABLE[backbone]
    assert count(model.trainable_variables) == total
    rows = [
        model.get_layer(name).trainable_variables for name in ("classifier", "regions")
    ]
    assert sum(map(count, rows)) == 21 * per_class


def test_another_class_count_changes_the_classifiers_alone():
    model = kseg.build("ocrnet", num_classes=19, backbone="hrnet_w18_small_v1")
    assert count(model.trainable_variables) == 3_842_278


def numpy_conv(x, model, name):
    """Applies a 1x1 convolution, batch norm and ReLU, as matrices."""
    kernel = np.asarray(model.get_layer(name).kernel, "float64")[0, 0]
    norm = model.get_layer(f"{name}_bn")
    gamma, beta, mean, variance = (np.asarray(v, "float64") for v in norm.weights)
    x = (x @ kernel - mean) / np.sqrt(variance + 1e-5) * gamma + beta
    return np.maximum(x, 0)


def softmax(x, axis):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def test_the_context_is_that_of_the_paper(model):
    """Section 3.2 in NumPy, from the pixel representations and the soft regions."""
    names = ["pixels_relu", "regions", "context_relu", "fuse_relu", "classifier"]
    outputs = taps(model, *names)(images(33, 50), training=False)
    pixels, regions, context, fused, scores = (
        np.asarray(x, "float64") for x in outputs
    )
    pixels, regions = pixels.reshape(2, 9 * 13, 16), regions.reshape(2, 9 * 13, 3)

    shares = softmax(regions, axis=1)
    objects = np.einsum("bpk,bpc->bkc", shares, pixels)
    query = numpy_conv(numpy_conv(pixels, model, "query_1"), model, "query_2")
    key = numpy_conv(numpy_conv(objects, model, "key_1"), model, "key_2")
    value = numpy_conv(objects, model, "value")
    relation = softmax(np.einsum("bpc,bkc->bpk", query, key) / np.sqrt(8), axis=2)
    expected = numpy_conv(np.einsum("bpk,bkc->bpc", relation, value), model, "context")
    actual = context.reshape(2, 9 * 13, 16)
    np.testing.assert_allclose(actual, expected, atol=1e-4 * expected.max())
    # The inputs are such that both kinds of softmax matter.
    assert shares.max() > 3 / (9 * 13)
    assert 0.05 < relation.std() and relation.max() < 1
    assert np.ptp(objects, axis=1).max() > 0.1 * objects.max()

    expected = np.concatenate([expected, pixels], axis=2)
    expected = numpy_conv(expected, model, "fuse")
    actual = fused.reshape(2, 9 * 13, 16)
    np.testing.assert_allclose(actual, expected, atol=1e-4 * expected.max())
    assert scores.shape == (2, 9, 13, 3)


def test_the_auxiliary_logits_are_the_regions_at_the_size_of_the_image(model):
    auxiliary, regions = taps(model, "auxiliary", "regions")(images(33, 50))
    assert auxiliary.shape == (2, 33, 50, 3)
    assert auxiliary.dtype == regions.dtype == "float32"
    resized = keras.ops.image.resize(regions, (33, 50), data_format="channels_last")
    np.testing.assert_allclose(auxiliary, resized, atol=1e-4 * np.ptp(auxiliary))


@pytest.mark.parametrize("input_shape", [(None, None, 3), (32, 48, 3)])
def test_the_auxiliary_loss_trains_the_regions(input_shape):
    """Only this loss sees what all pixels of a class have in common: the bias."""
    network = kseg.build("ocrnet", input_shape=input_shape, **SMALL)
    trained, factors = parts.add_heads(network, outputs=["auxiliary"], weight=0.4)
    assert factors == {"logits": 1.0, "auxiliary": 0.4}
    loss = CrossEntropy()
    trained.compile(
        keras.optimizers.SGD(0.1),
        loss=dict.fromkeys(factors, loss),
        loss_weights=factors,
        run_eagerly=True,
    )
    bias = network.get_layer("regions").bias
    before = keras.ops.convert_to_numpy(bias)
    pixels, masks = images(32, 48), np.zeros((2, 32, 48), "uint8")
    masks[:, :4] = 255
    outputs = trained(pixels, training=False)
    np.testing.assert_array_equal(outputs["logits"], network(pixels, training=False))
    total, *_ = trained.train_on_batch(pixels, dict.fromkeys(factors, masks))
    assert np.isfinite(total)
    moved = keras.ops.convert_to_numpy(bias) - before
    assert moved[0] > 1e-3 > 0 > moved[1:].max()  # all masks are of class 0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_softmax_over_space_is_in_float32(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = kseg.build("ocrnet", **SMALL)
    finally:
        keras.config.set_dtype_policy("float32")
    half = policy.removeprefix("mixed_")
    dtypes = {
        name: model.get_layer(name).compute_dtype
        for name in ("pixels", "regions", "objects", "key_1", "attention", "auxiliary")
    }
    assert dtypes == {
        "pixels": half,
        "regions": "float32",
        "objects": "float32",
        "key_1": half,
        "attention": half,
        "auxiliary": "float32",
    }


def test_a_dilated_resnet_guesses_the_regions_one_stage_early():
    model = kseg.build("ocrnet", **{**SMALL, "backbone": "resnet50_beta"})
    names = ["regions_conv", "pixels", "regions", "classifier", "auxiliary"]
    outputs = taps(model, *names)(images(33, 50, batch=1), training=False)
    assert [x.shape[1:3] for x in outputs] == 4 * [(5, 7)] + [(33, 50)]
    early, late = (model.get_layer(name).kernel.shape for name in names[:2])
    assert early == (3, 3, 1024, 16)
    assert late == (3, 3, 2048, 16)
    dropped = [x for x in model.layers if isinstance(x, keras.layers.SpatialDropout2D)]
    assert [x.name for x in dropped] == ["regions_dropout", "dropout"]
    assert {x.rate for x in dropped} == {0.05}


def test_a_checkpoint_of_other_classes_spares_both_classifiers(model, tmp_path, caplog):
    path = tmp_path / "ocrnet.keras"
    model.save(path)
    with caplog.at_level(logging.WARNING, "kseg"):
        other = kseg.build("ocrnet", **{**SMALL, "num_classes": 4}, weights=str(path))
    assert "regions: " in caplog.text and "classifier: " in caplog.text
    here = {v.path: v for v in other.variables}
    for variable in model.variables:
        if not variable.path.startswith(("regions/", "classifier/", "seed")):
            np.testing.assert_array_equal(here[variable.path], variable)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (dict(num_classes=1), "`num_classes` must be 2 or more. Received: 1"),
        (dict(backbone="hrnet_w19"), "Did you mean 'hrnet_w18'"),
        (dict(weights="imagenet"), "Received: backbone='hrnet_w48'"),
    ],
)
def test_wrong_arguments_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build("ocrnet", **argument)
