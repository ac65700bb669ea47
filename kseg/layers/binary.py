"""Two classes in one logit."""

from keras import ops


def class_logits(logits):
    """Returns logits with a channel per class.

    A network of one channel, such as an edge detector, gives the logit of class 1
    against class 0: that of class 0 is 0.

    Args:
        logits: Float tensor `(..., num_classes)`, or `(..., 1)` for two classes.

    Returns:
        Float tensor `(..., num_classes)`; more than one channel stay as they are.

    Example:
    >>> ops.convert_to_numpy(class_logits(ops.ones((1, 1)))).tolist()
    [[0.0, 1.0]]
    """
    if logits.shape[-1] > 1:
        return logits
    return ops.concatenate([ops.zeros_like(logits), logits], axis=-1)
