"""The command line of kseg-lite."""

import cv2
import pytest
from lite_files import draw
from PIL import Image

from kseg.lite import cli


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(draw((30, 40), ord(name))).save(folder / f"{name}.png")
    return folder


def test_predict_says_what_became_of_the_images(litert_file, photos, tmp_path, capsys):
    (photos / "c.png").write_text("broken")
    command = ["predict", str(litert_file()), str(photos), "--threads", "1"]
    command += ["--output", str(tmp_path / "out")]
    assert cli.main(command) == 2
    out, err = capsys.readouterr()
    assert out == f"2 images: masks are in {tmp_path / 'out'}\n"
    assert err.startswith(f"kseg-lite: {photos / 'c.png'} failed: ")
    (photos / "c.png").unlink()
    assert cli.main([*command, "--overlay"]) == 0
    assert cli.main([*command, "--overlay"]) == 0
    assert capsys.readouterr().out.endswith(", 2 were there\n")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *(f"{name}_{kind}.png" for name in "ab" for kind in ("mask", "overlay")),
        "labels.json",
        "predicted_by.json",
    }


def test_info_says_what_a_file_takes(litert_file, capsys):
    assert cli.main(["info", str(litert_file("int8", "logits", "middle"))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "precision  int8" in lines and "images     36x52, 3 channels" in lines
    assert "output     logits of 20x36 pixels" in lines
    assert lines[-3:] == [
        "        1  #800000  class_1",
        "        2  #008000  class_2",
        "        3  #808000  class_3",
    ]


def test_time_prints_a_row_for_each_number_of_threads(litert_file, capsys):
    command = ["time", str(litert_file()), "--threads", "2", "1", "--runs", "3"]
    assert cli.main(command) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "MB" and [row.split()[0] for row in rows] == ["2", "1"]


def test_video_and_webcam(litert_file, tmp_path, capsys):
    source = str(tmp_path / "in.avi")
    writer = cv2.VideoWriter(source, cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(3):
        writer.write(draw((48, 64), number))
    writer.release()
    model, target = str(litert_file()), tmp_path / "out.mp4"
    assert cli.main(["video", model, source, str(target)]) == 0
    assert capsys.readouterr().out == f"3 frames: {target}\n" and target.is_file()
    webcam = ["webcam", model, "--camera", source, "--no-window"]
    assert cli.main([*webcam, "--output", str(tmp_path / "seen.avi")]) == 0
    assert capsys.readouterr().out.startswith("3 frames, ")
    assert (tmp_path / "seen.avi").is_file()
    assert cli.main([*webcam, "--output", str(tmp_path / "seen.gif")]) == 2
    assert "kseg-lite: A video must be a file" in capsys.readouterr().err


def test_wrong_input_is_explained(litert_file, photos, capsys, monkeypatch):
    assert cli.main(["predict", "nowhere.tflite", str(photos)]) == 2
    assert "nowhere.tflite" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["predict", str(litert_file()), str(photos), "--threads", "0"])
    assert "must be 1 or more, not 0" in capsys.readouterr().err

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("kseg.lite.batch.predict_files", interrupt)
    assert cli.main(["predict", str(litert_file()), str(photos)]) == 130
