"""The whole study on a tiny setting, as a user runs it: in a copy, by the command line."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from typer.testing import CliRunner

from conftest import SECRET, TINY, enter, notebook_of
from fakeface_utils import chain, step
from fakeface_utils.chain import Status
from fakeface_utils.cli import app
from fakeface_utils.extension import Extension, extensions
from fakeface_utils.models import MODELS
from fakeface_utils.notebook import report
from fakeface_utils.run import load_study
from fakeface_utils.util import NOTEBOOKS, ROOT, StudyError

CORE = sorted(path.stem for path in NOTEBOOKS.glob("0[1-9]_*.ipynb"))
ALWAYS = [name for name, one in extensions().items() if one.always]
FIGURES = (
    "table1_forest", "figure1_samples", "figure2_architecture", "figure3_vgg16",
    "figure4_custom_cnn", "confusion_matrices", "roc",
)  # fmt: skip


def table1_by_hand(results: Path) -> None:
    """Recompute Table 1 from the predictions by equations 3 to 6, without the package."""
    table = pd.read_csv(results / "table1.csv").set_index(["model", "metric"])
    assert len(table) == 4 * len(MODELS)
    for model in MODELS:
        values = []
        for seed in (0, 1):
            predictions = pd.read_csv(results / model / f"seed-{seed}" / "predictions.csv")
            fake, called = predictions["label"] == 1, predictions["p_fake"] >= 0.5
            tp, fp = (fake & called).sum(), (~fake & called).sum()
            fn, tn = (fake & ~called).sum(), (~fake & ~called).sum()
            precision, recall = tp / max(tp + fp, 1), tp / (tp + fn)
            f1 = 2 * precision * recall / max(precision + recall, 1e-12)
            values.append([(tp + tn) / len(fake), precision, recall, f1])
        found = table.loc[model].loc[["accuracy", "precision", "recall", "f1"]]
        np.testing.assert_allclose(found["ours_mean"], np.mean(values, axis=0), atol=1e-12)
        np.testing.assert_allclose(found["ours_sd"], np.std(values, axis=0, ddof=1), atol=1e-12)
        assert (found["ci_low"] <= found["ours_mean"]).all()
        assert (found["ours_mean"] <= found["ci_high"]).all()


def test_table1_follows_from_the_predictions(project, tmp_path):
    table1_by_hand(project.results)
    results = shutil.copytree(project.results, tmp_path / "results")
    path = results / "custom_cnn" / "seed-0" / "predictions.csv"
    table = pd.read_csv(path)
    table.loc[0, "label"] = 1 - table.loc[0, "label"]
    table.to_csv(path, index=False)
    with pytest.raises(AssertionError):
        table1_by_hand(results)


def test_no_credential_is_in_any_output_notebook_log_or_artefact(project):
    assert SECRET not in project.output
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert {".html", ".ipynb", ".log", ".json", ".csv"} <= {path.suffix for path in files}
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


def test_every_artefact_is_there(project):
    columns = {
        "history.csv": "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds",
        "predictions.csv": "path,label,p_fake",
        "validation.csv": "path,label,p_fake",
        "architecture.csv": "layer,kind,output_shape,parameters,trainable,multiply_adds,activation",
    }
    for model in MODELS:
        for seed in (0, 1):
            folder = project.results / model / f"seed-{seed}"
            for name, expected in columns.items():
                assert (folder / name).read_text().splitlines()[0] == expected
            assert pd.read_csv(folder / "history.csv")["epoch"].tolist() == [1, 2]
            predictions = pd.read_csv(folder / "predictions.csv")
            assert len(predictions) == 48
            assert predictions["p_fake"].between(0, 1).all()
            assert (predictions["label"] == predictions["path"].str.contains("/fake/")).all()
            assert (folder / "model.keras").exists()
            assert not list(folder.glob("*.part"))
    for name in FIGURES:
        assert (project.figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (project.figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    copies = {path.stem for path in (project.results / "notebooks").glob("*.ipynb")}
    assert copies == {*CORE, *ALWAYS}
    assert {p.stem for p in (project.results / "notebooks").glob("*.html")} == copies
    assert "<html" in (project.results / "report.html").read_text()
    assert str(project.root) not in (project.results / "study.json").read_text()


def test_demo_numbers_are_called_demo_numbers_and_a_second_run_skips_everything(
    project, monkeypatch
):
    enter(monkeypatch, project.root)
    answer = CliRunner().invoke(app, ["report", "--run", "tiny"])  # the run remembers the rest
    assert answer.exception is None, answer.output
    assert answer.output.count("up to date, skipped") == len(CORE) + len(ALWAYS)
    for said in (answer.output, project.output):
        assert "these numbers say nothing about the paper" in said
        assert "random weights" in said
    verdicts = pd.read_csv(project.results / "table1.csv")["verdict"]
    assert set(verdicts) == {"not comparable (generated data)"}


def test_an_executed_notebook_has_one_line_for_a_progress_bar_and_nothing_red(project):
    for path in (project.results / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        streams = [output for output in outputs if output.output_type == "stream"]
        assert [output.text for output in streams if output.name == "stderr"] == [], path
        for output in streams:
            bars = [line.split(":")[0] for line in output.text.splitlines() if "%|" in line]
            assert len(bars) == len(set(bars)), output.text
        for output in outputs:  # nothing as pandas or Python write it
            shown = output.get("data", {})
            assert 'class="dataframe"' not in shown.get("text/html", ""), path
            told = {"text/html", "text/markdown"} & {*shown}  # no bare name of an object
            assert output.output_type != "execute_result" or told, path


def test_a_failing_cell_is_named(places, faces):
    broken = sorted(faces.rglob("*.jpg"))[0]
    broken.write_text("not an image")
    words = ["report", "--run", "wrong", "--data", str(faces), "--set", TINY]
    answer = CliRunner().invoke(app, words)
    assert isinstance(answer.exception, StudyError), answer.output
    last = str(answer.exception)
    assert "can't be read: a/b/test/fake/0.jpg" in last
    assert "[notebook 01_dataset, cell" in last
    assert "wrong/notebooks/01_dataset.ipynb" in last
    assert not (places / "results" / "wrong" / "study.json").exists()


def test_papermill_alone_runs_a_notebook_and_its_error_is_a_sentence(project):
    answer = project.papermill("01_dataset", "-p", "epochs", "3")
    assert answer.returncode != 0
    assert "give overrides = 'epochs=3'" in answer.stderr
    assert not (project.root / "results" / "demo").exists()


LEFT = """
from fakeface_utils.chain import left, notebooks
from fakeface_utils.notebook import tasks_of
from fakeface_utils.run import load_study
study = load_study(run="tiny")
for name in notebooks(study):
    print(name, *(task.replace(" ", "-") for task in left(tasks_of(study, name))))
