import base64
import http.client
import io
import json
import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from running import fake, red, running, until

from kseg.serving.limits import Limits

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 20, 3)).astype(np.uint8)
CALL = "/v1/models/fake:predict"


def png(pixels=PIXELS):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def b64(data):
    return {"b64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def client():
    limits = Limits(max_pixels=1000, max_bytes=20_000, seconds=10)
    with running(fake(), limits) as client:
        yield client


def picture(answer):
    code, headers, content = answer
    assert (code, headers["content-type"]) == (200, "image/png")
    return Image.open(io.BytesIO(content))


def test_a_picture_becomes_a_mask_an_overlay_or_shares(client):
    found = picture(client.ask("POST", "/predict", png()))
    assert found.mode == "P"
    np.testing.assert_array_equal(np.asarray(found), red(PIXELS))
    assert found.getpalette()[3:6] == [128, 0, 0]
    over = picture(client.ask("POST", "/predict?output=overlay", png()))
    assert over.mode == "RGB" and over.width == 20 and over.height > 12
    said = client.post("/predict?output=shares", png())
    assert said == client.post("/predict", png(), Accept="application/json")
    code, shares = said
    assert code == 200 and (shares["height"], shares["width"]) == (12, 20)
    counts = np.bincount(red(PIXELS).ravel(), minlength=4).tolist()
    assert [entry["pixels"] for entry in shares["classes"]] == counts
    assert [entry["share"] for entry in shares["classes"]] == [n / 240 for n in counts]
    assert shares["classes"][2]["name"] == "class_2"


def test_all_ways_to_send_an_image_are_one(client):
    expected = red(PIXELS).tolist()
    image = PIXELS.tolist()
    for body in (
        {"instances": [image, image]},
        {"instances": [{"image": image}, {"image": b64(png())}]},
        {"instances": [b64(png()), PIXELS.astype(float).tolist()]},
        {"signature_name": "class_map", "instances": [image, image]},
    ):
        assert client.post(CALL, body) == (200, {"predictions": [expected] * 2})
    for body in ({"inputs": [image]}, {"inputs": {"image": [b64(png())]}}):
        path = CALL.replace(":", "/versions/1:")
        assert client.post(path, body) == (200, {"outputs": [expected]})
    small = {"instances": [image, PIXELS[:3, :5].tolist()]}
    sizes = [np.shape(x) for x in client.post(CALL, small)[1]["predictions"]]
    assert sizes == [(12, 20), (3, 5)]


def test_a_model_tells_what_it_is(client):
    code, said = client.get("/v1/models/fake")
    assert code == 200 and said["model_version_status"][0]["state"] == "AVAILABLE"
    code, said = client.get("/v1/models/fake/versions/1/metadata")
    assert code == 200
    outputs = said["metadata"]["signature_def"]["signature_def"]["class_map"]["outputs"]
    assert outputs["class_map"]["dtype"] == "DT_UINT8"
    assert client.get("/healthz") == (200, {"status": "alive"})
    assert client.get("/readyz") == (200, {"status": "ready"})
    _, described = client.get("/openapi.json")
    assert {"/predict", "/v1/models/{name}:predict"} < set(described["paths"])


NESTED = b'{"instances": ' + b"[" * 9000 + b"]" * 9000 + b"}"


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (400, b"{", "JSON Parse error"),
        (400, b"\xff\xfe", "JSON Parse error"),
        (400, NESTED, "JSON Parse error|list"),
        (400, {}, "instances"),
        (400, {"instances": [[]], "inputs": [[]]}, "instances"),
        (400, {"instances": []}, "list of 1 to 256"),
        (400, {"instances": [[[[1, 2, 3]]]] * 257}, "list of 1 to 256"),
        (400, {"instances": {"image": 1}}, "list of 1 to 256"),
        (400, {"instances": [3]}, "Received: int"),
        (400, {"instances": [[[1, 2, 3]]]}, r"Received: shape \(1, 3\)"),
        (400, {"instances": [[[[1, 2]]]]}, r"Received: shape \(1, 1, 2\)"),
        (400, {"instances": [[[[1, 2, 3]], [[1, 2]]]]}, "Received: list"),
        (400, {"instances": [[[["a" * 9000, "b", "c"]]]]}, "Received: list"),
        (400, {"instances": [[[[1, 2, 256]]]]}, "other values"),
        (400, {"instances": [[[[0.5, 2, 3]]]]}, "other values"),
        (400, {"instances": [[[[float("nan"), 2, 3]]]]}, "other values"),
        (400, {"instances": [[[[10**400, 2, 3]]]]}, "Received"),
        (400, {"instances": [{"b64": "%"}]}, "base64"),
        (400, {"instances": [{"b64": 5}]}, "base64"),
        (400, {"instances": [b64(b"nothing")]}, "one of BMP"),
        (400, {"instances": [b64(png()[:-60])]}, "whole"),
        (400, {"signature_name": "x", "instances": [[[[1, 2, 3]]]]}, "'x' not found"),
        (400, {"inputs": [[[[1, 2, 3]]], [[[1, 2, 3]] * 2]]}, "of one size"),
        (413, {"instances": [PIXELS.tolist()] * 5}, "at most 40 more pixels"),
        (413, {"instances": [b64(png())] * 5}, "at most 40 pixels"),
        (413, b" " * 20_001, "at most 20000 bytes"),
    ],
)
def test_a_wrong_call_is_explained(client, code, body, words):
    found, said = client.post(CALL, body)
    assert found == code and list(said) == ["error"]
    assert re.search(words, said["error"])


