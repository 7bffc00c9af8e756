"""What is called done is done: settings, inputs, code and outputs are as they were."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from fakeface_utils import digests, models
from fakeface_utils import step as step_module
from fakeface_utils.digests import code_of, signature
from fakeface_utils.settings import Study
from fakeface_utils.step import AXES, STEPS, read_file, step
from fakeface_utils.util import ROOT, StudyError, lock

RAN: list[str] = []


@pytest.fixture(autouse=True)
def steps(monkeypatch):
    """The steps that a test declares are gone when it ends."""
    monkeypatch.setattr(step_module, "STEPS", STEPS)
    before, axes = dict(STEPS), dict(AXES)
    RAN.clear()
    yield
    for known, kept in ((STEPS, before), (AXES, axes)):
        known.clear()
        known.update(kept)


@pytest.fixture
def study(places):
    (places / "input.txt").write_text("in")
    return Study(run="x")


def two(places, work=None):
    """A step that copies a file, and one that stands on it."""

    @step("01_x", ["a.csv"], settings=lambda study: {"epochs": study.epochs},
          inputs=lambda study: {"input": places / "input.txt"})  # fmt: skip
    def copy(study, out):
        RAN.append("copy")
        (work or write)(out)

    def write(out):
        pd.DataFrame({"text": [(places / "input.txt").read_text()]}).to_csv(out / "a.csv")

    @step("02_x", ["b.csv"], after=["copy"])
    def double(study, out):
        RAN.append("double")
        pd.concat([copy.of(study).read()] * 2).to_csv(out / "b.csv")

    return copy, double


def test_a_step_is_done_once(places, study):
    copy, double = two(places)
    assert copy(study)["text"].tolist() == ["in"]
    assert double(study)["text"].tolist() == ["in", "in"]
    copy(study)
    double(study)
    assert RAN == ["copy", "double"]
    assert double.of(study).why_stale() == ""
    assert [task.name for task in double.of(study).before()] == ["copy"]
    assert double.of(study).record()["seconds"] >= 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("input", "input has changed"),
        ("output", "a.csv has changed"),
        ("missing", "a.csv is missing"),
        ("settings", "epochs has changed"),
        ("touched", ""),
        ("code", "tests/test_step.py has changed"),
    ],
)
def test_what_was_changed_is_done_again_and_all_that_stands_on_it(
    places, study, monkeypatch, change, why
):
    copy, double = two(places)
    copy(study), double(study)
    task = copy.of(study)
    if change == "input":
        (places / "input.txt").write_text("other")
    elif change == "output":
        task.path().write_text(task.path().read_text().replace("in", "by hand"))
    elif change == "missing":
        task.path().unlink()
    elif change == "settings":
        study = study.model_copy(update={"epochs": 3})
    elif change == "touched":
        os.utime(places / "input.txt", (1.7e9, 1.7e9))
    else:
        now = code_of(Path(__file__)) | {"tests/test_step.py": "edited"}
        monkeypatch.setattr(step_module, "code_of", lambda *files: now)
        monkeypatch.setitem(digests.LOADED, "tests/test_step.py", "edited")
    assert why in (found := copy.of(study).why_not_done())
    assert bool(found) == bool(why)
    assert double.of(study).why_stale() == found
    if why:
        with pytest.raises(StudyError, match=r"run notebooks/01_x.ipynb, with the same run$"):
            double(study)
    copy(study), double(study)
    again = {"touched": [], "input": ["copy", "double"], "code": ["copy", "double"]}
    assert RAN[2:] == again.get(change, ["copy"])  # an equal output leaves what stands on it done


def test_contents_exchanged_under_equal_sizes_and_times_are_noticed(places):
    folder = places / "folder"
    for kind, text in (("fake", "one"), ("real", "two")):
        (folder / kind).mkdir(parents=True)
        (folder / kind / "1.jpg").write_text(text)
        os.utime(folder / kind / "1.jpg", (1.7e9, 1.7e9))
    before = signature(folder)
    for kind, text in (("fake", "two"), ("real", "one")):
        (folder / kind / "1.jpg").write_text(text)
        os.utime(folder / kind / "1.jpg", (1.7e9, 1.7e9))
    assert signature(folder, before)[1] != before[1]


def test_a_folder_is_read_again_only_where_something_changed(places, monkeypatch):
    monkeypatch.setattr(digests, "UNSURE", -60)
    (places / "folder").mkdir()
    (places / "folder" / "1.jpg").write_text("one")
    read, contents = [], digests._contents
    monkeypatch.setattr(digests, "_contents", lambda *a: read.append(a) or contents(*a))
    first = signature(places / "folder")
    (places / "folder" / ".hidden").write_text("x")
    assert signature(places / "folder", first) == first
    assert signature(places / "folder") == first
    assert len(read) == 1
    monkeypatch.setattr(digests, "UNSURE", 60)  # what was just written is never trusted
    assert signature(places / "folder", ["", "x"]) == ["", first[1]]
    assert len(read) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_dangling_links_are_passed_over(places):
    (places / "folder").mkdir()
    (places / "folder" / "1.jpg").write_text("one")
    before = signature(places / "folder")
    os.mkfifo(places / "folder" / "pipe")
    (places / "folder" / "link").symlink_to("nobody")
    assert signature(places / "folder") == before
    assert signature(places / "nothing")[1] == "missing"


@pytest.mark.parametrize("marker", ["", "[]", "null", "5", '{"seconds": "long"}', "{", '{"a": 1}'])
def test_a_damaged_marker_means_that_the_step_runs_again(places, study, marker):
    copy, _ = two(places)
    copy(study)
    copy.of(study).marker.write_text(marker)
    assert copy.of(study).why_not_done() == "copy did not end"
    copy(study)
    assert RAN == ["copy", "copy"]


def test_what_changes_while_a_step_runs_does_not_count(places, study):
    def work(out):
        (places / "input.txt").write_text("other")
        (out / "a.csv").write_text("text\nin\n")

    copy, _ = two(places, work)
    with pytest.raises(StudyError, match=r"copy: input has changed while it ran"):
        copy(study)
    assert copy.of(study).why_not_done()


def test_code_that_was_edited_since_the_process_started_is_not_what_runs(
    places, study, monkeypatch
):
    copy, _ = two(places)
    monkeypatch.setitem(digests.LOADED, "tests/test_step.py", "as it was")
    with pytest.raises(StudyError, match=r"tests/test_step.py was edited .*restart the kernel"):
        copy(study)
    assert not RAN


def test_an_output_that_was_not_written_is_said(places, study):
    copy, _ = two(places, lambda out: None)
    with pytest.raises(StudyError, match=r"copy ended without writing a.csv"):
        copy(study)


def test_an_interrupted_step_finds_what_it_left_under_the_same_settings_only(places, study):
    def work(out):
        count = len(list(out.glob("part-*")))
        (out / f"part-{count}").touch()
        if count < 2:
            raise KeyboardInterrupt
        (out / "a.csv").write_text(f"text\n{count}\n")

    copy, _ = two(places, work)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            copy(study)
    other = study.model_copy(update={"epochs": 3})
    with pytest.raises(KeyboardInterrupt):
        copy(other)  # from its beginning
    with pytest.raises(KeyboardInterrupt):
        copy(other)
    assert copy(other)["text"].tolist() == [2]
    assert sorted(path.name for path in copy.of(other).folder.iterdir()) == [
        ".copy.json", ".copy.lock", "a.csv",
    ]  # fmt: skip


def test_a_kill_while_files_are_moved_is_taken_up(places, study, monkeypatch):
    @step("01_x", ["a.txt", "b.txt"])
    def pair(study, out):
        RAN.append("pair")
        for name in ("a.txt", "b.txt"):
            (out / name).write_text(name)

    moves, replace = [], os.replace

    def fail(source, target):
        moves.append(target)
        if Path(target).name == "b.txt":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        pair(study)
    monkeypatch.setattr(os, "replace", replace)
    pair.of(study).path("a.txt").write_text("by hand")
    pair(study)
    assert RAN == ["pair", "pair"]
    assert [pair.of(study).path(name).read_text() for name in ("a.txt", "b.txt")] == [
        "a.txt",
        "b.txt",
    ]


def test_a_killed_process_took_the_seconds_until_its_last_file(places, study, monkeypatch):
    def work(out):
        if not (part := out / "part").exists():
            part.touch()
            os.utime(part, (time.time() + 100,) * 2)
            raise KeyboardInterrupt  # which here is as good as a kill
        (out / "a.csv").write_text("text\nin\n")

    monkeypatch.setattr(step_module, "UNSURE", 0)
    copy, _ = two(places, work)
    with pytest.raises(KeyboardInterrupt):
        copy(study)
    copy(study)
    assert copy.of(study).record()["seconds"] == pytest.approx(100, abs=10)


def test_an_input_that_can_not_be_read_is_a_sentence_that_names_it(places, study, monkeypatch):
    read = Path.open

    def refuse(path, *given, **named):
        if path.name == "input.txt":
            raise PermissionError(13, "Permission denied")
        return read(path, *given, **named)

    monkeypatch.setattr(Path, "open", refuse)
    copy, _ = two(places)
    with pytest.raises(StudyError, match=r"^\S*input.txt can't be read: let your"):
        copy(study)


def test_axes_and_arguments(places, study):
    AXES["size"] = lambda study: [1, 2]

    @step("01_x", lambda study, size: [f"{size}.txt"], each=("size",))
    def one(study, size, out):
        (out / f"{size}.txt").write_text(str(size))

    @step("02_x", ["both.txt"], after=["one"])
    def both(study, out):
        (out / "both.txt").write_text("".join(t.path().read_text() for t in one.all(study)))

    assert [task.name for task in one.all(study, size=2)] == ["one 2"]
    assert [task.name for task in both.of(study).before()] == ["one 1", "one 2"]
    for task in one.all(study):
        task.do()
    assert both(study).read_text() == "12"
    one.all(study, size=2)[0].path().unlink()
    assert both.of(study).why_stale().endswith("2.txt is missing")
    AXES["size"] = lambda study: ["a/b", "a-b"]  # names are data: two never share a marker
    assert len({task.marker for task in one.all(study)}) == 2


def test_a_moved_run_stays_done_and_one_that_can_not_be_written_is_read(places, study, monkeypatch):
    copy, double = two(places)
    copy(study), double(study)
    shutil.move(places / "results", places / "moved")
    monkeypatch.setenv("FAKEFACE_RESULTS", str(places / "moved"))
    (places / "moved" / "x").chmod(0o500)
    assert double(study)["text"].tolist() == ["in", "in"]
    (places / "moved" / "x").chmod(0o700)
    assert RAN == ["copy", "double"]


# Code.


def test_code_is_followed_into_functions_and_packages():
    found = code_of(ROOT / "fakeface_utils" / "data.py")
    assert {"fakeface_utils/data.py", "fakeface_utils/__init__.py"} <= set(found)
    assert any(name.startswith("fakeface_utils/demo/") for name in found)  # inside a function
    assert not set(found) & digests.NOT_HASHED


def test_a_new_network_changes_no_step_of_the_others(places, study, monkeypatch):
    from fakeface_utils import data, trained  # noqa: F401  declare the steps

    before = STEPS["train"].of(study, "custom_cnn", 0).depends_on()
    monkeypatch.setitem(models.MODELS, "logistic", models.Model("x", "02_custom_cnn"))
    assert STEPS["train"].of(study, "custom_cnn", 0).depends_on() == before


# One writer.

HOLD = """
import sys, time
from pathlib import Path
from fakeface_utils.util import lock
with lock(Path(sys.argv[1]), "work"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "x.lock")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_told_who_is_at_it(tmp_path, holder):
    with (
        pytest.raises(StudyError, match=f"work is the work of process {holder.pid} on .* since 20"),
        lock(tmp_path / "x.lock", "work", wait=False),
    ):
        pass


