"""Any TensorFlow Datasets data set that has masks."""

from collections.abc import Mapping, Sequence

from kseg.data.sources import TfdsSource
from kseg.labels import Labels


def tfds(
    split: str,
    dataset: str,
    classes: int | Sequence[str],
    splits: Mapping[str, str] | None = None,
    image_key: str = "image",
    mask_key: str = "segmentation_mask",
    values: Mapping[int, int] | None = None,
    ignore_class: int = 255,
    data_dir: str | None = None,
) -> TfdsSource:
    """Opens a TFDS data set, downloading and preparing it when it is absent.

    Args:
        split: `"train"`, `"val"`, or what `splits` names.
        dataset: Name as TFDS knows it, `"oxford_iiit_pet"`.
        classes: The names of the classes in the order of their ids, or their
            number.
        splits: Our name of a split to TFDS's, which may be a part such as
            `"train[:80%]"`: by default `{"train": "train", "val": "validation"}`.
        image_key: Feature that holds the image.
        mask_key: Feature that holds the mask.
        values: Value in the mask to class id, `{1: 0, 2: 1, 3: 2}` for
            oxford_iiit_pet.
        ignore_class: Class id of pixels that count nothing.
        data_dir: Where TFDS keeps its data; `None` for its default.

    Returns:
        The examples of the split, read by random access.

    Raises:
        ValueError: If the data set lacks the split or a feature.
    """
    import tensorflow_datasets

    names = {"train": "train", "val": "validation", **(splits or {})}
    builder = tensorflow_datasets.builder(
        dataset, data_dir=data_dir, file_format="array_record"
    )
    builder.download_and_prepare()
    for key in (image_key, mask_key):
        if key not in builder.info.features:
            raise ValueError(
                f"The data set {dataset!r} must have the feature. Received: {key!r}; "
                f"it has {sorted(builder.info.features)}."
            )
    wanted = names.get(split, split)
    try:
        builder.info.splits[wanted]
    except ValueError as error:
        raise ValueError(
            f"The data set {dataset!r} must have the split. Received: {wanted!r}; it "
            f"has {sorted(builder.info.splits)}. `splits={{{split!r}: ...}}` renames."
        ) from error
    labels = Labels.of(classes, ignore_class)
    values = {int(k): int(v) for k, v in values.items()} if values else None
    examples = builder.as_data_source(split=wanted)
    return TfdsSource(examples, labels, image_key, mask_key, values)