@pytest.mark.parametrize(
    ("code", "method", "path", "words"),
    [
        (404, "POST", "/v1/models/other:predict", "Servable not found.*fake"),
        (404, "POST", "/v1/models/fake/versions/2:predict", "version 2"),
        (404, "GET", "/v1/models/other", "Servable not found"),
        (404, "GET", "/elsewhere", "Not Found"),
        (405, "GET", "/predict", "Method Not Allowed"),
        (400, "POST", "/predict?output=poem", "mask, overlay, shares.*'poem'"),
        (400, "POST", "/predict", "one of BMP"),
    ],
)
def test_a_wrong_path_is_explained(client, code, method, path, words):
    found, _, content = client.ask(method, path, b"" if method == "POST" else None)
    assert found == code
    assert re.search(words, json.loads(content)["error"])


def test_forms_and_compressed_bodies_are_refused(client):
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/predict", png(), **form)[0] == 415
    packed = {"Content-Encoding": "gzip"}
    assert client.post("/predict", png(), **packed)[0] == 415


def test_a_picture_of_too_many_pixels_is_never_decoded(client):
    header = bytearray(54) + bytes(100)
    header[:2], header[10], header[14], header[26], header[28] = b"BM", 54, 40, 1, 24
    header[18:26] = (40_000).to_bytes(4, "little") * 2
    code, said = client.post("/predict", bytes(header))
    assert code == 413 and "at most 1000 pixels" in said["error"]


def test_a_body_without_a_length_is_bounded_too(client):
    def parts():
        for _ in range(100):
            yield bytes(1000)

    code, _, _ = client.ask("POST", "/predict", parts())
    assert code == 413
    whole = picture(client.ask("POST", "/predict", iter([png()[:50], png()[50:]])))
    np.testing.assert_array_equal(np.asarray(whole), red(PIXELS))


def test_a_client_that_leaves_does_no_harm(client):
    for sent in (b"", b"x" * 10):
        with socket.create_connection(("127.0.0.1", client.port)) as line:
            line.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n")
            line.sendall(b"\r\n" + sent)
    until(lambda: client.figures()["kseg_requests_in_flight"] == 0)
    assert client.get("/healthz")[0] == 200


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what is broken
def test_no_bytes_take_it_down(client):
    rng = random.Random(0)
    files = []
    for form in ("PNG", "JPEG", "TIFF", "WEBP", "BMP"):
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, format=form)
        files.append(file.getvalue())
    codes = []
    for i in range(300):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        data = rng.randbytes(rng.randrange(200)) if i % 10 == 0 else data
        if i % 3:
            code, _, _ = client.ask("POST", "/predict", data)
        else:
            text = json.dumps({"instances": [b64(data)]}).encode()
            text = text[: rng.choice([len(text), rng.randrange(len(text))])]
            code, _, _ = client.ask("POST", CALL, text)
        codes.append(code)
    assert set(codes) <= {200, 400, 413} and 30 < codes.count(200) < 270
    np.testing.assert_array_equal(
        np.asarray(picture(client.ask("POST", "/predict", png()))), red(PIXELS)
    )


