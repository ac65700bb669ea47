"""From images to class ids, pictures and scores, with a trained model."""

from kseg.inference.evaluate import evaluate, score_table
from kseg.inference.pictures import overlay, side_by_side
from kseg.inference.predict import predict, predict_logits, predict_probabilities
from kseg.inference.shift_and_stitch import shift_and_stitch

__all__ = [
    "evaluate",
    "overlay",
    "predict",
    "predict_logits",
    "predict_probabilities",
    "score_table",
    "shift_and_stitch",
    "side_by_side",
]
