"""Runs MediaPipe's ImageSegmenter: model.tflite image.npy result.npz."""

import sys

import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

model, image, result = sys.argv[1:]
options = vision.ImageSegmenterOptions(
    BaseOptions(model_asset_path=model), output_category_mask=True
)
with vision.ImageSegmenter.create_from_options(options) as segmenter:
    picture = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.load(image))
    masks = segmenter.segment(picture)
    np.savez(
        result,
        labels=segmenter.labels,
        category=masks.category_mask.numpy_view().squeeze(),
        confidence=[mask.numpy_view().squeeze() for mask in masks.confidence_masks],
    )
