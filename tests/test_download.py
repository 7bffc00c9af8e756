"""The real kaggle client against a server of our own: whole, cut, refused, changed."""

import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fakeface_utils.common.errors import StudyError
from fakeface_utils.dataset import kaggle
from fakeface_utils.study import artefacts
from fakeface_utils.study.artefacts import kaggle_location

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 2**20  # what the client writes at once, so what a cut may lose
SECRET = "planted-key-0f3a"


def zip_of(seed: int, count: int = 5) -> bytes:
    """A zip of some megabytes that can't be compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.bin", random.Random(f"{seed} {number}").randbytes(CHUNK))
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    """What the client asks of Kaggle: the dataset's description, then its zip by a redirect."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def answer(self, status, body, kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.logins.append(self.headers.get("Authorization"))
        if server.status != 200:
            message = json.dumps({"code": server.status, "message": "no"}).encode()
            self.answer(server.status, message if server.status == 403 else b"no", "text/plain")
        elif server.html == "everywhere" or (server.html and "Download" in self.path):
            self.answer(200, b"<html>please sign in</html>", "text/html")
        elif "DownloadDataset" in self.path:
            self.answer(302, b"", Location=f"{server.address}/storage/archive.zip")
        else:
            self.answer(200, b'{"info": {"licenses": [{"name": "other"}]}}')

    def do_GET(self):
        server, body = self.server, self.server.payload
        start = 0
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") == server.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(body):
            return self.answer(416, b"", "text/plain")
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(body) - start + server.lie))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", server.tag)
        self.send_header("Last-Modified", "Mon, 02 Mar 2020 10:00:00 GMT")
        self.end_headers()
        end = len(body) if server.cut is None else min(server.cut, len(body))
        self.close_connection = end < len(body) or server.lie != 0
        for place in range(start, end, CHUNK // 8):
            part = body[place : min(place + CHUNK // 8, end)]
            self.wfile.write(part)
            server.served += len(part)
            time.sleep(server.pause)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.payload, self.tag, self.served, self.logins = zip_of(0), '"first"', 0, []
        self.status, self.cut, self.html, self.lie, self.pause = 200, None, "", 0, 0.004

    def get_request(self):
        connection, address = super().get_request()
        # Little is sent that nobody reads: the client asks for all, then for the rest only.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)
        return connection, address

    def handle_error(self, request, client_address):
        """A client that was killed is no news."""


# What Python runs first in the client's process: our server is its Kaggle, and it doesn't wait
# between attempts. (Its own setting for tests, KAGGLE_API_ENVIRONMENT=TEST, has no effect in 2.2.)
SITE = """
import os, time
from kagglesdk import kaggle_env
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.PROD] = os.environ["TESTS_KAGGLE"]
wait = time.sleep
time.sleep = lambda seconds: wait(min(seconds, 0.01))
"""


@pytest.fixture
def client(places, monkeypatch):
    """A machine without credentials, on which the client doesn't wait between its attempts."""
    (places / "site").mkdir()
    (places / "site" / "sitecustomize.py").write_text(SITE)
    for name in [name for name in os.environ if name.startswith("KAGGLE")]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(places),
        "NO_PROXY": "127.0.0.1",
        "TESTS_KAGGLE": "http://127.0.0.1:9",  # where nobody answers
        "PYTHONPATH": f"{places / 'site'}{os.pathsep}{ROOT}",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(kaggle, "ZIP_BYTES", 5 * CHUNK)
    monkeypatch.setattr(artefacts, "MOUNTS", (places / "mounted",))
    return places


@pytest.fixture
def server(client, monkeypatch):
    server = Server()
    monkeypatch.setenv("TESTS_KAGGLE", server.address)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def arriving() -> Path:
    return kaggle_location().parent / "arriving" / kaggle_location().name


def refused() -> str:
    """The sentence a download ends with; nothing may be in the archive's place then."""
    with pytest.raises(StudyError) as caught:
        kaggle.download(0)
    said = str(caught.value)
    assert "\n" not in said
    assert "DATA" in said
    assert not kaggle_location().exists()
    return said


def test_it_arrives_whole_without_a_login_and_only_once(server, capfd):
    kaggle.download(21_000_000)
    assert kaggle_location().read_bytes() == server.payload
    assert server.served == len(server.payload)
    assert set(server.logins) == {None}
    assert not arriving().exists()
    out, _ = capfd.readouterr()
    assert "prepared arrays need 21.0 MB" in out
    assert "downloading: 100%" in out
    kaggle.download(0)
    assert server.served == len(server.payload)


def test_a_dataset_mounted_by_kaggle_is_used_as_it_is(server, places):
    (places / "mounted").mkdir()
    kaggle.download(0)
    assert kaggle_location() == places / "mounted"
    assert not server.logins


def test_a_cut_transfer_goes_on_where_it_was(server):
    server.cut = len(server.payload) // 2
    said = refused()
    assert "run again" in said
    assert "have arrived and are kept" in said
    assert 0 < len(server.payload) // 2 - arriving().stat().st_size < CHUNK
    server.cut = None
    kaggle.download(0)
    assert kaggle_location().read_bytes() == server.payload
    # The client drops a chunk that was cut, each of the six times that it tries.
    assert len(server.payload) <= server.served < len(server.payload) + 7 * CHUNK
    whole = server.served
    kaggle.download(0)
    assert server.served == whole


def test_a_resumed_transfer_serves_only_what_is_missing(server):
    server.cut = 3 * CHUNK  # at the end of a chunk: nothing is dropped
    refused()
    assert arriving().stat().st_size == 3 * CHUNK == server.served
    server.cut = None
    kaggle.download(0)
    assert kaggle_location().read_bytes() == server.payload
    assert server.served < len(server.payload) + CHUNK


def test_a_file_that_changed_in_between_is_fetched_anew(server):
    server.cut = 3 * CHUNK
    refused()
    server.cut, server.payload, server.tag = None, zip_of(1), '"second"'
    kaggle.download(0)
    assert kaggle_location().read_bytes() == server.payload


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, ["asks for a login", "API token"]),
        (403, ["403", "API token"]),
        (404, ["404", "no dataset"]),
        (429, ["429", "minutes"]),
        (500, ["5xx", "later"]),
    ],
)
def test_a_refusal_is_one_sentence_and_keeps_what_has_arrived(server, status, words):
    server.cut = 3 * CHUNK
    refused()
    server.status = status
    said = refused()
    assert all(word in said for word in words), said
    assert arriving().stat().st_size == 3 * CHUNK
    server.status, server.cut = 200, None
    kaggle.download(0)
    assert server.served < len(server.payload) + CHUNK


