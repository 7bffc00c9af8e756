"""What `fakeface doctor` says of machines that lack something."""

import collections
import socket

import pytest

from beyond.doctor import look
from fakeface_utils.util import StudyError

Size = collections.namedtuple("Size", "total free")


def test_a_machine_that_has_it_all_is_ready(monkeypatch, capsys):
    monkeypatch.setattr(look.lines, "__defaults__", ((look.python, look.cores),))
    monkeypatch.setattr(look.psutil, "cpu_count", lambda: 2)
    look.doctor()
    said = capsys.readouterr().out.splitlines()
    assert [line[:14] for line in said] == ["ok   python   ", "ok   cores    ", "this machine i"]


@pytest.mark.parametrize(
    ("name", "target", "value", "todo"),
    [
        ("disk", "shutil.disk_usage", lambda path: Size(9, 10**9), "make room: 2.0 GB"),
        ("memory", "psutil.virtual_memory", lambda: Size(10**9, 0), "shut each notebook's kernel"),
        ("cores", "psutil.cpu_count", lambda: 1, "twice as long"),
        ("python", "sys.version_info", (3, 14), "install Python 3.11"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(name, target, value, todo, monkeypatch):
    monkeypatch.setattr(f"beyond.doctor.look.{target}", value)
    ((line, fine),) = look.lines((getattr(look, name),))
    assert not fine
    assert todo in line


def test_a_folder_that_takes_no_files(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAKEFACE_RESULTS", str(tmp_path / "file" / "results"))
    ((line, fine),) = look.lines((look.folders,))
    assert not fine
    assert "FAKEFACE_RESULTS" in line


def test_weights_that_nobody_gives(places, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("fakeface_utils.networks.weights._from_keras", refuse)
    monkeypatch.setattr("fakeface_utils.networks.weights._from_pypi", refuse)
    ((line, fine),) = look.lines((look.weights,))
    assert not fine
    assert "vgg16_weights=FILE" in line


def test_a_look_that_fails_is_a_line_and_the_end_says_how_many(monkeypatch, capsys):
    def broken():
        raise RuntimeError("no idea")

    monkeypatch.setattr(look.lines, "__defaults__", ((broken, look.python, broken),))
    with pytest.raises(StudyError, match="2 things to do"):
        look.doctor()
    assert capsys.readouterr().out.count("LOOK broken    RuntimeError: no idea") == 2


@pytest.mark.slow
def test_a_training_step_gives_minutes():
    assert look.training()[0].startswith("the demo takes about ")
