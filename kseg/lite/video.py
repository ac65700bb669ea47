"""Model files on videos: every frame with its classes painted over it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from kseg.files import whole_file
from kseg.lite.one_image import predict
from kseg.quiet import quiet
from kseg.raster.pictures import check_alpha, overlay

# By the ending of a file, a codec that every build of OpenCV brings.
CODECS = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}
# Frames per second where a file does not say.
_USUAL_RATE = 25.0


class Frames(NamedTuple):
    """How many frames were written, and how many the video says it has."""

    written: int
    promised: int


def write_video(
    model,
    source: str | Path,
    target: str | Path,
    alpha: float = 0.5,
    progress: Callable[[int, int], None] | None = None,
) -> Frames:
    """Paints the classes over every frame of a video; sound is left out.

    Args:
        model: A `LiteRTModel`.
        source: A video that OpenCV reads; it is turned as its file says.
        target: The file to write, `.mp4`, `.mov`, `.mkv` or `.avi`, of the same size
            and frames per second. It appears when it is whole.
        alpha: Share of the class colour, 0 to 1.
        progress: What to call before each frame, with the number of those before it,
            and of all that the video says it has.

    Returns:
        The number of frames that were written, which is less than the number promised
        where a file is damaged, and that number, 0 where the file has none.

    Raises:
        ValueError: If the video cannot be read or written.
        ImportError: If OpenCV is not installed.
    """
    check_alpha(alpha)
    cv2 = import_opencv()
    check_target(target)
    with quiet():
        capture = cv2.VideoCapture(str(source))
    try:
        rate = capture.get(cv2.CAP_PROP_FPS) or _USUAL_RATE
        promised = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        frame = next_frame(capture)
        if frame is None:
            raise ValueError(
                f"A video must be a file that OpenCV reads. Received: {source}, of "
                "which it read no frame."
            )
        written = 0
        with open_writer(target, frame.shape[:2], rate) as write:
            while frame is not None:
                if progress is not None:
                    progress(written, promised)
                write(paint(model, frame, alpha))
                written += 1
                frame = next_frame(capture)
    finally:
        capture.release()
    return Frames(written, promised)


def paint(model, frame: np.ndarray, alpha: float) -> np.ndarray:
    """Returns a frame with its classes painted over it.

    Args:
        model: A `LiteRTModel`.
        frame: uint8 array `(height, width, 3)`, RGB.
        alpha: Share of the class colour, 0 to 1.

    Returns:
        uint8 array `(height, width, 3)`, RGB.
    """
    ids = predict(model, frame)
    return np.asarray(overlay(frame, ids, model.labels, alpha, legend=False))


def next_frame(capture) -> np.ndarray | None:
    """Returns the next frame of a video or camera as RGB, or `None` at its end.

    Args:
        capture: A `cv2.VideoCapture`, or what has its `read`.
    """
    there, frame = capture.read()
    return np.ascontiguousarray(frame[..., ::-1]) if there else None


def check_target(target: str | Path) -> None:
    """Raises if a video cannot be written to a file of this name.

    Args:
        target: The file.

    Raises:
        ValueError: If its ending is not known, or its folder is not there.
    """
    target = Path(target)
    if target.suffix.lower() not in CODECS or not target.parent.is_dir():
        raise ValueError(
            f"A video must be a file *{', *'.join(CODECS)} in a folder that is there. "
            f"Received: {target}."
        )


@contextlib.contextmanager
def open_writer(
    target: str | Path, size: tuple[int, int], rate: float
) -> Iterator[Callable[[np.ndarray], None]]:
    """Opens a video to write.

    Args:
        target: The file; it appears when it is whole.
        size: Height and width of the frames.
        rate: Frames per second.

    Yields:
        A function that writes a frame, uint8 `(height, width, 3)`, RGB.

    Raises:
        ValueError: If OpenCV cannot write such a file.
    """
    cv2 = import_opencv()
    codec = cv2.VideoWriter.fourcc(*CODECS[Path(target).suffix.lower()])
    with whole_file(target) as temporary:
        writer = cv2.VideoWriter(str(temporary), codec, rate, (size[1], size[0]))
        try:
            if not writer.isOpened():
                raise ValueError(
                    "OpenCV must be able to write the video. Received: "
                    f"{target}, {size[0]}x{size[1]} at {rate:g} frames per second, "
                    "which it cannot. Try an .avi file."
                )
            yield lambda frame: writer.write(np.ascontiguousarray(frame[..., ::-1]))
        finally:
            writer.release()


def import_opencv() -> ModuleType:
    """Returns OpenCV.

    Raises:
        ImportError: If it is missing; the message says how to install it.
    """
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "Videos and cameras need OpenCV, which is optional. Received: "
            f"{error}. `pip install opencv-python-headless` installs it; for a window, "
            "`pip install opencv-python` instead."
        ) from error
    return cv2
