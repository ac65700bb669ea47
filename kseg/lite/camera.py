"""Model files on a camera: what it sees, its classes, and how many frames a second."""

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kseg.lite.video import import_opencv, next_frame, open_writer, paint
from kseg.quiet import quiet
from kseg.raster.pictures import check_alpha

_TITLE = "kseg-lite: q ends"
# Over how many seconds frames are counted, and how many a file has in each.
_COUNTED = 2.0
_RATE = 25.0
_WITHOUT_WINDOW = "Or leave it out with --no-window, and give --output."


def watch(
    model,
    capture,
    show: Callable[[np.ndarray], bool] | None = None,
    target: str | Path | None = None,
    alpha: float = 0.5,
    seconds: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[int, float]:
    """Paints the classes over what a camera sees, until it or the user ends.

    Args:
        model: A `LiteRTModel`.
        capture: A `cv2.VideoCapture`, or what has its `read`.
        show: Shows a frame, uint8 `(height, width, 3)`, RGB, and says whether to go
            on; `None` for nothing. `open_window` gives one.
        target: A video to write too, as fast as it happened; `None` for none.
        alpha: Share of the class colour, 0 to 1.
        seconds: When to end; `None` for never.
        clock: Returns the time in seconds.

    Returns:
        The number of frames, and how many there were a second.

    Raises:
        ValueError: If an argument is not as above, or the camera gives no frame.
        ImportError: If OpenCV is needed and not installed.
    """
    check_alpha(alpha)
    frame = next_frame(capture)
    if frame is None:
        raise ValueError(
            "A camera must give frames. Received: none. Give another `--camera`, and "
            "see that no other program has it."
        )
    count, began = 0, clock()
    times = deque([began])
    with contextlib.ExitStack() as stack:
        write = _no_file
        if target is not None:
            video = open_writer(target, frame.shape[:2], _RATE)
            write = _in_time(stack.enter_context(video))
        # Ctrl-C is one way to end, and must leave the file whole.
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        while frame is not None:
            painted = paint(model, frame, alpha)
            times.append(clock())
            count += 1
            painted = _with_rate(painted, _rate(times))
            write(painted, times[-1] - began)
            if show is not None and not show(painted):
                break
            if seconds is not None and times[-1] - began >= seconds:
                break
            frame = next_frame(capture)
    return count, count / max(times[-1] - began, 1e-9)


def open_camera(name: str):
    """Opens a camera.

    Args:
        name: Its number, from 0, or an address or file that OpenCV reads.

    Returns:
        A `cv2.VideoCapture`, to be released.

    Raises:
        ImportError: If OpenCV is not installed.
    """
    cv2 = import_opencv()
    with quiet():  # the rule that `watch` words says what a page of notes does
        capture = cv2.VideoCapture(int(name) if name.isdecimal() else name)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what is shown should be what is now
    return capture


@contextlib.contextmanager
def open_window() -> Iterator[Callable[[np.ndarray], bool]]:
    """Opens a window, which `q`, Escape and its button close.

    Yields:
        What `watch` calls `show`.

    Raises:
        ValueError: If there is no screen, or OpenCV was built without windows.
        ImportError: If OpenCV is not installed.
    """
    cv2 = import_opencv()
    # OpenCV would end the process.
    linux = sys.platform == "linux"
    if linux and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise ValueError(f"A window needs a screen. Received: none. {_WITHOUT_WINDOW}")
    try:
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL)
    except cv2.error as error:
        raise ValueError(
            "A window needs a build of OpenCV with windows. Received: "
            "opencv-python-headless, or another without. `pip uninstall "
            "opencv-python-headless` and `pip install opencv-python` change it. "
            f"{_WITHOUT_WINDOW}"
        ) from error

    def show(frame: np.ndarray) -> bool:
        cv2.imshow(_TITLE, np.ascontiguousarray(frame[..., ::-1]))
        ended = cv2.waitKey(1) & 255 in (ord("q"), 27)
        return not ended and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) > 0

    try:
        yield show
    finally:
        cv2.destroyWindow(_TITLE)


def _no_file(frame: np.ndarray, elapsed: float) -> None:
    """Writes nothing."""


def _in_time(write: Callable) -> Callable[[np.ndarray, float], None]:
    """Returns a writer of frames that repeats them as often as time asks for.

    A file has as many frames a second whatever the model takes for one.
    """
    written = 0

    def write_in_time(frame: np.ndarray, elapsed: float) -> None:
        nonlocal written
        while written <= elapsed * _RATE:
            write(frame)
            written += 1

    return write_in_time


def _rate(times: deque) -> float:
    """Returns frames per second of the last ones, and forgets those before."""
    while len(times) > 2 and times[-1] - times[0] > _COUNTED:
        times.popleft()
    return (len(times) - 1) / max(times[-1] - times[0], 1e-9)


def _with_rate(frame: np.ndarray, rate: float) -> np.ndarray:
    """Writes frames per second into the corner of a frame."""
    picture = Image.fromarray(frame)
    text = f"{rate:.1f} frames/s"
    font = ImageFont.load_default(max(frame.shape[0] // 24, 10))
    ImageDraw.Draw(picture).text(
        (6, 4), text, "white", font, stroke_width=2, stroke_fill="black"
    )
    return np.asarray(picture)