"""


def test_an_edited_layer_leaves_its_training_to_do_and_nothing_before_or_beside_it(
    project, monkeypatch
):
    def left():
        found = {name: chain.left(chain.tasks_of(study, name)) for name in chain.notebooks(study)}
        return {name: tasks for name, tasks in found.items() if tasks}

    def edited(*files, code_of=step.code_of):
        layers, found = "fakeface_utils/networks/custom_cnn.py", code_of(*files)
        return found | ({layers: "edited"} if layers in found else {})

    enter(monkeypatch, project.root)
    study = load_study(run="tiny")
    assert left() == {}
    monkeypatch.setattr(step, "code_of", edited)
    assert left() == {"02_custom_cnn": ["train custom_cnn 0", "train custom_cnn 1"]}


@pytest.mark.slow
def test_what_is_beyond_the_paper_leaves_the_run_as_it_was_reaches_the_report_and_goes(project):
    own = {path: path.stat().st_mtime_ns for path in project.results.rglob("seed-0/*.*")}
    path = project.root / "beyond" / "open_questions" / "measure.py"
    few = "{'resize_filter': register()['resize_filter']}"  # one question takes seconds
    if path.exists():
        path.write_text(path.read_text().replace("register().items()", f"{few}.items()"))
    code, output = project.run("beyond", "--run", "tiny")
    assert code == 0, output
    assert output.count("up to date, skipped") == len(CORE) + len(ALWAYS) - 1  # but the report
    assert all(path.stat().st_mtime_ns == when for path, when in own.items())
    page = (project.results / "report.html").read_text()
    measured = [one for one in extensions().values() if one.notebook.exists()]
    for one in (one for one in measured if not one.missing(load_study())):
        assert one.title in page, one.name
        assert (project.results / "notebooks" / f"{one.name}.html").is_file()
    for name in extensions():  # each can be taken away, and the rest stays as it is
        folder = project.root / "beyond" / name
        away = shutil.move(folder, project.root / "away")
        left = dict(line.partition(" ")[::2] for line in project.python(LEFT).splitlines())
        assert {n: tasks for n, tasks in left.items() if tasks} == {"06_report": "report"}, name
        shutil.move(away, folder)


# One notebook of one cell.


def test_an_interrupt_that_gets_lost_is_raised_all_the_same(run_notebook, monkeypatch):
    def drop_it(*_, stdout_file, **__):
        with contextlib.suppress(KeyboardInterrupt):
            stdout_file.signals.append(signal.SIGINT)
            stdout_file.write("5 of 10")

    monkeypatch.setattr(papermill, "execute_notebook", drop_it)
    with pytest.raises(KeyboardInterrupt):
        run_notebook("1")


def test_a_kernel_that_dies_is_a_sentence(run_notebook):
    words = r"^the kernel of notebook n died, .*images_per_class.* \[its log: .*notebooks/n.log\]$"
    with pytest.raises(StudyError, match=words):
        run_notebook("import os; os._exit(1)")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device"), r"cannot write .*n.ipynb: No space left"),
        (RuntimeError("Kernel died before replying to kernel_info"), "kernel of notebook n died"),
    ],
)
def test_a_full_disk_and_a_kernel_that_never_starts_are_one_sentence(
    run_notebook, monkeypatch, error, sentence
):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(papermill, "execute_notebook", fail)
    with pytest.raises(StudyError, match=sentence):
        run_notebook("1")


def test_braces_in_a_path_are_braces(places, run_notebook, monkeypatch):
    monkeypatch.setenv("FAKEFACE_RESULTS", str(places / "r{run}{x}"))
    copy = run_notebook("print('done')")
    assert copy.is_relative_to(places / "r{run}{x}")
    assert "done" in copy.read_text()


def test_a_log_gets_warnings_at_once_and_the_rest_once_a_minute(capsys):
    status = Status("[1/1] n", [])
    status.write("loading\nwarning: nothing learned\r 5 of 10")
    status.shown_at -= 61
    status.write(" 6 of 10\r 7 of 10")
    assert capsys.readouterr().out.splitlines() == [
        "[1/1] n: warning: nothing learned",
        "[1/1] n: 7 of 10",
    ]


SLEEP = """
import sys
from pathlib import Path
from fakeface_utils import chain
from fakeface_utils.run import load_study
with chain.on_interrupt() as signals:
    chain.execute(load_study(run="x"), "n", Path(sys.argv[1]), chain.Status("n", signals))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="these signals are Unix'")
