"""No silent wrong number: what is called done is right, whoever else runs, whatever changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from fakeface_utils import notebook
from fakeface_utils.common import digests
from fakeface_utils.common.digests import digest
from fakeface_utils.common.errors import StudyError
from fakeface_utils.common.locks import lock
from fakeface_utils.common.paths import results_dir
from fakeface_utils.dataset.audit import audit
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation.caveats import failed_seeds, notices
from fakeface_utils.notebook import open_study
from fakeface_utils.report.background import provenance
from fakeface_utils.study import artefacts
from fakeface_utils.study import step as step_module
from fakeface_utils.study.artefacts import dataset_json, prepared_dir, read_manifest, study_json
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import prepare_step, table_step, train_step
from fakeface_utils.study.record import _together, claim_run, record
from fakeface_utils.study.step import Step

ROOT = Path(__file__).parents[1]
SMALL = "image_size=32 epochs=1 batch_size=4 custom_filters=2,2,2 custom_dense=4 vgg16_dense=4"


# Digests.


def write_all(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def hashed(places, monkeypatch):
    """The names of the files that are hashed from now on; a digest is remembered at once."""
    monkeypatch.setenv("FAKEFACE_CACHE", str(places / "cache"))
    monkeypatch.setattr(digests, "SETTLING", -60)
    names, hash_file = [], digests._hash

    def note(path):
        names.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(digests, "_hash", note)
    return names


def test_a_folder_is_hashed_once_and_again_only_where_a_file_changed(places, hashed):
    folder = places / "folder"
    write_all(folder, {"a/1.jpg": "one", "a/2.jpg": "two", "b/3.jpg": "six", "notes.txt": "x"})
    first = digest(folder, (".jpg",))
    assert sorted(hashed) == ["1.jpg", "2.jpg", "3.jpg"]
    assert digest(folder, (".jpg",)) == first
    assert len(hashed) == 3
    (folder / "notes.txt").write_text("other")
    assert digest(folder, (".jpg",)) == first
    (folder / "a/2.jpg").write_text("owt")
    assert digest(folder, (".jpg",)) != first
    assert hashed[3:] == ["2.jpg"]


def test_contents_exchanged_under_equal_sizes_and_times_are_noticed(places, hashed):
    folder = places / "folder"
    write_all(folder, {"fake/1.jpg": "one", "real/1.jpg": "two"})
    for path in folder.rglob("*.jpg"):
        os.utime(path, (1.7e9, 1.7e9))
    before = digest(folder)
    write_all(folder, {"fake/1.jpg": "two", "real/1.jpg": "one"})
    for path in folder.rglob("*.jpg"):
        os.utime(path, (1.7e9, 1.7e9))
    assert digest(folder) != before


def test_a_digest_of_a_file_that_was_just_written_is_not_trusted(places, hashed, monkeypatch):
    monkeypatch.setattr(digests, "SETTLING", 60)
    write_all(places / "folder", {"1.jpg": "one"})
    digest(places / "folder")
    digest(places / "folder")
    assert hashed == ["1.jpg", "1.jpg"]


@pytest.mark.parametrize("memory", ["damaged", "a folder"])
def test_without_its_memory_a_digest_is_the_same(places, hashed, memory):
    write_all(places / "folder", {"1.jpg": "one"})
    before = digest(places / "folder")
    shutil.rmtree(places / "cache")
    if memory == "damaged":
        write_all(places / "cache", {"digests.sqlite": "no database" * 1000})
    else:
        (places / "cache" / "digests.sqlite").mkdir(parents=True)
    assert digest(places / "folder") == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_dangling_links_are_passed_over(places, hashed):
    write_all(places / "folder", {"1.jpg": "one"})
    before = digest(places / "folder")
    os.mkfifo(places / "folder" / "pipe")
    (places / "folder" / "link").symlink_to("nobody")
    assert digest(places / "folder") == before
    assert digest(places / "nothing") == "missing"


# One writer.

HOLD = """
import sys, time
from pathlib import Path
from fakeface_utils.common.locks import lock
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


def make_step(folder: Path, name: str = "one", after: tuple = (), notebook: str = "02_x") -> Step:
    return Step(
        name=name,
        kind="table",
        notebook=notebook,
        module="study/names.py",
        study=load_study(),
        settings={"a": 1},
        inputs=(folder / "input.txt",),
        outputs=(folder / f"{name}.txt",),
        marker=folder / f".{name}.json",
        after=after,
    )


