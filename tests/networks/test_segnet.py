"""SegNet, SegNet-Basic and the paper's eight decoders."""

import keras
import numpy as np
import pytest
from every_network import settle

import kseg
from kseg.export import LiteRTModel, export_litert
from kseg.layers import MaxPoolingWithIndices, MaxUnpooling, ResizeLike

# Table 1 of the paper.
DECODERS = [
    "max_indices",
    "encoder_addition",
    "single_channel",
    "bilinear",
    "fcn",
    "fcn_no_addition",
    "fcn_no_dim_reduction",
    "fcn_no_addition_no_dim_reduction",
]
SMALL = dict(num_classes=3, filters=4)


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def names_of(model, kind):
    return {layer.name for layer in model.layers if isinstance(layer, kind)}


def pixels(*size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (1, *size, 3)).astype("float32")


def logits_of(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def parameters(decoder, k):
    """Adds up the paper's layers for k classes; convolutions have biases."""
    norm, width = 2 * 64, 64
    encoder = (49 * 3 * width + width + norm) + 3 * (49 * width**2 + width + norm)
    score = width * k + k
    return encoder + {
        "max_indices": 4 * (49 * width**2 + width + norm) + score,
        "encoder_addition": 4 * (49 * width**2 + width + norm) + score,
        "single_channel": 4 * (49 * width + width + norm) + score,
        "bilinear": score,
        "fcn": 4 * score + 4 * 64 * k**2,
        "fcn_no_addition": score + 4 * 64 * k**2,
        "fcn_no_dim_reduction": 4 * 64 * width**2 + score,
        "fcn_no_addition_no_dim_reduction": 4 * 64 * width**2 + score,
    }[decoder]  # fmt: skip


@pytest.fixture(scope="module")
def basic():
    """SegNet-Basic with every decoder, small."""
    keras.utils.set_random_seed(0)
    return {d: kseg.build("segnet_basic", decoder=d, **SMALL) for d in DECODERS}


@pytest.mark.parametrize(
    ("num_classes", "expected"), [(11, 29_449_355), (21, 29_455_125)]
)
def test_segnet_has_the_parameters_of_the_authors_network(num_classes, expected):
    assert trainable(kseg.build("segnet", num_classes=num_classes)) == expected


@pytest.mark.parametrize("num_classes", [11, 21])
@pytest.mark.parametrize("decoder", DECODERS)
def test_the_decoders_have_the_parameters_of_their_layers(decoder, num_classes):
    model = kseg.build("segnet_basic", num_classes=num_classes, decoder=decoder)
    assert trainable(model) == parameters(decoder, num_classes)
    if decoder == "max_indices":  # segnet_basic_train.prototxt
        assert trainable(model) == {11: 1_416_587, 21: 1_417_237}[num_classes]


def test_the_maps_have_the_sizes_of_the_paper():
    """CamVid's 360 rows halve to 180, 90, 45, 23 and 12, and come back so."""
    segnet = kseg.build("segnet", filters=2, input_shape=(360, 480, 3))
    for stage, size in enumerate([(180, 240), (90, 120), (45, 60), (23, 30), (12, 15)]):
        pooled, indices = segnet.get_layer(f"block{stage + 1}_pool").output
        assert pooled.shape[1:3] == indices.shape[1:3] == size
        unpooled = segnet.get_layer(f"upsample{stage + 1}").output
        assert unpooled.shape == segnet.get_layer(f"block{stage + 1}_pool").input.shape


def test_segnet_mirrors_its_encoder():
    model = kseg.build("segnet", filters=2)
    widths = {
        layer.name: layer.filters
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.name.endswith("_D")
    }
    assert widths == {
        "conv5_3_D": 16, "conv5_2_D": 16, "conv5_1_D": 16,
        "conv4_3_D": 16, "conv4_2_D": 16, "conv4_1_D": 8,
        "conv3_3_D": 8, "conv3_2_D": 8, "conv3_1_D": 4,
        "conv2_2_D": 4, "conv2_1_D": 2, "conv1_2_D": 2, "conv1_1_D": 21,
    }  # fmt: skip
    behind = model.layers[[x.name for x in model.layers].index("conv1_1_D") + 1 :]
    assert behind == []  # neither batch norm nor ReLU


def test_decoders_of_segnet_basic_have_no_relu(basic):
    model = basic["max_indices"]
    assert names_of(model, keras.layers.ReLU) == {f"conv{i}_relu" for i in range(1, 5)}


@pytest.mark.parametrize("decoder", DECODERS)
def test_decoders_take_from_the_encoder_what_the_paper_says(basic, decoder):
    """Indices in the first three; maps where there is addition; else only the last."""
    model = basic[decoder]
    unpooling = decoder in DECODERS[:3]
    places = {f"pool{i}" for i in range(1, 5)}
    assert names_of(model, MaxPoolingWithIndices) == (places if unpooling else set())
    ups = {f"upsample{i}" for i in range(1, 5)}
    assert names_of(model, MaxUnpooling) == (ups if unpooling else set())
    adding = {f"add{i}" for i in range(1, 4)}
    if decoder not in ("encoder_addition", "fcn", "fcn_no_dim_reduction"):
        adding = set()
    assert names_of(model, keras.layers.Add) == adding
    for name in adding:
        coming, kept = model.get_layer(name).input
        assert coming.shape[-1] == kept.shape[-1] == (3 if decoder == "fcn" else 4)
        origin = kept._keras_history.operation.name
        assert origin == name.replace("add", "score" if decoder == "fcn" else "pool")
    reduced = {"bilinear": {4}, "fcn": {1, 2, 3, 4}, "fcn_no_addition": {4}}
    scores = {layer.name for layer in model.layers if layer.name.startswith("score")}
    assert scores == {f"score{i}" for i in reduced.get(decoder, ())}


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 48)])
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_gives_logits_at_the_size_of_the_image(basic, decoder, size):
    result = logits_of(basic[decoder], pixels(*size))
    assert result.shape == (1, *size, 3)
    assert result.dtype == np.float32
    assert np.all(np.isfinite(result))
    assert np.ptp(result) > 0 or size == (1, 1)