@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_a_closed_terminal_ends_the_chain_and_its_kernel(places, name):
    note = places / "kernel.txt"
    source = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(90)"
    command = [sys.executable, "-c", SLEEP, str(notebook_of(places, source))]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (note.exists() and note.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(getattr(signal, name))
    assert process.wait(60) != 0
    kernel = int(note.read_text())
    for _ in range(300):
        if not Path(f"/proc/{kernel}").exists():
            break
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


@pytest.mark.parametrize("name", ["results/x", "results/x/notebooks"])
def test_a_file_where_a_folder_should_be_is_one_sentence(places, faces, name):
    (places / name).parent.mkdir(parents=True)
    (places / name).write_text("")
    words = ["report", "--data", str(faces), "--run", "x", "--set", "image_size=32"]
    answer = CliRunner().invoke(app, words)
    assert isinstance(answer.exception, StudyError), answer.output
    assert str(answer.exception).startswith("cannot write ")


# The chain with made-up notebooks.


class Work:
    """Tasks that are done once their notebook has run."""

    def __init__(self, name, done):
        self.name, self.marker, self._done = f"do {name}", name, done

    def why_not_done(self, look):
        return "" if self.name in self._done else "missing"


@pytest.fixture
def made_up(places, monkeypatch):
    """Three notebooks, of which the second is an extension's; what ran, and what fails how."""
    done, ran, fails = set(), [], {}
    extra = {"extra": Extension("extra", "Extra", always=True)}

    def execute(study, name, path, status):
        ran.append(name)
        if name in fails:
            raise fails[name]
        done.add(f"do {name}")

    monkeypatch.setattr(chain, "extensions", lambda: extra)
    monkeypatch.setattr(chain, "notebooks", lambda *_: dict.fromkeys(["01", "extra", "06"]))
    monkeypatch.setattr(chain, "tasks_of", lambda study, name: [Work(name, done)])
    monkeypatch.setattr(chain, "execute", execute)
    monkeypatch.setattr(chain, "write_pages", lambda study: None)
    return ran, fails


def test_an_extension_that_fails_stops_nothing_and_is_a_sentence(made_up, capsys):
    ran, fails = made_up
    fails["extra"] = TypeError("a newcomer's mistake")
    assert chain.run(load_study(run="x")) == ["extra: TypeError: a newcomer's mistake"]
    assert ran == ["01", "extra", "06"]
    assert "[2/3] extra: failed" in capsys.readouterr().out
    fails["extra"] = StudyError("what to do")
    assert chain.run(load_study(run="x")) == ["what to do"]
    assert ran == ["01", "extra", "06", "extra"]  # what is done is skipped


def test_a_notebook_of_the_study_that_fails_or_ends_early_stops_the_chain(made_up, monkeypatch):
    ran, fails = made_up
    fails["01"] = StudyError("what to do")
    with pytest.raises(StudyError, match="what to do"):
        chain.run(load_study(run="x"))
    assert ran == ["01"]
    monkeypatch.setattr(chain, "execute", lambda *_: None)  # as after sys.exit(0) in a cell
    with pytest.raises(StudyError, match=r"01 ended without finishing: do 01; see .*01.ipynb"):
        chain.run(load_study(run="x"))


def test_the_report_is_due_again_once_an_extension_was_measured(places, monkeypatch):
    marker = places / "marker.json"
    one = Extension(
        "one", "One", tasks=lambda study: [type("T", (), {"name": "t", "marker": marker})]
    )
    broken = Extension("two", "Two", tasks=lambda study: 1 / 0)
    monkeypatch.setattr("fakeface_utils.notebook.extensions", lambda: {"one": one, "two": broken})
    before = report.of(load_study(run="x")).depends_on()["inputs"]
    marker.write_text("{}")
    after = report.of(load_study(run="x")).depends_on()["inputs"]
    assert {name for name in after if before[name][1] != after[name][1]} == {"t"}
