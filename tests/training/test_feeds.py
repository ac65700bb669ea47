"""The feeds of a run: what options do, and what `valid` networks are fed."""

import keras
import numpy as np
import pytest
from PIL import Image

import kseg
from kseg import data
from kseg.data import (
    ColorJitter,
    ElasticDeformation,
    Example,
    Examples,
    RandomFlip,
    RandomQuarterTurn,
    RandomRotation,
    RandomScaleCrop,
    mask_weights,
)
from kseg.data.augment import (
    ClassMix,
    CutMix,
    GaussianBlur,
    Mosaic,
    PhotometricDistortion,
    Sometimes,
)
from kseg.losses import CrossEntropy
from kseg.training.feeds import open_feeds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five images of 40x52 whose red is the mask's class, of three classes."""
    path = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (path / kind).mkdir()
    for i in range(5):
        mask = np.kron(rng.integers(0, 3, (10, 13)), np.ones((4, 4))).astype(np.uint8)
        mask[rng.random(mask.shape) < 0.02] = 255
        image = np.stack([80 * np.minimum(mask, 3), 5 * mask, 0 * mask], axis=-1)
        Image.fromarray(mask).save(path / "masks" / f"{i}.png")
        Image.fromarray(image).save(path / "images" / f"{i}.png")
    return path


def open_folder(folder, **options):
    options = {"crop": (24, 32), "batch_size": 2, "val_size": (40, 52), **options}
    return open_feeds("folder", path=str(folder), classes=3, **options)


def unet(**options):
    return kseg.build(
        "unet", num_classes=3, filters=2, depth=2, padding="valid", **options
    )


def test_by_default_it_crops_flips_and_jitters(folder):
    feeds = open_folder(folder, seed=3)
    augment = [RandomScaleCrop((24, 32)), RandomFlip(), ColorJitter()]
    assert list(feeds.train_examples.augment) == augment
    expected = Examples(feeds.train, (24, 32), 2, augment, 3)
    for step in range(3):
        batch = feeds.train_examples.batch(step)
        assert len(batch) == 2
        for one, two in zip(batch, expected.batch(step), strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_recipe_of_the_paper(folder):
    feeds = open_folder(
        folder,
        scale=(1.0, 1.0),
        flip=0.0,
        vertical_flip=0.5,
        quarter_turns=True,
        rotation=45.0,
        elastic=4.0,
        border="mirror",
        saturation=0.0,
    )
    assert list(feeds.train_examples.augment) == [
        RandomQuarterTurn(),
        RandomRotation(45.0, "mirror"),
        ElasticDeformation(4.0, border="mirror"),
        RandomScaleCrop((24, 32), (1.0, 1.0), border="mirror"),
        RandomFlip(0.0, 0.5),
        ColorJitter(0.2, 0.2, 0.0),
    ]
    assert feeds.val_examples.augment is None
    for step in range(4):
        _, masks = feeds.train_examples.batch(step)
        assert masks.shape == (2, 24, 32) and set(np.unique(masks)) <= {0, 1, 2, 255}


def test_options_that_do_nothing_leave_their_augmentation_out(folder):
    feeds = open_folder(folder, flip=0, brightness=0, contrast=0, saturation=0)
    assert list(feeds.train_examples.augment) == [RandomScaleCrop((24, 32))]


def test_a_preset_takes_the_keys_and_the_size(folder):
    feeds = open_folder(folder, augment="medium", scale=(1.0, 1.5), rotation=5.0)
    rotation, *rest = feeds.train_examples.augment
    assert isinstance(rotation, RandomRotation)
    assert rest == [
        RandomScaleCrop((24, 32), (1.0, 1.5)),
        RandomFlip(),
        PhotometricDistortion(),
    ]
    jitter = open_folder(folder, augment="light", contrast=0.5).train_examples.augment
    assert jitter[-1] == ColorJitter(0.2, 0.5, 0.2)


def test_a_list_of_descriptions_comes_behind_the_crop(folder):
    entries = [{"name": "gaussian_blur", "sigma": [0.5, 1.0], "probability": 0.3}]
    mixes = ["mosaic", {"name": "class_mix", "probability": 1.0}]
    feeds = open_folder(folder, augment=entries, mixes=mixes, seed=2)
    blur = Sometimes(GaussianBlur((0.5, 1.0)), 0.3)
    expected = [RandomScaleCrop((24, 32)), RandomFlip(), blur]
    assert list(feeds.train_examples.augment) == expected
    assert list(feeds.train_examples.mixes) == [Mosaic(), ClassMix(255, 1.0)]
    images, masks = feeds.train_examples.batch(0)
    assert images.shape == (2, 24, 32, 3) and masks.shape == (2, 24, 32)
    own = [{"name": "elastic"}, {"name": "scale_crop", "scale": (1, 1)}]
    feeds = open_folder(folder, augment=own, mixes="cut_mix")
    elastic, crop = feeds.train_examples.augment
    assert elastic.border == "void" and crop.scale == (1, 1)
    assert list(feeds.train_examples.mixes) == [CutMix()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": "mild"}, "preset of augmentations must be one of"),
        ({"augment": [{"name": "blr"}]}, "augmentation must be one of"),
        ({"augment": ["flip"]}, "dictionary with a `name`"),
        ({"mixes": ["mixer"]}, "mix must be one of"),
    ],
)
def test_unknown_augmentations_are_an_error(folder, options, message):
    with pytest.raises(ValueError, match=message):
        open_folder(folder, **options)