class Held:
    """A run that waits until it is let go."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = 0

    def __call__(self, images):
        self.begun += 1
        assert self.go.wait(20)
        return red(images)


def test_what_is_too_much_is_refused_at_once():
    held = Held()
    with (
        ThreadPoolExecutor() as threads,
        running(fake(held), Limits(max_requests=2)) as client,
    ):
        first = [threads.submit(client.ask, "POST", "/predict", png()) for _ in "ab"]
        until(lambda: client.figures()["kseg_requests_in_flight"] == 2)
        until(lambda: client.figures()["kseg_images_waiting"] == 1)
        code, headers, content = client.ask("POST", "/predict", png())
        assert (code, headers["retry-after"]) == (503, "1")
        assert "busy" in json.loads(content)["error"]
        assert client.get("/readyz")[0] == 503 and client.get("/healthz")[0] == 200
        held.go.set()
        assert [answer.result()[0] for answer in first] == [200, 200]
        assert client.get("/readyz")[0] == 200


def test_time_is_bounded_and_what_is_late_is_not_run():
    held = Held()
    with (
        ThreadPoolExecutor() as threads,
        running(fake(held), Limits(seconds=0.3)) as client,
    ):
        slow = threads.submit(client.post, "/predict", png())
        until(lambda: held.begun == 1)
        late = threads.submit(client.post, "/predict", png())
        assert slow.result()[0] == 504 and "too long" in slow.result()[1]["error"]
        assert late.result()[0] == 503 and "busy" in late.result()[1]["error"]
        until(lambda: client.get("/healthz")[0] == 500, seconds=8)
        held.go.set()
        until(lambda: client.get("/healthz")[0] == 200)
        assert client.ask("POST", "/predict", png())[0] == 200
        assert held.begun == 2


def test_a_body_that_does_not_come_ends():
    with running(fake(), Limits(seconds=0.2)) as client:
        line = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
        line.putrequest("POST", "/predict")
        line.putheader("Content-Length", "100")
        line.endheaders(b"begun")
        begun = time.monotonic()
        assert line.getresponse().status == 408
        assert time.monotonic() - begun < 5
        line.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_model_that_fails_fails_that_image_alone():
    def picky(images):
        if images.shape[1] == 13:
            raise RuntimeError("out of luck")
        return red(images)

    with running(fake(picky), Limits()) as client:
        code, said = client.post("/predict", png(np.zeros((13, 4, 3), np.uint8)))
        assert code == 500 and "13x4" in said["error"]
        assert client.ask("POST", "/predict", png())[0] == 200


def test_figures_count_what_happened():
    with running(fake(), Limits()) as client:
        for body in (png(), png(), b"nothing"):
            client.ask("POST", "/predict", body)
        client.ask("GET", "/elsewhere")
        found = client.figures()
    assert found['kseg_requests_total{code="200",path="/predict"}'] == 2
    assert found['kseg_requests_total{code="400",path="/predict"}'] == 1
    assert found['kseg_requests_total{code="404",path="other"}'] == 1
    assert found['kseg_request_seconds_count{path="/predict"}'] == 3
    assert found["kseg_pixels_total"] == 2 * 12 * 20
    assert found["kseg_batch_images_count"] == found["kseg_model_seconds_count"] == 2
    assert found["kseg_requests_in_flight"] == found["kseg_images_waiting"] == 0


def test_limits_are_checked():
    for wrong in ({"seconds": 0}, {"max_batch": 0}, {"delay": -1}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*above 0"):
            Limits(**wrong)
    assert Limits(delay=0).delay == 0