def test_two_at_once_do_a_step_once(places):
    (places / "input.txt").write_text("in")
    step, ran = make_step(places), []

    def work():
        ran.append(1)
        time.sleep(0.5)
        step.outputs[0].write_text("out")

    threads = [threading.Thread(target=step.do, args=[work]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]
    assert step.is_done()


PREPARE = """
import sys
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.study.parameters import load_study
prepare(load_study(data=sys.argv[1], run=sys.argv[2], overrides="image_size=32"))
"""


def test_two_preparations_at_once_give_what_one_gives(places, faces):
    commands = [[sys.executable, "-c", PREPARE, str(faces), name] for name in ("x", "y", "z")]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait() for process in processes] == [0, 0, 0]
    study = load_study(data=str(faces), run="x", overrides="image_size=32")
    arrays = {split: artefacts.read_images(study, split) for split in ("train", "valid", "test")}
    for split, images in arrays.items():
        manifest = read_manifest(study, split)
        assert len(images) == len(manifest) == manifest["path"].nunique() == 8
        for image, path in zip(images, manifest["path"], strict=True):
            with PIL.Image.open(faces / path) as file:
                expected = file.convert("RGB").resize((32, 32), PIL.Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(image, expected)


# A step counts only for what it ran on.


def test_what_changes_while_a_step_runs_does_not_count(places):
    (places / "input.txt").write_text("in")
    step = make_step(places)

    def work():
        (places / "input.txt").write_text("other")
        step.outputs[0].write_text("out")

    with pytest.raises(StudyError, match=r"one: .*input.txt has changed while it ran"):
        step.do(work)
    assert not step.is_done()
    assert step.why_not_done() == "one did not end"


def test_code_that_was_edited_since_the_process_started_is_not_what_runs(places, monkeypatch):
    (places / "input.txt").write_text("in")
    step = make_step(places)
    monkeypatch.setitem(step_module.LOADED, "study/names.py", "as it was")
    with pytest.raises(StudyError, match=r"study/names.py was edited .*restart the kernel"):
        step.do(lambda: step.outputs[0].write_text("out"))
    assert not step.outputs[0].exists()


def test_a_step_stands_only_on_what_is_up_to_date(places):
    (places / "input.txt").write_text("in")
    first = make_step(places, "first", notebook="01_x")
    second = make_step(places, "second", after=(first,))
    with pytest.raises(StudyError, match=r"first.txt is missing: run notebooks/01_x.ipynb first"):
        second.do(lambda: second.outputs[0].write_text("out"))
    first.do(lambda: first.outputs[0].write_text("out") and None)
    second.do(lambda: second.outputs[0].write_text("out") and None)
    second.check_inputs()
    (places / "input.txt").write_text("other")
    with pytest.raises(StudyError, match=r"input.txt has changed: run notebooks/01_x.ipynb again"):
        second.check_inputs()


@pytest.mark.parametrize("marker", ["", "[]", "null", "5", '{"seconds": "long"}', "{", '{"a": 1}'])
def test_a_damaged_marker_means_that_the_step_runs_again(places, marker):
    (places / "input.txt").write_text("in")
    step = make_step(places)
    assert step.do(lambda: step.outputs[0].write_text("out") and None)
    assert not step.do(lambda: None)
    step.marker.write_text(marker)
    assert step.cost() is None
    assert step.do(lambda: None)
    assert step.cost()["seconds"] >= 0


# A run belongs to its images.


def prepared(data: Path, run: str = "x"):
    study = load_study(data=str(data), run=run, overrides=SMALL)
    claim_run(study)
    prepare(study)
    record(study)
    return study


def test_another_folder_of_the_same_name_is_refused_before_anything_is_touched(places, faces):
    prepared(faces)
    other = places / "other" / faces.name
    shutil.copytree(faces, other)
    shutil.copy(next(other.rglob("train/fake/0.jpg")), next(other.rglob("test/fake/1.jpg")))
    before = study_json("x").read_bytes()
    study = load_study(data=str(other), run="x", overrides=SMALL)
    with pytest.raises(StudyError, match="the images of 'faces' have changed since"):
        claim_run(study)
    assert study_json("x").read_bytes() == before
    assert not prepared_dir(study).exists()


def test_a_moved_folder_is_the_same_study(places, faces):
    prepared(faces)
    moved = places / "elsewhere" / faces.name
    shutil.copytree(faces, moved)
    claim_run(load_study(data=str(moved), run="x", overrides=SMALL))


def exchange_classes(faces: Path) -> None:
    for fake in faces.rglob("fake/*.jpg"):
        real = fake.parents[1] / "real" / fake.name
        a, b = fake.read_bytes(), real.read_bytes()
        fake.write_bytes(b)
        real.write_bytes(a)
        for path in (fake, real):
            os.utime(path, (1.7e9, 1.7e9))


def test_images_changed_in_place_are_refused_by_every_notebook(places, faces):
    prepared(faces)
    exchange_classes(faces)
    for name in ("01_dataset", "04_evaluate", "06_report"):
        with pytest.raises(StudyError, match="the images of 'faces' have changed since"):
            open_study(name, "", str(faces), "x", "", SMALL)


def test_a_notebook_alone_never_takes_what_is_out_of_date(places, faces):
    study = prepared(faces)
    folder = results_dir("x") / "custom_cnn" / "seed-0"

    def train():
        write_all(folder, {"history.csv": "epoch,val_loss\n1,1\n", "model.keras": "m"})
        write_all(folder.parent, {"architecture.csv": "layer\nx\n"})

    train_step(study, "custom_cnn", 0).do(train)
    audit(study)
    (folder / "history.csv").write_text("epoch,val_loss\n1,0\n")  # edited by hand
    with pytest.raises(StudyError, match=r"history.csv has changed: run .*02_custom_cnn.* again"):
        open_study("05_figures", "", "", "x")
    (folder / "history.csv").write_text("epoch,val_loss\n1,1\n")
    with pytest.raises(StudyError, match=r"is missing: run notebooks/03_vgg16_transfer.* first"):
        open_study("05_figures", "", "", "x")


def test_a_forced_wipe_waits_for_nobody_and_destroys_nothing_in_use(places, faces):
    study = prepared(faces)
    changed = study.model_copy(update={"epochs": 2})
    path = train_step(study, "custom_cnn", 0).marker.with_suffix(".lock")
    with (
        lock(path, "training"),
        pytest.raises(StudyError, match="a step of run 'x' is the work of process"),
    ):
        claim_run(changed, force=True)
    assert study_json("x").exists()
    claim_run(changed, force=True)
    assert not study_json("x").exists()


# Parameters.


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"data": 5}, "data is 5: it must be text"),
        ({"profile": 5}, "profile is 5: it must be text"),
        ({"run": "x" * 300}, "it must be text of at most 100 letters"),
        ({"overrides": 5}, "overrides is 5: it must be text or a dictionary"),
        ({"seeds": True}, "seeds is True: it must be a count or a list of numbers"),
        ({"seeds": 10**9}, "seeds is 1000000000: give a count from 1 to 1000"),
        ({"overrides": "epochs=99999999999999"}, "setting 'epochs' is '99999999999999'"),
    ],
)
def test_a_parameter_of_another_kind_is_one_sentence(places, given, sentence):
    with pytest.raises(StudyError) as caught:
        load_study(**given)
    assert sentence in str(caught.value)