def test_no_server_is_one_sentence(client):
    assert "can't be reached" in refused()


@pytest.mark.parametrize("more", [1000, -1000])
def test_a_wrong_length_is_never_taken_for_the_zip(server, more):
    server.lie = more
    said = refused()
    assert "length" in said or "broke" in said or "not a whole zip" in said, said
    server.lie = 0
    kaggle.download(0)
    assert kaggle_location().read_bytes() == server.payload


def test_a_web_page_is_never_taken_for_the_zip(server):
    server.cut = 3 * CHUNK
    refused()
    server.cut, server.html = None, "everywhere"
    assert "web page" in refused()
    assert arriving().stat().st_size == 3 * CHUNK
    server.html = "for the zip"
    assert "not a whole zip" in refused()
    server.html = ""
    kaggle.download(0)
    assert kaggle_location().read_bytes() == server.payload


def test_a_full_disk_is_noticed_before_the_transfer(server, monkeypatch):
    with pytest.raises(StudyError, match=r"the zip and the prepared arrays need .* PB|EB|GB"):
        kaggle.download(10**18)
    assert not server.logins


def test_a_login_is_used_and_never_shown(server, places, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    server.status = 403
    said = refused()
    server.status = 200
    kaggle.download(0)
    assert any(login and login.startswith("Basic ") for login in server.logins)
    assert SECRET not in said + "".join(capfd.readouterr())
    for path in places.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


# `fakeface data` on a dataset of 4 images of each class in each split.
DRIVER = """
import sys
from fakeface_utils.dataset import kaggle, prepare
kaggle.ZIP_BYTES = 10**6
kaggle.PAPER_COUNTS = prepare.PAPER_COUNTS = dict.fromkeys(kaggle.PAPER_COUNTS, 4)
from fakeface_utils.cli import main
sys.argv = ["fakeface", "data", "--data", "kaggle", "--set", "image_size=35"]
main()
"""


def start() -> subprocess.Popen:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-c", DRIVER], **options)


def test_a_killed_transfer_goes_on_where_it_was(server, faces, places):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(faces.rglob("*.jpg")):
            archive.write(path, path.relative_to(faces).as_posix())
        archive.writestr("other.bin", random.Random(0).randbytes(7 * CHUNK))
    server.payload, server.pause = stream.getvalue(), 0.05

    def here():
        return arriving().stat().st_size if arriving().exists() else 0

    for _ in range(3):
        before, process = here(), start()
        while here() <= before:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        process.kill()  # this process alone: the client must leave by itself
        process.communicate()
        assert before < here() < len(server.payload)
    server.pause = 0.0
    process = start()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert kaggle_location().read_bytes() == server.payload
    assert server.served < len(server.payload) + 5 * CHUNK  # from the start it would be 6 at least
    (manifest,) = (places / "data" / "prepared").glob("*/dataset.json")
    assert json.loads(manifest.read_text())["counts"]["train"] == {"real": 4, "fake": 4}
