"""All laws, part by part."""

from scale_laws import (
    commands,
    data,
    evaluation,
    losses,
    post_processing,
    prediction,
    training,
)

LAWS = [
    *prediction.LAWS,
    *evaluation.LAWS,
    *losses.LAWS,
    *post_processing.LAWS,
    *data.LAWS,
    *training.LAWS,
    *commands.LAWS,
]