def test_overrides_may_have_commas_and_blanks():
    study = load_study(overrides="epochs = 3, dropout=0.2,  custom_filters=8,8,8")
    assert (study.epochs, study.dropout, study.custom_filters) == (3, 0.2, (8, 8, 8))
    path = "/a, b = c/weights.h5"  # in quotes nothing is touched
    assert load_study(overrides=f"vgg16_weights='{path}' epochs=3").vgg16_weights == path


@pytest.mark.parametrize(("text", "forced"), [("false", False), ("True", True), (False, False)])
def test_force_in_words_is_what_it_says(places, faces, text, forced):
    prepared(faces)
    marker = results_dir("x") / "kept.txt"
    marker.write_text("kept")
    opened = load_study("", str(faces), "x", "", f"{SMALL} dropout=0.1")
    if not forced:
        with pytest.raises(StudyError, match=r"dropout is 0.4 there and 0.1 here"):
            open_study("01_dataset", "", str(faces), "x", "", f"{SMALL} dropout=0.1", force=text)
    else:
        assert opened == open_study(
            "01_dataset", "", str(faces), "x", "", f"{SMALL} dropout=0.1", force=text
        )
    assert marker.exists() != forced
    with pytest.raises(StudyError, match="force is 'maybe': it must be true or false"):
        open_study("01_dataset", force="maybe")


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["# Parameters\nRUN = 'mine'\n"], "unknown parameter 'RUN': did you mean 'run'"),
        (["# Parameters\nSEEDS = 5"], "unknown parameter 'SEEDS': did you mean 'seeds'"),
        (["# Parameters\nset = 'epochs=3'"], "unknown parameter 'set': did you mean 'overrides'"),
        (["# Parameters\nepoch = 3"], "'epoch' is no parameter: give overrides = 'epochs=3'"),
        (["# Parameters\nanything = 3"], "unknown parameter 'anything': there are profile, data"),
        (["run = 'x'", "1 + 1", "2", "3", "4", "5", "seed = 3"], "did you mean 'seeds'"),
        (["Batch_Size = 10"], "'Batch_Size' is no parameter: give overrides = 'batch_size=10'"),
    ],
)
def test_a_mistyped_parameter_is_refused_in_every_cell(monkeypatch, cells, sentence):
    shell(monkeypatch, cells)
    with pytest.raises(StudyError) as caught:
        notebook._check_parameter_names()
    assert sentence in str(caught.value)


