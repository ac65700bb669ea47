"""A camera that gives what the test has: painted frames, their rate, and the end."""

import cv2
import numpy as np
import pytest
from lite_files import draw

from kseg.lite import LiteRTModel
from kseg.lite.camera import open_camera, open_window, watch
from kseg.lite.video import next_frame, paint

SIZE = (48, 64)


class Camera:
    """Gives some frames, and the time passes with each."""

    def __init__(self, count, seconds=0.1):
        self.left, self.now, self.seconds = count, 0.0, seconds

    def read(self):
        self.left -= 1
        self.now += self.seconds
        return (True, draw(SIZE, 3)[..., ::-1]) if self.left >= 0 else (False, None)

    def clock(self):
        return self.now


@pytest.fixture(scope="module")
def model(litert_file):
    return LiteRTModel(litert_file())


def test_frames_are_painted_and_counted(model):
    shown, camera = [], Camera(5)
    count, rate = watch(
        model, camera, lambda x: shown.append(x) or True, clock=camera.clock
    )
    assert count == len(shown) == 5
    # Of five frames the first was there when the clock began.
    assert rate == pytest.approx(5 / 0.4)
    expected = paint(model, draw(SIZE, 3), 0.5)
    # The rate stands in the upper left; the rest is the picture.
    np.testing.assert_array_equal(shown[2][SIZE[0] // 2 :], expected[SIZE[0] // 2 :])
    assert (shown[2][: SIZE[0] // 2] != expected[: SIZE[0] // 2]).any()


def test_the_user_and_the_time_end_it(model):
    camera = Camera(100)
    assert watch(model, camera, lambda x: False, clock=camera.clock)[0] == 1
    camera = Camera(100)
    assert watch(model, camera, seconds=0.45, clock=camera.clock)[0] == 6

    def interrupt(frame):
        raise KeyboardInterrupt

    assert watch(model, Camera(100), interrupt)[0] == 1


def test_a_file_lasts_as_long_as_it_took(model, tmp_path):
    camera, target = Camera(11, seconds=0.2), tmp_path / "out.avi"

    def interrupt(frame):
        if camera.left == 0:
            raise KeyboardInterrupt  # the file is kept
        return True

    watch(model, camera, interrupt, target, clock=camera.clock)
    capture = cv2.VideoCapture(str(target))
    frames = 0
    while next_frame(capture) is not None:
        frames += 1
    assert frames / capture.get(cv2.CAP_PROP_FPS) == pytest.approx(2, abs=0.1)


def test_a_camera_that_gives_nothing_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"must give frames\. Received: none"):
        watch(model, Camera(0))
    capture = open_camera(str(tmp_path / "nowhere.avi"))
    assert next_frame(capture) is None


def test_a_window_needs_a_screen(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(ValueError, match="needs a screen.*--no-window"), open_window():
        pass


class Windows:
    """OpenCV's windows, on which a key is pressed at the third frame."""

    error, WINDOW_NORMAL, WND_PROP_VISIBLE = cv2.error, 0, 4

    def __init__(self):
        self.shown, self.closed = [], False

    def namedWindow(self, title, kind):  # noqa: N802
        assert not self.closed

    def imshow(self, title, frame):
        self.shown.append(frame)

    def waitKey(self, milliseconds):  # noqa: N802
        return ord("q") if len(self.shown) == 3 else -1

    def getWindowProperty(self, title, which):  # noqa: N802
        return 1.0

    def destroyWindow(self, title):  # noqa: N802
        self.closed = True


def test_a_key_closes_the_window(model, monkeypatch):
    windows = Windows()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("kseg.lite.camera.import_opencv", lambda: windows)
    with open_window() as show:
        assert watch(model, Camera(100), show)[0] == 3
    assert windows.closed
    # OpenCV wants blue first.
    expected = paint(model, draw(SIZE, 3), 0.5)
    np.testing.assert_array_equal(windows.shown[0][-9:, :, ::-1], expected[-9:])


def test_opencv_without_windows_says_which_one_has_them(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    if "GUI:                           NONE" not in cv2.getBuildInformation():
        pytest.skip("this OpenCV has windows")
    with pytest.raises(ValueError, match="pip install opencv-python"), open_window():
        pass
