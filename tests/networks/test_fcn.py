import functools
import logging

import keras
import numpy as np
import pytest
from keras import layers

import kseg

MEAN = (123.68, 116.779, 103.939)  # becomes zero inside
VGG16 = ["fcn32s", "fcn16s", "fcn8s"]
FORMS = [*((name, "vgg16") for name in VGG16), ("fcn32s", "alexnet")]
PADDINGS = ["caffe", "same"]


def build(name, **options):
    options = dict(num_classes=3, fc_filters=8) | options
    return kseg.build(name, **options)


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def logits_of(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def randomise(model, seed=0):
    """Gives all that is zero at first, scores and biases, a value."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if "score" in variable.path or variable.name == "bias":
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


# Parameters.

PUBLISHED = {  # sums over the authors' prototxts; GoogLeNet over Caffe's model
    ("fcn32s", "vgg16"): {21: 134_346_581, 11: 134_305_611},
    ("fcn16s", "vgg16"): {21: 134_357_354, 11: 134_311_254},
    ("fcn8s", "vgg16"): {21: 134_362_751, 11: 134_314_081},
    ("fcn32s", "alexnet"): {21: 56_954_261, 11: 56_913_291},
    ("fcn32s", "googlenet"): {21: 5_995_077, 11: 5_984_827},
}
FIXED = {("fcn32s", "vgg16"): 136_152_917, ("fcn16s", "vgg16"): 134_815_994} | {
    ("fcn8s", "vgg16"): 134_489_759
}


def parameters(name, backbone, num_classes, filters):
    """Adds up the layers."""
    last = 1024 if backbone == "googlenet" else filters
    total = {"vgg16": 14_714_688, "alexnet": 2_334_080, "googlenet": 5_973_552}[
        backbone
    ]
    if backbone != "googlenet":
        cells = {"vgg16": 7 * 7 * 512, "alexnet": 6 * 6 * 256}[backbone]
        total += (cells + 1) * filters + (filters + 1) * filters
    scored = [last, *{"fcn32s": [], "fcn16s": [512], "fcn8s": [512, 256]}[name]]
    return total + sum((channels + 1) * num_classes for channels in scored)


@pytest.mark.parametrize("form", PUBLISHED)
def test_the_parameters_are_those_of_the_authors(form):
    """Of narrow dense layers here; all of them are built in the slow test below."""
    for num_classes, count in PUBLISHED[form].items():
        assert parameters(*form, num_classes, 4096) == count
    name, backbone = form
    model = build(name, backbone=backbone, num_classes=11, fc_filters=16)
    assert trainable(model) == parameters(*form, 11, 16)


@pytest.mark.slow
@pytest.mark.parametrize("form", PUBLISHED)
def test_the_defaults_are_the_authors_networks(form):
    name, backbone = form
    model = kseg.build(name, backbone=backbone)
    assert trainable(model) == PUBLISHED[form][21]
    if form in FIXED:
        assert model.count_params() == FIXED[form]
    assert model.output_shape == (None, None, None, 21)


@pytest.mark.parametrize(("name", "steps"), [("fcn16s", 1), ("fcn8s", 2)])
def test_the_papers_form_learns_all_enlargements_but_the_last(name, steps):
    fixed, learned = build(name), build(name, learned_upsampling=True)
    assert trainable(learned) - trainable(fixed) == steps * 4 * 4 * 3 * 3
    (last,) = [v.path for v in learned.non_trainable_variables if v.name == "kernel"]
    assert last == f"upscore{16 if name == 'fcn16s' else 8}/kernel"


# Sizes.


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("name", "backbone"), [*FORMS, ("fcn32s", "googlenet")])
def test_every_size_from_one_pixel_on_has_its_logits(name, backbone, padding):
    model = build(name, backbone=backbone, padding=padding)
    for height, width in ((1, 500), (31, 32), (33, 34), (63, 64), (65, 2)):
        shape = (1, height, width, 3)
        assert model.compute_output_shape(shape) == (1, height, width, 3)
    for size in ((1, 1), (2, 33)):
        assert logits_of(model, np.zeros((1, *size, 3))).shape == (1, *size, 3)


def test_the_maps_of_500_pixels_have_the_authors_sizes():
    expected = {
        "fcn32s": {"score_fr": 16, "upscore": 544},
        "fcn16s": {"score_fr": 16, "upscore2": 34, "fuse_pool4": 34, "upscore16": 560},
        "fcn8s": {"upscore2": 34, "upscore_pool4": 70, "fuse_pool3": 70}
        | {"score_pool4": 44, "score_pool3": 88, "upscore8": 568},
    }
    for name, sizes in expected.items():
        model = build(name, input_shape=(500, 500, 3))
        found = {layer: model.get_layer(layer).output.shape[1] for layer in sizes}
        assert found == sizes


# Alignment.


@functools.lru_cache(1)
def ruler(name, backbone="vgg16", padding="caffe"):
    """A network that tells where its cells look.

    Its convolutions hand on channel 0 and 1 of their middle. With a ramp in the
    first that rises and one in the second that falls, the poolings keep the last
    and the first pixel that a cell reaches, and a score is the middle of both.
    """
    model = build(name, backbone=backbone, padding=padding)
    for layer in model.layers:
        if layer.name.startswith("norm") and hasattr(layer, "alpha"):
            layer.alpha = 0.0
        if type(layer) is not layers.Conv2D:
            continue
        kernel = np.zeros(layer.kernel.shape, "float32")
        side = kernel.shape[0]
        middle = slice((side - 1) // 2, side // 2 + 1)
        share = 1 / len(range(side)[middle]) ** 2
        if layer.name.startswith("score"):
            kernel[0, 0, :2, 0] = 0.5, -0.5
            kernel[0, 0, :2, 1] = 0.5, 0.5
        else:
            kernel[middle, middle, 0, 0] = kernel[middle, middle, 1, 1] = share
        layer.kernel.assign(kernel)
    return model


def ramps(axis):
    """An image of 64x176, or 176x64, far above the mean colour, which is around it."""
    at = np.arange(176, dtype="float32")
    image = np.zeros((1, 64, 176, 3), "float32")
    image[..., 0], image[..., 1] = 1000 + at, 1000 - at
    image += np.array(MEAN, "float32")
    return image if axis == 1 else image.swapaxes(1, 2)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("name", "backbone", "padding", "layer", "stride", "first"),
    [
        ("fcn8s", "vgg16", "caffe", "score_fr", 32, 12.5),
        ("fcn8s", "vgg16", "caffe", "score_pool4", 16, -91.5),
        ("fcn8s", "vgg16", "caffe", "score_pool3", 8, -95.5),
        ("fcn8s", "vgg16", "caffe", "upscore2", 16, -11.5),
        ("fcn8s", "vgg16", "same", "score_fr", 32, 15.5),
        ("fcn8s", "vgg16", "same", "score_pool4", 16, 7.5),
        ("fcn8s", "vgg16", "same", "score_pool3", 8, 3.5),
        ("fcn32s", "alexnet", "caffe", "score_fr", 32, 13),
        ("fcn32s", "alexnet", "same", "score_fr", 32, 15),
        ("fcn32s", "googlenet", "caffe", "score_fr", 32, 15),
    ],
)
def test_cells_look_where_the_table_says(
    name, backbone, padding, layer, stride, first, axis
):
    model = ruler(name, backbone, padding)
    map_ = keras.Model(model.input, model.get_layer(layer).output)
    scores = logits_of(map_, ramps(axis))[0]
    at = [first + stride * np.arange(side) for side in scores.shape[:2]]
    inside = (at[axis] > 45) & (at[axis] < 130)  # all of a cell and of its neighbours
    assert inside.sum() >= 2
    across = np.abs(at[1 - axis] - 32).argmin()
    scores = scores.take(across, 1 - axis)[inside, 0]
    np.testing.assert_allclose(scores, at[axis][inside], atol=0.01)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("name", "backbone"), [*FORMS, ("fcn32s", "googlenet")])
def test_scores_of_every_stride_come_out_where_they_belong(
    name, backbone, padding, axis
):
    """Each adds its pixel's number: an offset off by one would show as that."""
    model = ruler(name, backbone, padding)
    logits = logits_of(model, ramps(axis))[0, ..., 0].take(32, 1 - axis)
    inner = slice(60, 109)  # between cells that see nothing of what is around
    maps = {"fcn32s": 1, "fcn16s": 2, "fcn8s": 3}[name]
    expected = maps * np.arange(len(logits))[inner]
    np.testing.assert_allclose(logits[inner], expected, atol=0.02)


@pytest.mark.parametrize("name", ["fcn32s", "fcn8s"])
def test_an_image_moved_by_32_pixels_has_its_logits_moved(name):
    model = build(name)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name in ("score_fr", "score_pool4", "score_pool3"):
            layer.kernel.assign(rng.normal(0, 1, layer.kernel.shape))
    patch = rng.uniform(0, 255, (32, 32, 3))

    def logits(top, left):
        image = np.full((1, 128, 128, 3), MEAN, "float32")
        image[0, top : top + 32, left : left + 32] = patch
        return logits_of(model, image)[0]

    # Near the border, where there are no more cells, scores fade.
    here, there = logits(35, 60), logits(67, 28)
    inner = here[32:-64, 64:-32], there[64:-32, 32:-64]
    assert inner[0].std() > 0.1
    np.testing.assert_allclose(*inner, atol=1e-4 * np.abs(here).max())
    moved_by_16 = logits(51, 44)[48:-48, 48:-48]
    assert np.abs(moved_by_16 - inner[0]).max() > 0.1


# Scores of the skips.


@pytest.mark.parametrize(
    ("name", "score", "scale"),
    [
        ("fcn16s", "score_pool4", 0.01),
        ("fcn8s", "score_pool4", 0.01),
        ("fcn8s", "score_pool3", 0.0001),
    ],
)
def test_at_once_scales_the_maps_in_front_of_their_scores(name, score, scale):
    staged, at_once = (
        build(name, padding="same"),
        build(name, padding="same", at_once=True),
    )
    rng = np.random.default_rng(0)
    staged.get_layer(score).kernel.assign(
        rng.normal(0, 1, staged.get_layer(score).kernel.shape)
    )
    at_once.set_weights(staged.get_weights())
    image = rng.uniform(0, 255, (1, 40, 50, 3))
    expected = logits_of(staged, image)
    assert expected.std() > 0.1
    atol = 1e-5 * scale * np.abs(expected).max()
    np.testing.assert_allclose(logits_of(at_once, image), scale * expected, atol=atol)


@pytest.mark.parametrize("name", VGG16)
def test_all_scores_start_at_zero(name):
    """As in the authors' files, where the score layers name no filler."""
    model = build(name, padding="same")
    assert not logits_of(model, np.full((1, 33, 33, 3), 200.0)).any()


# Warm starts.


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A trained-looking network of each stride, and its file."""
    folder = tmp_path_factory.mktemp("checkpoints")
    made = {}
    for name in VGG16:
        model = randomise(build(name, padding="same"))
        model.save(folder / f"{name}.keras")
        made[name] = model, folder / f"{name}.keras"
    return made


def enlargement(size, factor, first):
    """A matrix from `size` cells to pixels: a tent of each cell, from `first` on."""
    centres = factor * np.arange(size) + (2 * factor - 1) / 2 - first
    pixels = np.arange(factor * size)[:, np.newaxis]
    return np.maximum(0, 1 - np.abs(pixels - centres) / factor)


@pytest.mark.parametrize(
    ("name", "predecessor", "new", "factors"),
    [
        ("fcn16s", "fcn32s", ["score_pool4", "upscore16", "upscore2"], (2, 16)),
        ("fcn8s", "fcn16s", ["score_pool3", "upscore8", "upscore_pool4"], None),
        (
            "fcn8s",
            "fcn32s",
            ["score_pool3", "score_pool4", "upscore2", "upscore8", "upscore_pool4"],
            (2, 2, 8),
        ),
    ],
)
def test_a_warm_start_predicts_the_predecessors_scores(
    checkpoints, caplog, name, predecessor, new, factors
):
    source, path = checkpoints[predecessor]
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build(name, padding="same", weights=path)
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"{path}: a {predecessor!r}" in message
    assert message.endswith(f"start anew: {', '.join(new)}")

    for layer in model.layers:
        if layer.weights and layer.name not in new:
            expected = source.get_layer(layer.name).get_weights()
            for a, b in zip(layer.get_weights(), expected, strict=True):
                np.testing.assert_array_equal(a, b)

    image = np.random.default_rng(0).uniform(0, 255, (1, 96, 128, 3))
    logits = logits_of(model, image)[0]
    assert logits.std() > 1e-3
    if factors is None:  # fused scores of stride 16, then 2 and 8 in place of 16
        scores, factors = "fuse_pool4", (2, 8)
    else:
        scores = "score_fr"
    scores = keras.Model(source.input, source.get_layer(scores).output)
    expected = logits_of(scores, image)[0]
    for factor in factors:
        for axis in (0, 1):
            size = expected.shape[axis]
            # The scores at the border go on beyond it.
            matrix = enlargement(size + 2, factor, factor // 2)
            matrix = matrix[factor : factor * (size + 1)]
            matrix[:, 1] += matrix[:, 0]
            matrix[:, -2] += matrix[:, -1]
            matrix = matrix[:, 1:-1]
            expected = np.moveaxis(np.tensordot(matrix, expected, (1, axis)), 0, axis)
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


def test_a_warm_start_of_another_class_count_keeps_what_it_can(checkpoints, caplog):
    source, path = checkpoints["fcn16s"]
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build("fcn8s", padding="same", num_classes=4, weights=path)
    head, new = [record.getMessage() for record in caplog.records]
    for name in ("score_fr", "score_pool4", "upscore2"):
        assert f"{name}: " in head
    assert "score_pool3" in new and "score_fr" not in new
    for a, b in zip(
        model.get_layer("fc6").get_weights(),
        source.get_layer("fc6").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert not model.get_layer("score_fr").get_weights()[0].any()


def test_both_paddings_share_their_weights(checkpoints, caplog):
    source, path = checkpoints["fcn8s"]
    model = build("fcn8s", padding="caffe", weights=path)
    for a, b in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert caplog.records == []


def test_a_successor_is_no_predecessor(checkpoints):
    with pytest.raises(ValueError, match="'fcn16s' or 'fcn32s',.* a 'fcn8s'"):
        build("fcn16s", weights=checkpoints["fcn8s"][1])


def test_a_predecessor_on_another_backbone_is_refused(tmp_path):
    path = tmp_path / "googlenet.keras"
    build("fcn32s", backbone="googlenet").save(path)
    with pytest.raises(ValueError, match="only the file has: .*'conv1'") as error:
        build("fcn16s", weights=path)
    assert "'fcn16s' or 'fcn32s'" in str(error.value)


def test_published_weights_fill_the_convolutions(reference, caplog):
    path = reference / "weights" / "vgg16_imagenet_notop_float16.h5"
    if not path.is_file():
        pytest.skip("the ImageNet weights of VGG16 are not there")
    with caplog.at_level(logging.WARNING, "kseg"):
        model = build("fcn8s", weights=str(path))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "fc6 and fc7 start from random weights" in message
    theirs = keras.applications.VGG16(include_top=False, weights=str(path))
    ours = model.get_layer("block4_conv2").get_weights()
    for a, b in zip(ours, theirs.get_layer("block4_conv2").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# Wrong arguments.


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("fcn32s", dict(padding="valid"), "'caffe' or 'same'. Received: 'valid'"),
        ("fcn32s", dict(backbone="alexnt"), "mean 'alexnet'"),
        ("fcn8s", dict(backbone="alexnet"), r"\['vgg16'\]. Received: 'alexnet'"),
        ("fcn16s", dict(num_classes=1), "2 or more. Received: 1"),
        ("fcn32s", dict(backbone="alexnet", weights="imagenet"), "backbone='alexnet'"),
    ],
)
def test_wrong_arguments_are_refused(name, argument, message):
    with pytest.raises(ValueError, match=message):
        kseg.build(name, **argument)


@pytest.mark.parametrize("name", ["fcn16s", "fcn8s"])
def test_weights_of_other_scales_are_refused(checkpoints, name):
    _, path = checkpoints["fcn16s"]
    with pytest.raises(ValueError, match="same options.*'score_pool4'.*Rescaling"):
        build(name, padding="same", at_once=True, weights=path)


@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s"])
def test_scores_do_not_fade_at_the_border(name):
    model = build(name, padding="same")
    for layer in model.layers:
        if layer.name.startswith("score_") and layer.weights:
            layer.set_weights([np.zeros(w.shape) for w in layer.weights])
    score = model.get_layer("score_fr")
    score.set_weights([score.get_weights()[0], np.ones(score.bias.shape)])
    logits = model(np.zeros((1, 50, 70, 3), "float32"), training=False)
    np.testing.assert_allclose(logits, 1, atol=1e-5)


def test_channels_that_imagenet_cannot_be_thinned_to_are_refused_first():
    with pytest.raises(ValueError, match="`fc_filters` must divide 4096.*1000"):
        kseg.build("fcn8s", weights="imagenet", fc_filters=1000)
