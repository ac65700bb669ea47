"""From images to class ids, pictures and scores, with a trained model."""

from kseg.inference.evaluate import evaluate, score_table
from kseg.inference.pictures import overlay, side_by_side
from kseg.inference.predict import predict, predict_logits, predict_probabilities

__all__ = [
    "evaluate",
    "overlay",
    "predict",
    "predict_logits",
    "predict_probabilities",
    "score_table",
    "side_by_side",
]
