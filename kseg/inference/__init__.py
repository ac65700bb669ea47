"""From images to class ids, pictures and scores, with a trained model."""

from kseg.inference.color_clusters import clusters_to_classes, color_clusters
from kseg.inference.convolutionalise import convolutionalise, network_stride
from kseg.inference.dense_crf import CRF_PARAMETERS, dense_crf
from kseg.inference.evaluate import collect, evaluate, score_table
from kseg.inference.evaluate_edges import evaluate_edges
from kseg.inference.evaluate_membranes import evaluate_membranes
from kseg.inference.grid_crf import grid_crf
from kseg.inference.monte_carlo import predict_monte_carlo
from kseg.inference.one_pass import predict_logits
from kseg.inference.predict import predict, predict_probabilities
from kseg.inference.predict_file import predict_file
from kseg.inference.proposals import (
    combine_scores,
    predict_proposals,
    proposal_boxes,
    proposal_scores,
)
from kseg.inference.record import compare_records, read_record, score_record
from kseg.inference.search_crf import search_dense_crf
from kseg.inference.shift_and_stitch import shift_and_stitch
from kseg.inference.sliding_window import (
    slide_classifier,
    slide_convolutional,
    windows_to_map,
)
from kseg.inference.tiling import BLENDS
from kseg.raster.pictures import overlay, side_by_side

__all__ = [
    "BLENDS",
    "CRF_PARAMETERS",
    "clusters_to_classes",
    "color_clusters",
    "collect",
    "combine_scores",
    "compare_records",
    "convolutionalise",
    "dense_crf",
    "evaluate",
    "evaluate_edges",
    "evaluate_membranes",
    "grid_crf",
    "network_stride",
    "overlay",
    "predict",
    "predict_file",
    "predict_logits",
    "predict_monte_carlo",
    "predict_probabilities",
    "predict_proposals",
    "proposal_boxes",
    "proposal_scores",
    "read_record",
    "score_record",
    "score_table",
    "search_dense_crf",
    "shift_and_stitch",
    "side_by_side",
    "slide_classifier",
    "slide_convolutional",
    "windows_to_map",
]
