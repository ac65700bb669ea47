"""DeconvNet: its layers, its switches, and images of other sizes than the paper's."""

import keras
import numpy as np
import pytest
from every_network import settle

import kseg
from kseg.export import LiteRTModel, export_litert
from kseg.layers import MaxPoolingWithIndices, MaxUnpooling


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def logits_of(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def pixels(*size, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (1, *size, 3)).astype("float32")


def parameters(num_classes, fc, filters=64):
    """Adds up figure 2: convolutions with bias and batch norm, but the last."""
    one, two, four, eight = (n * filters for n in (1, 2, 4, 8))
    widths = [one] * 2 + [two] * 2 + [four] * 3 + [eight] * 6
    layers = list(zip([9] * 13, [3, *widths], widths, strict=False))
    layers += [(49, eight, fc), (1, fc, fc), (49, fc, eight)]
    widths = [eight] * 5 + [four] * 3 + [two] * 2 + [one] * 3
    layers += list(zip([9] * 13, [eight, *widths], widths, strict=False))
    total = sum(taps * a * b + 3 * b for taps, a, b in layers)
    return total + filters * num_classes + num_classes


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return kseg.build("deconvnet", num_classes=3, filters=4, fc_filters=8)


def test_the_layers_are_those_of_the_paper():
    """The authors' network, and the narrow one of SegNet's comparison."""
    assert parameters(21, 4096) == 251_805_653
    assert parameters(11, 1024) == 81_917_259 and parameters(21, 1024) == 81_917_909


@pytest.mark.parametrize("num_classes", [11, 21])
@pytest.mark.parametrize(("filters", "fc_filters"), [(4, 8), (3, 20), (64, 8)])
def test_the_parameters_are_counted(num_classes, filters, fc_filters):
    widths = dict(filters=filters, fc_filters=fc_filters)
    model = kseg.build("deconvnet", num_classes=num_classes, **widths)
    assert trainable(model) == parameters(num_classes, fc_filters, filters)


@pytest.mark.slow
def test_the_parameters_at_full_width():
    assert trainable(kseg.build("deconvnet", fc_filters=1024)) == 81_917_909
    assert trainable(kseg.build("deconvnet")) == 251_805_653


def test_the_maps_have_the_sizes_of_the_paper():
    model = kseg.build("deconvnet", filters=2, fc_filters=4, input_shape=(224, 224, 3))
    sizes = {
        "fc6_pad": 7, "fc6": 1, "fc7": 1, "fc6_deconv": 7,
        "unpool5": 14, "deconv5_3": 14, "unpool4": 28, "deconv4_3": 28,
        "unpool3": 56, "deconv3_3": 56, "unpool2": 112, "deconv2_2": 112,
        "unpool1": 224, "deconv1_2": 224, "seg_score": 224,
    }  # fmt: skip
    for name, size in sizes.items():
        assert model.get_layer(name).output.shape[1:3] == (size, size), name
    assert not [x for x in model.layers if isinstance(x, keras.layers.Dropout)]


def test_every_unpooling_has_the_switches_of_its_pooling(small):
    for layer in small.layers:
        if not isinstance(layer, MaxUnpooling):
            continue
        _, indices, reference = layer.input
        source = indices._keras_history.operation
        assert isinstance(source, MaxPoolingWithIndices)
        assert source.name == f"block{layer.name[-1]}_pool"
        assert source.input is reference


@pytest.mark.parametrize("size", [(1, 1), (33, 47), (193, 230), (225, 224)])
def test_any_size_comes_back(small, size):
    result = logits_of(small, pixels(*size))
    assert result.shape == (1, *size, 3)
    assert np.all(np.isfinite(result)) and (np.ptp(result) > 0 or size == (1, 1))


def test_larger_images_are_seen_by_more_windows(small):
    """Of 224 + 32 pixels `fc6` makes two, the first as of the first 224 alone."""
    fc6 = keras.Model(small.input, small.get_layer("fc6").output)
    image = pixels(224, 256)
    # The encoder pads at the border that the smaller image has in another place.
    c5 = keras.Model(small.input, small.get_layer("block5_pool").output[0])
    maps = keras.ops.convert_to_numpy(c5(image))
    result = logits_of(fc6, image)
    assert maps.shape[1:3] == (7, 8) and result.shape[1:3] == (1, 2)
    for i in range(2):
        alone = small.get_layer("fc6")(maps[:, :, i : i + 7])
        np.testing.assert_allclose(result[:, :, i : i + 1], alone, rtol=1e-3, atol=1e-3)


def write_h5(path, model, names):
    """Writes the convolutions as `keras.applications.VGG16` publishes them."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in names]
        for name in names:
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"kernel:0", b"bias:0"]
            for key, array in zip(
                ("kernel:0", "bias:0"), model.get_layer(name).get_weights(), strict=True
            ):
                group[key] = array


def test_vgg16_goes_into_the_encoder_and_the_dense_layers_start_anew(
    small, tmp_path, caplog
):
    path = tmp_path / "vgg16.h5"
    names = [
        layer.name
        for layer in small.layers
        if layer.name.startswith("block") and isinstance(layer, keras.layers.Conv2D)
    ]
    assert len(names) == 13
    write_h5(path, small, names)
    model = kseg.build(
        "deconvnet", num_classes=5, filters=4, fc_filters=8, weights=path
    )
    assert "fc6 and fc7" in caplog.text
    for name in names[1:]:
        for ours, theirs in zip(
            model.get_layer(name).get_weights(),
            small.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)
    first = [m.get_layer(names[0]).get_weights()[0] for m in (model, small)]
    np.testing.assert_array_equal(first[0], first[1][:, :, ::-1])  # of BGR images


@pytest.mark.slow
def test_litert_files_give_the_logits_of_the_network(small, tmp_path):
    model = keras.models.clone_model(small)
    model.set_weights(small.get_weights())
    images = np.concatenate([pixels(40, 50, seed=i) for i in range(6)])
    settle(model, images)
    images = images.astype("uint8")
    expected = logits_of(model, images[:1].astype("float32"))[0]
    path = export_litert(model, tmp_path / "a.tflite", (40, 50))
    actual = LiteRTModel(path).predict(images[0])
    np.testing.assert_allclose(actual, expected, atol=1e-3 * np.abs(expected).max())

    # Untrained maxima are near ties, which rounding may settle otherwise.
    for precision in ("float16", "dynamic_range", "int8"):
        path = tmp_path / f"{precision}.tflite"
        export_litert(model, path, (40, 50), precision, calibration=images)
        actual = LiteRTModel(path).predict(images[0])
        assert np.corrcoef(actual.ravel(), expected.ravel())[0, 1] > 0.3


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match="2 or more. Received: 1"):
        kseg.build("deconvnet", num_classes=1)