def test_a_second_process_waits_and_a_lock_goes_with_its_process(tmp_path, holder, capsys):
    threading.Timer(0.5, holder.send_signal, [signal.SIGKILL]).start()
    with lock(tmp_path / "x.lock", "work"):
        assert holder.wait() == -signal.SIGKILL
    assert capsys.readouterr().out.startswith(f"work: waiting for process {holder.pid} on ")


def test_a_lock_needs_no_room_for_the_name_of_its_holder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with lock(tmp_path / "x.lock", "work"):
        assert not (tmp_path / "x.holder").exists()


def test_two_at_once_do_a_step_once(places, study):
    def work(out):
        time.sleep(0.3)
        (out / "a.csv").write_text("text\nin\n")

    copy, _ = two(places, work)
    threads = [threading.Thread(target=copy, args=[study]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert RAN == ["copy"]
    assert copy.of(study).why_not_done() == ""


def test_a_full_disk_is_one_sentence_and_a_defect_keeps_its_traceback(places, study):
    def full(out):
        raise OSError(28, "No space left on device")

    copy, _ = two(places, full)
    with pytest.raises(StudyError, match=r"cannot write .*: No space left on device"):
        copy(study)
    copy, _ = two(places, lambda out: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        copy(study)


# Reading.


def test_names_are_data(tmp_path):
    table = pd.DataFrame({"path": ["NA", "001", "None", ""], "p_fake": [0.1, None, 1e-17, 2]})
    table.to_csv(tmp_path / "x.csv", index=False)
    again = read_file(tmp_path / "x.csv")
    pd.testing.assert_frame_equal(again, table, check_dtype=False)


@pytest.mark.parametrize("name", ["x.json", "x.npy", "x.npz", "x.csv"])
@pytest.mark.parametrize("damage", [b"[1]", b"", b"\xff\xfe\x00", "a folder", "missing"])
def test_a_damaged_file_is_one_sentence(tmp_path, name, damage):
    path = tmp_path / name
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(damage)
    if (name, damage) == ("x.csv", b"[1]"):
        return  # a table with one column
    with pytest.raises(StudyError, match=rf"{name} is (damaged .*: delete it|missing)"):
        read_file(path)