def test_a_void_border_is_one_of_all_augmentations(folder):
    feeds = open_folder(folder, rotation=180.0, elastic=9.0, ignore_class=77, values={
        0: 0, 1: 1, 2: 2, 255: 77
    })  # fmt: skip
    rotation, elastic, crop = feeds.train_examples.augment[:3]
    for augment in (rotation, elastic, crop):
        assert (augment.border, augment.ignore_class) == ("void", 77)


# Rare classes


def test_crops_are_put_around_rare_classes(folder):
    feeds = open_folder(folder, rare_classes=0.5, cat_max_ratio=0.75)
    crop = feeds.train_examples.augment[0]
    assert crop.centre == data.class_centre(feeds.train, 0.5)
    assert crop.cat_max_ratio == 0.75
    options = {"probability": 1.0, "draw": "uniform"}
    crop = open_folder(folder, rare_classes=options).train_examples.augment[0]
    assert crop.centre == data.ClassCentre((1.0, 1.0, 1.0), 1.0)
    crop = open_folder(folder, rare_classes=True).train_examples.augment[0]
    assert crop.centre == data.class_centre(feeds.train)
    for off in (False, 0, 0.0):
        crop = open_folder(folder, rare_classes=off).train_examples.augment[0]
        assert crop == RandomScaleCrop((24, 32))


@pytest.mark.parametrize(
    ("rare_classes", "message"),
    [
        ({"share": 0.5}, "'share'"),
        ({"source": 0.5}, "must be one of .'draw', 'probability'"),
        (1.5, "0 to 1"),
        ("yes", "`rare_classes` must be true, false"),
    ],
)
def test_wrong_rare_classes_are_an_error(folder, rare_classes, message):
    with pytest.raises(ValueError, match=message):
        open_folder(folder, rare_classes=rare_classes)


# Weights


def test_training_has_weights_and_validation_has_none(folder):
    feeds = open_folder(folder, weight_map={"w0": 4.0, "sigma": 2.0}, scale=(1, 1),
                        flip=0, crop=(40, 52))  # fmt: skip
    # The weights are of images: one is there, the other fills the batch.
    np.testing.assert_array_equal(feeds.val_examples.batch(0)[2], [2, 0])
    _, masks, weights = feeds.train_examples.batch(0)
    for mask, weight in zip(masks, weights, strict=True):
        np.testing.assert_allclose(weight, mask_weights(mask, 4.0, 2.0), atol=1e-5)
    assert weights.max() > 2 and (weights[masks == 255] == 0).all()


def test_the_weights_of_classes_are_those_of_the_training_data(folder):
    feeds = open_folder(
        folder, weight_map={"w0": 0.0, "class_weights": "median_frequency"}
    )
    expected = data.class_weights(feeds.train, "median_frequency")
    mask = feeds.train.mask(0)
    weights = feeds.train_examples.weights(mask)
    for identity in range(3):
        np.testing.assert_allclose(weights[mask == identity], expected[identity], 1e-6)


def test_weights_with_nothing_said_are_the_paper_s(folder):
    feeds = open_folder(folder, weight_map=True)
    mask = feeds.train.mask(1)
    np.testing.assert_array_equal(
        feeds.train_examples.weights(mask), mask_weights(mask, 10.0, 5.0)
    )


@pytest.mark.parametrize(
    ("weight_map", "message"),
    [
        ({"sigmas": 5}, "'sigmas'. Did you mean 'sigma'"),
        ({"mask": 5}, "must be one of .'background', 'class_weights', 'sigma', 'w0'"),
        ({"sigma": -5.0}, "`sigma` must be positive"),
        ({"class_weights": [1, 2]}, r"one number per class \(3\)"),
        ("yes", "`weight_map` must be true, false, or the arguments.*'yes'"),
    ],
)
def test_wrong_weights_are_an_error_before_training(folder, weight_map, message):
    with pytest.raises(ValueError, match=message):
        open_folder(folder, weight_map=weight_map)


@pytest.mark.parametrize(
    "options", [{"border": "grey"}, {"rotation": 200}, {"elastic": -1.0}]
)
def test_wrong_numbers_are_an_error_before_training(folder, options):
    with pytest.raises(ValueError, match="Received: "):
        open_folder(folder, **options)