def test_a_single_channel_sees_no_other(basic):
    model = basic["single_channel"]
    decoded = model.get_layer("conv_decode4")
    x = np.random.default_rng(0).normal(size=(1, 9, 9, 4)).astype("float32")
    before = keras.ops.convert_to_numpy(decoded(x))
    x[..., 2] = 0
    changed = np.ptp(keras.ops.convert_to_numpy(decoded(x)) - before, axis=(0, 1, 2))
    assert (changed > 0).tolist() == [False, False, True, False]


@pytest.mark.parametrize("decoder", [d for d in DECODERS if d.startswith("fcn")])
def test_learned_enlarging_starts_as_bilinear_interpolation(basic, decoder):
    """Half-pixel centres: the even pixels lie a quarter before, the odd ones behind."""
    layer = basic[decoder].get_layer("upsample2")
    x = np.random.default_rng(0).normal(size=(1, 6, 7, layer.filters)).astype("float32")
    result = keras.ops.convert_to_numpy(layer(x))
    before = 0.25 * x[:, :-1] + 0.75 * x[:, 1:]
    behind = 0.75 * x[:, :-1] + 0.25 * x[:, 1:]
    rows = np.stack([behind, before], axis=2).reshape(1, 10, 7, -1)
    before = 0.25 * rows[:, :, :-1] + 0.75 * rows[:, :, 1:]
    behind = 0.75 * rows[:, :, :-1] + 0.25 * rows[:, :, 1:]
    expected = np.stack([behind, before], axis=3).reshape(1, 10, 12, -1)
    np.testing.assert_allclose(result[:, 1:-1, 1:-1], expected, atol=1e-5)
    assert layer.kernel.shape == (8, 8, layer.filters, layer.filters)
    assert layer.trainable_weights


def test_bilinear_enlarging_learns_nothing(basic):
    ups = [basic["bilinear"].get_layer(f"upsample{i}") for i in range(1, 5)]
    assert all(isinstance(up, ResizeLike) and not up.weights for up in ups)


