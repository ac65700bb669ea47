"""Videos: as many frames, with the classes painted over each."""

import cv2
import numpy as np
import pytest
from lite_files import draw

from kseg.inference import overlay, predict
from kseg.lite import LiteRTModel
from kseg.lite.video import import_opencv, next_frame, write_video

SIZE = (48, 64)


@pytest.fixture(scope="module")
def model(litert_file):
    return LiteRTModel(litert_file())


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """A video of seven frames at ten a second."""
    path = tmp_path_factory.mktemp("video") / "in.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE[::-1])
    for number in range(7):
        writer.write(draw(SIZE, number, noise=0)[..., ::-1].copy())
    writer.release()
    return path


def frames(path):
    capture = cv2.VideoCapture(str(path))
    found = []
    while (frame := next_frame(capture)) is not None:
        found.append(frame)
    return found, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".avi"])
def test_every_frame_is_painted(model, video, tmp_path, ending):
    target, told = tmp_path / f"out{ending}", []
    assert write_video(model, video, target, 0.7, lambda *x: told.append(x)) == (7, 7)
    assert told == [(number, 7) for number in range(7)]
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    sources, _ = frames(video)
    painted, rate = frames(target)
    assert rate == pytest.approx(10, rel=0.01) and len(painted) == 7
    for source, frame in zip(sources, painted, strict=True):
        ids = predict(model, source)
        expected = np.asarray(overlay(source, ids, model.labels, 0.7, legend=False))
        # A codec loses some of the colours of so small a picture.
        for other, low, high in (
            (expected, 0, 14),
            (expected[..., ::-1], 25, 255),
            (source, 25, 255),
        ):
            assert low < np.abs(frame.astype(int) - other).mean() < high


def test_a_damaged_video_is_written_as_far_as_it_goes(model, video, tmp_path):
    content = video.read_bytes()
    index = content.rindex(b"idx1")
    frame = content.rindex(b"00dc", 0, index)
    broken = tmp_path / "broken.avi"
    broken.write_bytes(content[: frame - len(content) // 3] + content[index:])
    written, promised = write_video(model, broken, tmp_path / "out.avi")
    assert 0 < written < promised == 7


def test_what_is_no_video_is_refused(model, video, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("not a video")
    with pytest.raises(ValueError, match=r"OpenCV reads\. Received: .*notes\.mp4"):
        write_video(model, text, tmp_path / "out.mp4")
    for target in (tmp_path / "out.gif", tmp_path / "nowhere" / "out.mp4"):
        with pytest.raises(ValueError, match=r"\*\.mp4 in a folder that is there"):
            write_video(model, video, target)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.mp4"]


def test_a_failure_leaves_no_file(model, video, tmp_path):
    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(model, video, tmp_path / "out.mp4", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_without_opencv_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(ImportError, match="pip install opencv-python-headless"):
        import_opencv()
