"""Batch norms that keep the statistics and the scales that they have."""

import keras


def freeze_batch_norm(model: keras.Model) -> keras.Model:
    """Makes every batch norm of a model untrainable.

    They then normalise by their moving statistics in training, too, as networks do
    that are fine-tuned with batches too small to count on (Chen et al., "DeepLab
    v3", section 4.1). Call it before `compile`.

    Args:
        model: Any model; the batch norms of models within it are frozen as well.

    Returns:
        `model`.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            freeze_batch_norm(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return model
