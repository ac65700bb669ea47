"""Augmentations as a layer, on any backend."""

import keras
import numpy as np
import pytest
from painted import classes_seen, inside, painted

from kseg.data.augment_layer import Augment

CHAIN = [{"name": "scale_crop", "scale": (0.7, 1.5)}, {"name": "flip"}]


def batch(size=3, **options):
    example = painted()
    images = np.stack([example.image] * size)
    masks = np.stack([example.mask] * size)
    return {"images": images, "segmentation_masks": masks, **options}


def arrays(outputs):
    return {k: keras.ops.convert_to_numpy(v) for k, v in outputs.items()}


def check(image, mask):
    apart = inside(mask, 2)
    assert (classes_seen(image) == mask)[apart].mean() > 0.999


def test_a_batch_is_augmented_each_in_its_own_way():
    layer = Augment(CHAIN, (60, 80), seed=1)
    first, second = arrays(layer(batch())), arrays(layer(batch()))
    assert first["images"].shape == (3, 60, 80, 3)
    for outputs in (first, second):
        for image, mask in zip(*outputs.values(), strict=True):
            check(image, mask)
    everything = [*first["images"], *second["images"]]
    assert len({image.tobytes() for image in everything}) == 6
    again = arrays(Augment(CHAIN, (60, 80), seed=1)(batch()))
    np.testing.assert_array_equal(again["images"], first["images"])
    other = arrays(Augment(CHAIN, (60, 80))(batch()))
    assert (other["images"] != first["images"]).any()


@pytest.mark.parametrize("channel", [(), (1,)])
@pytest.mark.parametrize("types", [("uint8", "uint8"), ("float32", "int32")])
def test_ranks_and_types_stay(channel, types):
    example = painted()
    inputs = {
        "images": example.image.astype(types[0]),
        "segmentation_masks": example.mask.reshape(150, 200, *channel).astype(types[1]),
        "weights": example.weights.reshape(150, 200, *channel),
    }
    outputs = arrays(Augment(CHAIN, (60, 80), seed=2)(inputs))
    assert list(outputs) == list(inputs)
    for key, array in outputs.items():
        assert array.dtype == inputs[key].dtype
        assert array.shape == (60, 80, *inputs[key].shape[2:])
    check(
        outputs["images"].astype("uint8"), outputs["segmentation_masks"].reshape(60, 80)
    )


def test_without_training_nothing_changes():
    outputs = arrays(Augment(CHAIN, (60, 80))(batch(), training=False))
    np.testing.assert_array_equal(outputs["images"], batch()["images"])


def test_it_can_be_saved():
    layer = Augment([*CHAIN, {"name": "jpeg", "probability": 0.5}], (60, 80), seed=3)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    one, two = arrays(layer(batch())), arrays(again(batch()))
    np.testing.assert_array_equal(one["images"], two["images"])
    with pytest.raises(ValueError, match="Only augmentations of kseg"):
        Augment([lambda example, rng: example]).get_config()


def test_symbolic_shapes_are_those_of_the_results():
    inputs = {
        "images": keras.Input((50, 60, 3), dtype="uint8"),
        "segmentation_masks": keras.Input((50, 60), dtype="uint8"),
    }
    outputs = Augment(CHAIN, (60, 80))(inputs)
    assert outputs["images"].shape == (None, 60, 80, 3)
    assert outputs["segmentation_masks"].shape == (None, 60, 80)
    kept = Augment([{"name": "flip"}])(inputs)
    assert kept["images"].shape == (None, 50, 60, 3)


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((2, 2, 3)),
        {"images": np.zeros((2, 2, 3))},
        {"images": np.zeros((2, 2, 3)), "segmentation_masks": np.zeros((2, 2)), "a": 1},
        {"images": np.zeros((2, 2, 3)), "segmentation_masks": np.zeros(2)},
        {"images": np.zeros((2, 2)), "segmentation_masks": np.zeros((2, 2))},
    ],
)
def test_other_inputs_are_an_error(inputs):
    with pytest.raises(ValueError, match="Received: "):
        Augment(CHAIN, (60, 80))(inputs)


@pytest.mark.parametrize("batched", [False, True])
def test_it_maps_a_tf_data_set_with_static_shapes(batched):
    tf = pytest.importorskip("tensorflow")
    layer = Augment(CHAIN, (60, 80), seed=1)
    dataset = tf.data.Dataset.from_tensor_slices(
        batch(4, weights=np.ones((4, 150, 200)))
    )
    dataset = dataset.batch(2, drop_remainder=True) if batched else dataset
    dataset = dataset.map(layer, num_parallel_calls=2)
    front = (2,) if batched else ()
    assert dataset.element_spec["images"].shape == (*front, 60, 80, 3)
    assert dataset.element_spec["weights"].shape == (*front, 60, 80)
    seen = set()
    for outputs in dataset.as_numpy_iterator():
        images = outputs["images"].reshape(-1, 60, 80, 3)
        masks = outputs["segmentation_masks"].reshape(-1, 60, 80)
        for image, mask in zip(images, masks, strict=True):
            check(image, mask)
            seen.add(image.tobytes())
    assert len(seen) == 4


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="is about JAX")
def test_a_compiled_function_of_jax_draws_anew():
    import jax

    layer = Augment(CHAIN, (60, 80), seed=1)
    function = jax.jit(lambda inputs: layer(inputs))
    one, two = arrays(function(batch())), arrays(function(batch()))
    assert (one["images"] != two["images"]).any()
    for image, mask in zip(one["images"], one["segmentation_masks"], strict=True):
        check(image, mask)


def test_half_precision_leaves_ids_alone():
    layer = Augment([{"name": "rotation", "degrees": 0.0}], dtype="mixed_float16")
    mask = np.full((1, 4, 5), 2049, "float32")
    inputs = {"images": np.zeros((1, 4, 5, 3), "uint8"), "segmentation_masks": mask}
    moved = keras.ops.convert_to_numpy(layer(inputs)["segmentation_masks"])
    assert moved.dtype == np.float32 and (moved == 2049).all()
