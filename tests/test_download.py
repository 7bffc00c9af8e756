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

import pytest

from fakeface_utils import data
from fakeface_utils.data import download
from fakeface_utils.run import load_study
from fakeface_utils.util import ROOT, StudyError

CHUNK = 2**20  # what the client writes at once, so what a cut may lose
SECRET = "planted-key-0f3a"


def zip_of(seed, count=5):
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
        headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
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
    monkeypatch.setattr(data, "ZIP_BYTES", 5 * CHUNK)
    monkeypatch.setattr(data, "MOUNTS", (places / "mounted",))
    monkeypatch.setattr(data, "COUNTS", dict.fromkeys(data.COUNTS, 4))
    return places


@pytest.fixture
def server(client, monkeypatch):
    server = Server()
    monkeypatch.setenv("TESTS_KAGGLE", server.address)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def task():
    return download.of(load_study(data="kaggle", overrides="image_size=35"))


def arriving():
    """Bytes that have arrived of a zip that isn't whole."""
    part = task().marker.with_suffix(".part") / task().path().name
    return part.stat().st_size if part.exists() else 0


def refused():
    """The sentence a download ends with; nothing may be in the zip's place then."""
    with pytest.raises(StudyError) as caught:
        task().do()
    said = str(caught.value)
    assert said.isprintable()
    assert "put it at" in said
    assert not task().path().exists()
    return said


def test_it_arrives_whole_without_a_login_and_only_once(server, capfd):
    task().do()
    assert task().path().read_bytes() == server.payload
    assert server.served == len(server.payload)
    assert set(server.logins) == {None}
    assert "downloading:   0%" in capfd.readouterr()[0]
    task().do()
    assert server.served == len(server.payload)


def test_a_dataset_mounted_by_kaggle_or_fetched_by_hand_is_used_as_it_is(server, places):
    by_hand = task().path()
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(server.payload)
    task().do()
    assert by_hand.read_bytes() == server.payload
    (places / "mounted").mkdir()
    study = load_study(data="kaggle")
    assert data.source(study) == places / "mounted"
    assert data.prepare.of(study, "test").before() == []
    assert not server.logins


def test_a_cut_transfer_goes_on_where_it_was(server):
    server.cut = len(server.payload) // 2
    said = refused()
    assert "run again" in said
    assert "2.1 MB have arrived" in said
    assert 0 < len(server.payload) // 2 - arriving() < CHUNK
    server.cut = None
    task().do()
    assert task().path().read_bytes() == server.payload
    # The client drops a chunk that was cut, each of the six times that it tries.
    assert len(server.payload) <= server.served < len(server.payload) + 7 * CHUNK


@pytest.mark.parametrize("cause", ["changed", "too long", "too short"])
def test_what_is_not_the_zip_is_never_taken_for_it(server, cause):
    if cause == "changed":
        server.cut = 3 * CHUNK
        refused()
        server.cut, server.payload, server.tag = None, zip_of(1), '"second"'
    else:
        server.lie = 1000 if cause == "too long" else -1000
        refused()
        server.lie = 0
    task().do()
    assert task().path().read_bytes() == server.payload


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "API token"), (403, "API token"), (404, "look for"), (500, "wait an hour")],
)
def test_a_refusal_is_one_sentence_and_keeps_what_has_arrived(server, status, words):
    server.cut = 3 * CHUNK  # at the end of a chunk: nothing is dropped
    refused()
    server.status = status
    assert words in refused()
    assert arriving() == 3 * CHUNK
    server.status, server.cut = 200, None
    task().do()
    assert task().path().read_bytes() == server.payload
    assert server.served < len(server.payload) + CHUNK


def test_no_server_is_one_sentence(client):
    assert "Connection refused" in (said := refused())
    assert "check the network, and run again" in said


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ("SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] self-signed')", "set REQUESTS_CA_BUNDLE"),
        ("Tunnel connection failed: 407 Proxy Authentication Required", "set HTTPS_PROXY=http://"),
        ("429 Client Error: Too Many Requests", "wait an hour"),
        ("403 Forbidden: You must accept this dataset's rules", "accept them on kaggle.com"),
        ("401 Unauthorized: the token has expired", "save an API token"),
        ("Failed to resolve 'www.kaggle.com' ([Errno -2] Name or service not known)", "network"),
        ("[Errno 28] No space left on device", "another disk with FAKEFACE_DATA"),
        ("something new", "check the network, and run again"),
    ],
)
def test_a_failure_is_told_in_the_clients_last_words_with_what_helps(
    client, monkeypatch, last, words
):
    said = f"first\nat http://me:{SECRET}@proxy:80 {last}"
    monkeypatch.setattr(data, "CLIENT", f"import sys; sys.exit({said!r})")
    message = refused()
    assert f"(at http://proxy:80 {last}): " in message
    assert words in message
    assert SECRET not in message


def test_a_web_page_is_never_taken_for_the_zip(server):
    server.cut = 3 * CHUNK
    refused()
    server.cut, server.html = None, "everywhere"
    assert "web page" in refused()
    assert arriving() == 3 * CHUNK
    server.html = "for the zip"
    assert "not a whole zip" in refused()
    server.html = ""
    task().do()
    assert task().path().read_bytes() == server.payload


def test_a_full_disk_is_noticed_before_the_transfer(server, monkeypatch):
    monkeypatch.setattr(data, "ZIP_BYTES", 10**18)
    with pytest.raises(StudyError, match="the zip and the prepared arrays need"):
        task().do()
    assert not server.logins


def test_a_login_is_used_and_never_shown(server, places, monkeypatch, capfd):
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", SECRET)
    server.status = 403
    said = refused()
    server.status = 200
    task().do()
    assert any(login and login.startswith("Basic ") for login in server.logins)
    assert SECRET not in said + "".join(capfd.readouterr())
    for path in places.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


# All of a dataset of 4 images of each class in each split.
DRIVER = """
from fakeface_utils import data
from fakeface_utils.run import load_study
data.ZIP_BYTES = 10**6
data.COUNTS = dict.fromkeys(data.COUNTS, 4)
study = load_study(data="kaggle", overrides="image_size=35")
for task in (*data.dataset.of(study).before(), data.dataset.of(study)):
    task.do()
"""


def start():
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-c", DRIVER], **options)


def test_a_killed_transfer_goes_on_where_it_was(server, faces, places):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(faces.rglob("*.jpg")):
            archive.write(path, path.relative_to(faces).as_posix())
        archive.writestr("other.bin", random.Random(0).randbytes(7 * CHUNK))
    server.payload, server.pause = stream.getvalue(), 0.05
    process = start()
    while not arriving():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    process.kill()  # this process alone: the client must leave by itself
    process.communicate()
    assert 0 < arriving() < len(server.payload)
    server.pause = 0.0
    process = start()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert task().path().read_bytes() == server.payload
    assert server.served < len(server.payload) + 5 * CHUNK  # from the start it would be 6 at least
    assert data.about(task().study)["counts"]["train"] == {"real": 4, "fake": 4}