def test_a_readers_own_variables_are_nobodys_business(monkeypatch):
    own = ["for seed in range(3):\n    pass", "%matplotlib inline", "x = 3", "answer = 'yes'"]
    shell(monkeypatch, ["# Parameters\nrun = 'x'\nforce = False", *own])
    notebook._check_parameter_names()


def shell(monkeypatch, cells: list[str]) -> None:
    """A notebook in which these cells ran."""
    import IPython

    history = SimpleNamespace(input_hist_raw=["", *cells])
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(history_manager=history))


# What computed it.


def test_a_step_keeps_what_computed_it(places, faces, monkeypatch):
    study = prepared(faces)
    computed = json.loads(study_json("x").read_text())["computed"]
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    monkeypatch.setattr(step_module, "versions", lambda: {"python": "4.0"})
    prepare(study)
    assert record(study)["computed"] == computed
    dataset_json(study).unlink()
    prepare(study)
    again = record(study)
    assert again["computed"]["decode train"] == computed["decode train"]
    assert again["versions"]["python"].endswith("4.0 (prepare images)")


def test_values_that_differ_are_listed_with_their_steps():
    steps = {"a": {"v": 1, "w": 5}, "b": {"v": 2}, "c": {"v": 2}, "d": {"v": 2}, "e": {"v": 2}}
    assert _together(steps) == {"v": "1 (a); 2 (b, c and 2 more)", "w": "5"}


# Damage to our own files.

READERS = {
    "dataset.json": lambda study: artefacts.read_dataset(study),
    "audit.json": lambda study: artefacts.read_audit(study),
    "train.csv": lambda study: artefacts.read_manifest(study, "train"),
    "train.npy": lambda study: artefacts.read_images(study, "train"),
    "study.json": lambda study: artefacts.read_study_json(study.run),
    ".parameters.json": lambda study: artefacts.read_parameters(study.run),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", [b"[1]", b'"x"', b"5", b"", b'{"a": ', b"\xff\xfe", "a folder"])
def test_a_damaged_file_is_one_sentence(places, faces, name, damage):
    study = load_study(data=str(faces), run="x", overrides=SMALL)
    folder = results_dir("x") if name in ("study.json", ".parameters.json") else prepared_dir(study)
    folder.mkdir(parents=True)
    if damage == "a folder":
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(damage)
    with pytest.raises(StudyError, match=f"{name} is damaged .*: delete it and run again"):
        READERS[name](study)


def test_damage_to_what_is_prepared_is_mended_by_preparing(places, faces):
    study = prepared(faces)
    whole = {path.name: path.read_bytes() for path in prepared_dir(study).glob("[a-z]*.*")}
    for name in ("dataset.json", "train.npy", "test.csv"):
        (prepared_dir(study) / name).write_bytes(b"[]")
        assert not prepare_step(study).is_done()
        prepare(study)
        assert {n: (prepared_dir(study) / n).read_bytes() for n in whole} == whole
    assert table_step(study).why_not_done()


# The chain.


def test_braces_in_a_path_are_braces(places, run_notebook, monkeypatch):
    monkeypatch.setenv("FAKEFACE_RESULTS", str(places / "r{run}{x}"))
    copy = run_notebook("print('done')")
    assert copy.is_relative_to(places / "r{run}{x}")
    assert "done" in copy.read_text()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device"), r"cannot write .*n.ipynb: No space left"),
        (
            RuntimeError("Kernel died before replying to kernel_info"),
            "kernel of notebook n die",
        ),
    ],
)
def test_a_full_disk_and_a_kernel_that_never_starts_are_one_sentence(
    run_notebook, monkeypatch, error, sentence
):
    import papermill

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(StudyError, match=sentence):
        run_notebook("1")