def test_the_decoder_writes_where_the_encoder_found_the_maxima():
    """Section 3: nothing but the places of its maxima leads from encoder to decoder."""
    keras.utils.set_random_seed(0)
    model = kseg.build("segnet", num_classes=2, filters=2)
    names = ["block1_conv2_relu", "upsample1"]
    taps = keras.Model(model.input, [model.get_layer(name).output for name in names])
    full, unpooled = map(keras.ops.convert_to_numpy, taps(pixels(32, 48)))
    for i, j, c in np.ndindex(16, 24, 2):
        window = np.s_[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        written = np.flatnonzero(unpooled[window])
        assert written.tolist() in ([], [full[window].argmax()])
    assert 0.05 < np.mean(unpooled != 0) <= 0.25


def test_vgg16_from_imagenet_goes_into_the_encoder(reference):
    path = reference / "weights" / "vgg16_imagenet_notop_float16.h5"
    model = kseg.build("segnet", num_classes=5, weights=path)
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    vgg.load_weights(path)
    convolutions = [x for x in vgg.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(convolutions) == 13
    for layer in convolutions:
        kernel, bias = layer.get_weights()
        ours, our_bias = model.get_layer(layer.name).get_weights()
        if layer.name == "block1_conv1":
            kernel = kernel[:, :, ::-1]  # Caffe's images are BGR
        np.testing.assert_array_equal(ours, kernel)
        np.testing.assert_array_equal(our_bias, bias)

    # Before the first batch norm the two networks are one.
    image = pixels(20, 30)
    first = keras.Model(model.input, model.get_layer("block1_conv1").output)
    theirs = convolutions[0]
    theirs.activation = keras.activations.linear
    prepared = keras.applications.vgg16.preprocess_input(image.copy())
    expected = keras.ops.convert_to_numpy(theirs(prepared))
    np.testing.assert_allclose(logits_of(first, image), expected, atol=1e-2)
    assert np.ptp(expected) > 100


def test_dropout_makes_the_bayesian_networks():
    segnet = kseg.build("segnet", filters=2, dropout=0.5)
    assert names_of(segnet, keras.layers.Dropout) == {
        *(f"block{i}_dropout" for i in (3, 4, 5)),
        *(f"decoder{i}_dropout" for i in (3, 4, 5)),
    }
    for decoder in DECODERS:
        basic = kseg.build("segnet_basic", filters=2, dropout=0.5, decoder=decoder)
        found = names_of(basic, keras.layers.Dropout)
        on_scores = decoder in ("bilinear", "fcn", "fcn_no_addition")
        parts = ("encoder",) if on_scores else ("encoder", "decoder")
        assert found == {f"{part}{i}_dropout" for part in parts for i in (3, 4)}
    assert not names_of(kseg.build("segnet", filters=2), keras.layers.Dropout)
    for layer in segnet.layers:
        assert getattr(layer, "rate", 0.5) == 0.5


def test_checkpoints_with_and_without_dropout_are_one_network(tmp_path):
    plain = kseg.build("segnet_basic", **SMALL)
    plain.save(tmp_path / "plain.keras")
    bayesian = kseg.build(
        "segnet_basic", dropout=0.5, weights=tmp_path / "plain.keras", **SMALL
    )
    image = pixels(20, 30)
    np.testing.assert_array_equal(logits_of(bayesian, image), logits_of(plain, image))


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_is_saved_and_loaded(basic, decoder, tmp_path):
    model, image = basic[decoder], pixels(17, 30)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(logits_of(restored, image), logits_of(model, image))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["segnet", "segnet_basic"])
def test_litert_files_unpool_as_keras_does(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = kseg.build(name, **SMALL)
    size = (33, 46)
    images = np.concatenate([pixels(*size, seed=i) for i in range(6)])
    settle(model, images)
    images = images.astype("uint8")
    expected = logits_of(model, images[:1])[0]
    path = export_litert(model, tmp_path / "a.tflite", size)
    actual = LiteRTModel(path).predict(images[0])
    np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())
    # Untrained maxima are near ties, which rounding may settle otherwise.
    for precision in ("float16", "dynamic_range", "int8"):
        path = tmp_path / f"{precision}.tflite"
        export_litert(model, path, size, precision, calibration=images)
        actual = LiteRTModel(path).predict(images[0])
        for channel in range(3):
            pair = actual[..., channel].ravel(), expected[..., channel].ravel()
            assert np.corrcoef(*pair)[0, 1] > 0.3


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("segnet", dict(num_classes=1), "2 or more. Received: 1"),
        ("segnet_basic", dict(num_classes=1), "2 or more. Received: 1"),
        ("segnet_basic", dict(decoder="fcn_basic"), "'fcn_no_addition'.*mean 'fcn"),
        ("segnet_basic", dict(weights="imagenet"), "has no ImageNet weights"),
    ],
)
def test_wrong_arguments_are_refused(name, argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build(name, **argument)


def test_weights_of_another_decoder_are_refused(tmp_path):
    path = tmp_path / "segnet_basic.keras"
    kseg.build("segnet_basic", num_classes=3, filters=4).save(path)
    with pytest.raises(ValueError, match="same options.*Add"):
        kseg.build(
            "segnet_basic",
            num_classes=3,
            filters=4,
            decoder="encoder_addition",
            weights=path,
        )