# Networks that return the middle of an image


def test_crops_of_a_valid_network_reach_beyond_the_image(folder):
    # 52x68 of images of 40x52, of which the network returns 36x52.
    feeds = open_folder(folder, crop=(52, 68), scale=(1, 1), border="mirror", flip=0,
                        brightness=0, contrast=0, saturation=0)  # fmt: skip
    feeds.crop_masks(unet())
    assert feeds.train_examples.mask_size == (36, 52)
    tops = set()
    for position in range(40):
        image, mask, _ = feeds.train_examples.example(position)
        assert image.shape == (52, 68, 3) and mask.shape == (36, 52)
        # Image and mask show the same, the mirrored context too.
        np.testing.assert_array_equal(image[8:-8, 8:-8, 1], 5 * mask)
        for i in range(len(feeds.train)):
            original, ids = feeds.train[i]
            for top in range(5):
                if np.array_equal(ids[top : top + 36], mask):
                    tops.add(top)
                    around = np.pad(original, ((8, 8), (8, 8), (0, 0)), "reflect")
                    np.testing.assert_array_equal(image, around[top : top + 52])
    assert tops == {0, 1, 2, 3, 4}


def test_a_572_crop_of_a_512_image_has_a_388_mask():
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    crop = RandomScaleCrop((572, 572), (1, 1), border="mirror", mask_size=(388, 388))
    moved = crop(Example(image, image[..., 0]), np.random.default_rng(0))
    padded = np.pad(image, ((92, 92), (92, 92), (0, 0)), mode="reflect")
    places = [
        (top, left)
        for top in range(125)
        for left in range(125)
        if np.array_equal(moved.image[0, :9], padded[top, left : left + 9])
    ]
    ((top, left),) = places
    np.testing.assert_array_equal(
        moved.image, padded[top : top + 572, left : left + 572]
    )
    middle = image[top : top + 388, left : left + 388, 0]
    np.testing.assert_array_equal(moved.mask[92:-92, 92:-92], middle)


@pytest.mark.parametrize("val_size", [(64, 76), (56, 68), (44, 100)])
def test_validation_of_a_valid_network_is_mirrored(folder, val_size):
    feeds = open_folder(folder, crop=(44, 44), val_size=val_size, border="mirror")
    model = unet()
    feeds.crop_masks(model)
    rows, columns = val_size[0] - 16, val_size[1] - 16
    assert feeds.val_examples.mask_size == (rows, columns)
    image, mask, _ = feeds.val_examples.example(0)
    original, ids = feeds.val[0]
    assert image.shape == (*val_size, 3) and mask.shape == (rows, columns)
    if rows >= 40:  # it is as large as it was, and the rest counts nothing
        np.testing.assert_array_equal(mask[:40, :52], ids)
        assert (mask != 255).sum() == (ids != 255).sum()
        # So its scores are those of a prediction.
        logits = np.asarray(model(image[np.newaxis].astype("float32")))[0, :40, :52]
        np.testing.assert_allclose(
            logits, kseg.inference.predict_logits(model, original), atol=1e-5
        )
    else:  # it is shrunk to the rows, and the columns beyond count nothing
        assert rows == 28 and (mask[:, round(52 * 28 / 40) :] == 255).all()
        assert (mask[:, :36] != 255).mean() > 0.9


def test_without_a_mirrored_border_everything_is_as_before(folder):
    feeds = open_folder(folder, crop=(44, 44), val_size=(44, 60), seed=1)
    before = feeds.train_examples.batch(0), feeds.val_examples.batch(0)
    feeds.crop_masks(unet())
    after = feeds.train_examples.batch(0), feeds.val_examples.batch(0)
    for (images, masks, *_), (same_images, middles, *_) in zip(
        before, after, strict=True
    ):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(masks[:, 8:-8, 8:-8], middles)


def test_a_valid_network_trains_on_weights(folder):
    feeds = open_folder(
        folder,
        crop=(44, 44),
        val_size=(56, 68),
        elastic=2.0,
        border="mirror",
        weight_map=True,
    )
    model = unet()
    feeds.crop_masks(model)
    model.compile("sgd", CrossEntropy(), jit_compile=False)
    images, masks, weights = feeds.train_examples.batch(0)
    logits = model(images.astype("float32"), training=False)
    expected = float(CrossEntropy()(masks, logits, weights))
    assert expected != pytest.approx(float(CrossEntropy()(masks, logits)), rel=0.05)
    keras.utils.set_random_seed(0)
    history = model.fit(
        feeds.training(),
        validation_data=feeds.validation(),
        steps_per_epoch=2,
        shuffle=False,
        verbose=0,
    )
    assert np.isfinite(history.history["loss"][0])
    assert np.isfinite(history.history["val_loss"][0])