@pytest.mark.parametrize("name", ["results/x", "results/x/notebooks", "data/prepared"])
def test_a_file_where_a_folder_should_be_is_one_sentence(places, faces, name):
    (places / name).parent.mkdir(parents=True)
    (places / name).write_text("")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["report", "--data", str(faces), "--run", "x", "--set", SMALL]
    answer = subprocess.run(
        [sys.executable, "-m", "fakeface_utils.cli", *words],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("error: cannot write ")
    assert "Traceback" not in answer.stderr


SLEEP = """
import sys
from pathlib import Path
from fakeface_utils.run import chain
from fakeface_utils.run.status import Status
from fakeface_utils.study.parameters import load_study
chain.NOTEBOOKS = Path(sys.argv[1])
chain._execute("n", {}, load_study(run="x"), Status("n"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are Unix'")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_closed_terminal_ends_the_chain_and_its_kernel(places, run_notebook, name):
    note = places / "kernel.txt"
    run_notebook("1")
    source = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(90)"
    content = json.loads((places / "n.ipynb").read_text())
    content["cells"][0]["source"] = source
    (places / "n.ipynb").write_text(json.dumps(content))
    command = [sys.executable, "-c", SLEEP, str(places)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (note.exists() and note.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(getattr(signal, name))
    assert process.wait(30) != 0
    kernel = int(note.read_text())
    for _ in range(100):
        if not Path(f"/proc/{kernel}").exists():
            break
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


# Numbers that are none.


def test_features_that_are_no_finite_numbers_are_refused(places, faces, monkeypatch):
    from fakeface_utils.networks import features

    class Base:
        output = np.empty((0, 1, 1, 4))

        @staticmethod
        def predict_on_batch(batch):
            return np.full((len(batch), 1, 1, 4), 70_000, "float32")  # float16 ends at 65,504

    study = prepared(faces)
    monkeypatch.setattr(features, "frozen_base", lambda study: Base)
    with pytest.raises(StudyError, match="no finite numbers in float16: set feature_dtype=float32"):
        features.extract_features(study, "train")
    assert not artefacts.features_path(study, "train").exists()
    study = load_study(data=str(faces), run="y", overrides=f"{SMALL} feature_dtype=float32")
    features.extract_features(study, "train")
    assert (artefacts.read_features(study, "train") == 70_000).all()


def test_a_run_that_diverges_ends_is_marked_and_counts(places, faces, capsys):
    from fakeface_utils.networks.checkpoint import Checkpoint
    from fakeface_utils.networks.models import custom_cnn
    from fakeface_utils.networks.training import fit

    study = load_study(data=str(faces), run="x", overrides=f"{SMALL} epochs=3 learning_rate=0.001")
    images = np.zeros((8, 32, 32, 3), "uint8")
    labels = np.arange(8) % 2
    network = custom_cnn(study)
    state = Checkpoint()
    fit(study.model_copy(update={"epochs": 1}), "custom_cnn", network, 0, (images, labels),
        (images, labels), state)  # fmt: skip
    best = [weights.copy() for weights in state.best]
    state.weights = [np.nan * weights for weights in state.weights]  # as the second epoch begins
    history = fit(study, "custom_cnn", network, 0, (images, labels), (images, labels), state)
    assert history["epoch"].tolist() == [1, 2]
    assert np.isnan(history["loss"].iloc[-1])
    assert "diverged in epoch 2" in capsys.readouterr().out
    for ours, kept in zip(network.get_weights(), best, strict=True):
        np.testing.assert_array_equal(ours, kept)
    again = fit(study, "custom_cnn", network, 0, (images, labels), (images, labels), state)
    assert again["epoch"].tolist() == [1, 2]  # resumed, it doesn't train on
    folder = artefacts.seed_dir("x", "custom_cnn", 0)
    folder.mkdir(parents=True)
    history.to_csv(folder / "history.csv", index=False)
    for model in ("custom_cnn", "vgg16"):
        place = artefacts.seed_dir("x", model, 0)
        place.mkdir(parents=True, exist_ok=True)
        if model == "vgg16":
            history.head(1).to_csv(place / "history.csv", index=False)
        table = {"path": ["a", "b"], "label": [0, 1], "p_fake": [0.1, 0.9]}
        pd.DataFrame(table).to_csv(place / "predictions.csv", index=False)
    assert failed_seeds(study) == [
        "custom CNN: 1 of 1 seeds diverged (0): the loss was no finite number, and the weights "
        "before that are scored; they count in every mean."
    ]


# What was open after all of it was tried again.


def test_a_run_whose_record_was_deleted_is_still_known_and_gets_it_back(places, faces):
    study = prepared(faces)
    study_json("x").unlink()
    other = places / "other" / faces.name
    shutil.copytree(faces, other)
    next(other.rglob("train/fake/0.jpg")).unlink()
    assert not list(results_dir("x").rglob(".*.step.json"))
    train_step(study, "custom_cnn", 0).marker.parent.mkdir(parents=True)
    train_step(study, "custom_cnn", 0).marker.write_text("{}")  # something was computed
    with pytest.raises(StudyError, match="the images of 'faces' have changed since"):
        claim_run(load_study(data=str(other), run="x", overrides=SMALL))
    with pytest.raises(StudyError, match=r"epochs is 1 there and 2 here"):
        claim_run(load_study(run="x", overrides="epochs=2"))
    claim_run(study)


def test_a_lock_needs_no_room_for_the_name_of_its_holder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with lock(tmp_path / "x.lock", "work"):
        assert not (tmp_path / "x.holder").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"profile": 5},
        {"profile": "nope"},
        {"data": 5},
        {"overrides": 7},
        {"seeds": "two"},
        {"a": 1},
    ],
)
def test_damaged_parameters_of_a_run_are_one_sentence(places, faces, content):
    prepared(faces)
    path = artefacts.parameters_json("x")
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, **content} if "a" not in content else content))
    with pytest.raises(StudyError, match=r"parameters.json is damaged"):
        load_study(run="x")


def test_a_step_knows_the_files_it_wrote(places):
    (places / "input.txt").write_text("in")
    step = make_step(places)
    step.do(lambda: step.outputs[0].write_text("out") and None)
    (places / "input.txt").write_text("changed since, which is another question")
    assert not step.disowns(step.outputs[0])
    step.outputs[0].write_text("foreign")
    assert step.disowns(step.outputs[0])
    step.marker.unlink()
    assert not step.disowns(step.outputs[0])  # nothing tells


def test_what_is_not_read_is_a_notice_of_the_report(places, faces):
    (next(faces.rglob("train/fake")) / "x.heic").write_bytes(b"heic")
    study = prepared(faces)
    assert notices(study) == ["Not read: 1 file that is no JPEG, PNG, BMP or WebP (.heic 1)."]


def test_the_report_names_gpus_and_where_machines_differ(places, faces, monkeypatch):
    study = prepared(faces)
    machine = {"processor": "CPU", "cores": 2, "gpus": ["A100", "A100"]}
    monkeypatch.setattr(step_module, "hardware", lambda: machine)
    dataset_json(study).unlink()
    prepare(study)
    found = record(study)["hardware"]
    assert (
        found["gpus"] == "none (decode train, decode valid and 1 more); A100, A100 (prepare images)"
    )
    assert "A100, A100 (prepare images)" in provenance(study).data


def test_the_demos_images_are_drawn_again_where_they_changed_and_a_photograph_stays(places):
    study = load_study(run="x", overrides="images_per_class=2 image_size=35")
    prepare(study)
    folder = artefacts.source_path(study)
    drawn = {path: path.read_bytes() for path in folder.rglob("*.jpg")}
    fake, real = (next(folder.rglob(f"train/{kind}/*.jpg")) for kind in ("fake", "real"))
    fake.write_bytes(drawn[real])
    prepare(study)
    assert {path: path.read_bytes() for path in folder.rglob("*.jpg")} == drawn
    photograph = fake.with_name("me.jpg")
    PIL.Image.new("RGB", (40, 40)).save(photograph)
    with pytest.raises(StudyError, match=r"me.jpg is not a generated image"):
        prepare(study)
    assert photograph.exists()
