"""The whole study on a tiny setting, as a user runs it: in a copy, by the command line."""

import base64
import contextlib
import io
import json
import os
import re
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
from bs4 import BeautifulSoup
from conftest import TINY

from fakeface_utils.common.errors import StudyError
from fakeface_utils.dataset.audit import audit
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.evaluation.calibration import tempered, word
from fakeface_utils.notebook import open_study
from fakeface_utils.run import chain
from fakeface_utils.run.status import Status
from fakeface_utils.study.artefacts import read_parameters
from fakeface_utils.study.parameters import load_study
from fakeface_utils.study.plan import train_step

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("0[1-6]_*.ipynb"))  # the chain
FIGURES = (
    "table1_forest", "figure1_samples", "figure2_architecture", "figure3_vgg16",
    "figure4_custom_cnn",
    "confusion_matrices", "roc", "reliability", "audit_cues", "audit_duplicates", "leak_curve",
)  # fmt: skip

DATASET = "https://www.kaggle.com/datasets/xhlulu/140k-real-and-fake-faces"
PLACES = ("data", "cache", "results", "figures")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECRET = "planted-key-5b1e"  # a person's credentials, which no file may ever hold


class Project:
    """A copy of the package and the notebooks, with places of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("fakeface_utils", "notebooks"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        self.results, self.figures = root / "results" / "tiny", root / "figures" / "tiny"
        places = {f"FAKEFACE_{n.upper()}": str(root / n) for n in PLACES}
        login = {"KAGGLE_USERNAME": "somebody", "KAGGLE_KEY": SECRET, "KAGGLE_API_TOKEN": SECRET}
        self.environment = {**os.environ, **places, **login, "PYTHONPATH": str(root)}

    def start(self, *words: str) -> subprocess.Popen:
        command = "import sys; from fakeface_utils.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", command, *words],
            env=self.environment, cwd=self.root, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        output, _ = process.communicate(timeout=1200)  # a guard against hanging, no more
        return process.returncode, output

    def report(self, *words: str) -> tuple[int, str]:
        return self.run("report", "--run", "tiny", "--seeds", "2", "--set", TINY, *words)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The study, interrupted while it trains, then run to its end."""
    project = Project(tmp_path_factory.mktemp("project"))
    process = project.start("report", "--run", "tiny", "--seeds", "2", "--set", TINY)
    seed = project.results / "custom_cnn" / "seed-0"
    while not ((seed / ".train.step.npz").exists() or (seed / "history.csv").exists()):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "interrupted" in output
    code, output = project.report()
    assert code == 0, output
    assert "01_dataset: up to date, skipped" in output
    project.output = output
    return project


def test_an_interrupt_that_gets_lost_is_raised_all_the_same(places, monkeypatch):
    def drop_it(*words, **options):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    monkeypatch.setattr(papermill, "execute_notebook", drop_it)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        chain._execute("01_dataset", {}, load_study(), Status("1"))
    assert signal.getsignal(signal.SIGINT) is before


def check_table1(results: Path) -> None:
    """Recompute Table 1 from the predictions by equations 3 to 6, without the package."""
    table = pd.read_csv(results / "table1.csv").set_index(["model", "metric"])
    assert len(table) == 8
    for model in ("custom_cnn", "vgg16"):
        values = []
        for seed in (0, 1):
            predictions = pd.read_csv(results / model / f"seed-{seed}" / "predictions.csv")
            fake, called = predictions["label"] == 1, predictions["p_fake"] >= 0.5
            tp, fp = (fake & called).sum(), (~fake & called).sum()
            fn, tn = (fake & ~called).sum(), (~fake & ~called).sum()
            precision, recall = tp / max(tp + fp, 1), tp / (tp + fn)
            f1 = 2 * precision * recall / max(precision + recall, 1e-12)
            values.append([(tp + tn) / len(fake), precision, recall, f1])
        expected = np.mean(values, axis=0)
        found = table.loc[model].loc[["accuracy", "precision", "recall", "f1"]]
        np.testing.assert_allclose(found["ours_mean"], expected, atol=1e-12)
        np.testing.assert_allclose(found["ours_sd"], np.std(values, axis=0, ddof=1), atol=1e-12)
        assert (found["ci_low"] <= found["ours_mean"]).all()
        assert (found["ours_mean"] <= found["ci_high"]).all()


def test_table1_follows_from_the_predictions(project):
    check_table1(project.results)


def test_one_broken_label_is_noticed(project, tmp_path):
    results = shutil.copytree(project.results, tmp_path / "results")
    path = results / "custom_cnn" / "seed-0" / "predictions.csv"
    table = pd.read_csv(path)
    table.loc[0, "label"] = 1 - table.loc[0, "label"]
    table.to_csv(path, index=False)
    with pytest.raises(AssertionError):
        check_table1(results)


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
        "../architecture.csv": "layer,kind,output_shape,parameters,trainable,multiply_adds,"
        "activation",
    }
    for model in ("custom_cnn", "vgg16"):
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
    for name in FIGURES:
        assert (project.figures / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (project.figures / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (project.figures / f"{name}.svg").read_bytes().startswith(b"<svg ")
    assert {path.stem for path in (project.results / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)


def test_the_studys_record_is_complete_and_names_no_path(project):
    text = (project.results / "study.json").read_text()
    record = json.loads(text)
    assert record["seeds"] == [0, 1]
    assert record["settings"]["image_size"] == 35
    assert record["dataset"]["generated"] is True
    assert record["dataset"]["counts"]["test"] == {"real": 24, "fake": 24}
    assert record["versions"]["keras"]
    assert record["seconds"]["train vgg16 seed 1"] > 0
    assert record["weights_sha256"] == "random"
    assert str(project.root) not in text


def test_demo_numbers_are_called_demo_numbers(project):
    assert "these numbers say nothing about the paper" in project.output
    assert "random weights" in project.output
    verdicts = pd.read_csv(project.results / "table1.csv")["verdict"]
    assert set(verdicts) == {"not comparable (generated data)"}


def test_a_second_run_skips_everything(project):
    code, output = project.report()
    assert code == 0
    assert output.count("up to date, skipped") == len(NOTEBOOKS) == 6
    code, output = project.run("report", "--run", "tiny")  # the run remembers the rest
    assert code == 0, output
    assert output.count("up to date, skipped") == 6


def test_other_settings_under_the_same_name_are_refused(project):
    before = (project.results / "table1.csv").read_bytes()
    code, output = project.run("report", "--run", "tiny", "--set", TINY + " dropout=0.1")
    assert code == 1
    assert output.startswith("error: run 'tiny' holds another study: dropout is 0.4 there")
    assert (project.results / "table1.csv").read_bytes() == before


def test_predict_names_the_class_in_words(project):
    image = next((project.root / "data").rglob("test/fake/*.jpg"))
    model = project.results / "custom_cnn" / "seed-0" / "predictions.csv"
    code, output = project.run("predict", str(image), "--run", "tiny")
    assert code == 0
    predictions = pd.read_csv(model)
    expected = predictions[predictions["path"].str.endswith(image.name)]["p_fake"].iloc[0]
    fixed = json.loads((project.results / "calibration.json").read_text())["custom_cnn"]["0"]
    p_fake = tempered(expected, fixed["temperature"])
    answer = word(expected, fixed["accused"], fixed["missed"])
    assert output.splitlines()[-1].split()[-2:] == [f"{p_fake:.3f}", answer]
    code, output = project.run("predict", "nothing.jpg", "--run", "tiny")
    assert code == 1
    assert output.startswith("error: there is no file or folder nothing.jpg")
    assert output.count("\n") == 1


def test_the_first_notebook_needs_nothing_before_it(places):
    assert open_study("01_dataset", "", "", "alone").run == "alone"
    assert read_parameters("alone")["profile"] == "demo"


def refusal(*words):
    with pytest.raises(StudyError) as caught:
        open_study(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("notebook", [*NOTEBOOKS[1:], "07_open_questions"])
def test_a_notebook_run_before_its_inputs_exist_names_the_first_to_run(places, faces, notebook):
    words = (notebook, "", str(faces), "alone", "", TINY)
    assert "is missing: run notebooks/01_dataset.ipynb first" in refusal(*words)
    assert not (places / "results" / "alone").exists()
    study = load_study(*words[1:])
    prepare(study)
    audit(study)
    if notebook in ("02_custom_cnn", "03_vgg16_transfer"):
        assert open_study(*words) == study
    else:
        assert "is missing: run notebooks/02_custom_cnn.ipynb first" in refusal(*words)


def test_papermill_alone_runs_a_notebook_and_its_error_is_a_sentence(project, tmp_path):
    environment = {**project.environment, "FAKEFACE_DATA": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-m", "papermill", "06_report.ipynb", str(tmp_path / "out.ipynb"),
         "-k", "python3", "-p", "run", "alone"],
        env=environment, cwd=project.root / "notebooks", capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode != 0
    assert "run notebooks/01_dataset.ipynb first" in answer.stderr


def test_a_kernel_that_dies_is_a_sentence(run_notebook, capsys):
    with pytest.raises(StudyError) as caught:
        run_notebook("import os; os._exit(1)")
    sentence = str(caught.value)
    assert sentence.startswith("the kernel of notebook n died, most often for lack of memory: take")
    assert "(images_per_class)" in sentence
    assert "results/x/notebooks/n.log]" in sentence
    assert "\n" not in sentence
    assert capsys.readouterr().out.splitlines()[-1] == "[1/1] n: failed"


def test_a_notebook_that_ends_early_is_a_failure(places, notebook):
    notebook("import sys; sys.exit(0)")
    study = load_study(run="x")
    step = train_step(study, "custom_cnn", 0)
    with pytest.raises(StudyError, match=f"n ended without finishing: {step.name}; see .*n.ipynb"):
        chain._run_notebooks(study, {"n": [step]}, force=False)


LEFT = (
    "from fakeface_utils.study.parameters import load_study\n"
    "from fakeface_utils.study.plan import chain_steps\n"
    "for notebook, steps in chain_steps(load_study(run='tiny')).items():\n"
    "    print(notebook, *(step.kind for step in steps if not step.is_done()))\n"
)


@pytest.fixture
def edited(project):
    """The study after a layer of the custom CNN was edited."""
    path = project.root / "fakeface_utils" / "networks" / "models.py"
    old = path.read_text()
    new = old.replace('layers.Dense(study.custom_dense, activation="relu"',
                      'layers.Dense(study.custom_dense, activation="tanh"')  # fmt: skip
    assert new != old
    path.write_text(new)
    yield project
    path.write_text(old)


def test_an_edited_layer_leaves_training_to_do_and_nothing_before_it(edited):
    answer = subprocess.run(
        [sys.executable, "-c", LEFT], env=edited.environment, cwd=edited.root,
        capture_output=True, text=True,
    )  # fmt: skip
    left = {notebook: kinds for notebook, *kinds in map(str.split, answer.stdout.splitlines())}
    again = ("02_custom_cnn", "03_vgg16_transfer")  # what follows is due once its inputs change
    assert left == {name: ["train", "train"] if name in again else [] for name in NOTEBOOKS}


@pytest.mark.slow
def test_an_edited_layer_is_trained_again_and_the_rest_follows(edited):
    project = edited
    features = next((project.root / "data").rglob("features/*/train.npy"))
    before = features.stat().st_mtime_ns
    predictions = project.results / "custom_cnn" / "seed-0" / "predictions.csv"
    first = predictions.read_bytes()
    code, output = project.report()
    assert code == 0, output
    assert "01_dataset: up to date, skipped" in output
    assert output.count("skipped") == 1
    assert features.stat().st_mtime_ns == before
    assert predictions.read_bytes() != first
    check_table1(project.results)


@pytest.fixture(scope="module")
def page(project):
    found = BeautifulSoup((project.results / "report.html").read_text(), "html.parser")
    for tag in found("wbr"):  # where a long word may break
        tag.unwrap()
    found.smooth()
    return found


def check_no_request(page: BeautifulSoup) -> list[str]:
    """That a page loads nothing from outside; returns where a reader can go to from it."""
    links = []
    for tag in page.find_all(True):
        for attribute in ("src", "href", "data", "srcset", "action", "poster"):
            value = tag.get(attribute)
            if tag.name == "a" and not (value is None or value.startswith(("#", "data:"))):
                links.append(value)
            else:
                assert value is None or value.startswith(("data:", "#")), (tag.name, value)
    assert not page.find_all(["script", "iframe", "object", "embed"])
    for style in page.find_all("style"):
        assert "url(" not in style.text
        assert "@import" not in style.text
    return links


def test_the_report_loads_nothing_from_outside_and_leads_to_the_cells_that_made_it(page, project):
    links = set(check_no_request(page)) - {DATASET}
    assert {f"notebooks/{name}.html" for name in NOTEBOOKS} <= links
    made = [link for link in links if "#" in link]
    assert {link.split("#")[0] for link in made} == {
        f"notebooks/{name}.html" for name in NOTEBOOKS[:-1]
    }
    for link in links:
        name, _, cell = link.partition("#")
        text = (project.results / name).read_text()
        assert not cell or f'id="{cell}"' in text, link


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebooks_page_has_its_code_its_figures_and_its_neighbours(project, name):
    path = project.results / "notebooks" / f"{name}.html"
    page = BeautifulSoup(path.read_text(), "html.parser")
    place = NOTEBOOKS.index(name)
    beside = [f"{other}.html" for other in (*NOTEBOOKS[:place][-1:], *NOTEBOOKS[place + 1 :][:1])]
    links = check_no_request(page)
    assert set(links) - {DATASET} == {*beside, "../report.html"}
    assert all((path.parent / link).is_file() for link in set(links) - {DATASET})

    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    texts = page.find_all("div", class_="highlight")
    shown = {text.get_text().strip() for text in texts}
    assert {cell.source.strip() for cell in code} <= shown
    outputs = [output for cell in code for output in cell.outputs]
    drawn = sum("image/png" in output.get("data", {}) for output in outputs)
    ready = sum(output.get("data", {}).get("text/html", "").count("<svg") for output in outputs)
    words = [image["alt"] for image in page.find_all("img")]
    words += [image["aria-label"] for image in page.find_all("svg")]
    assert len(words) == drawn + ready > 0
    assert all(len(text) > 40 and "No description" not in text for text in words)
    assert page.html["lang"] == "en"
    assert "Generated data: these numbers say nothing about the paper." in page.main.get_text()
    assert "not for publishing" not in page.main.get_text()
    assert "did not run to its end" not in page.main.get_text()


def test_what_a_cell_shows_is_made_for_reading(project):
    """No data frame as pandas writes it, no dictionary, list or tuple."""
    shown = 0
    for name in NOTEBOOKS:
        notebook = nbformat.read(project.results / "notebooks" / f"{name}.ipynb", as_version=4)
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            if output.output_type == "execute_result":
                assert 'class="dataframe"' not in output.data["text/html"], name
                shown += 1
    assert shown > 20


def test_an_executed_notebook_has_one_line_for_a_progress_bar_and_nothing_red(project):
    for name in NOTEBOOKS:
        notebook = nbformat.read(project.results / "notebooks" / f"{name}.ipynb", as_version=4)
        streams = [
            output
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if output.output_type == "stream"
        ]
        assert [output.text for output in streams if output.name == "stderr"] == []
        for output in streams:
            bars = [line.split(":")[0] for line in output.text.splitlines() if "%|" in line]
            assert len(bars) == len(set(bars)), output.text
        if name == "02_custom_cnn":
            text = "".join(output.text for output in streams)
            assert text.count("%|") == 2  # seeds
            assert text.count("100%|") == 2


def test_the_report_is_readable_by_all(page):
    assert page.html["lang"] == "en"
    assert "width=device-width" in page.find("meta", attrs={"name": "viewport"})["content"]
    images = page.find_all("svg", role="img")
    assert len(images) == len(FIGURES)
    for image in images:
        assert len(image["aria-label"]) > 40
        assert not any(name in image["aria-label"] for name in FIGURES)
        assert set(re.findall(r"font-size: (\S+)px", str(image))) <= {"9", "10"}
    words = " ".join(image["aria-label"] for image in images)
    assert re.search(r"random: 4 of \d+ fake faces above 4 of \d+ real faces\.", words)
    assert re.search(
        r"exact, \d+ near\. The most similar pairs: .* \d\.\d apart, \w+ \w+ and ", words
    )
    anchors = {tag["id"] for tag in page.find_all(id=True)}
    assert len(anchors) == len(page.find_all(id=True))
    assert set(re.findall(r"url\(#([^)]+)", str(page))) < anchors
    contents = [link["href"][1:] for link in page.nav.ol.find_all("a")]
    assert len(contents) >= 9
    assert set(contents) <= anchors


def test_the_report_says_what_a_reader_asks_first(page):
    text = " ".join(page.main.get_text(" ").split())
    first = text[: text.index("In short")]
    for words in (
        "No verdict on the paper: this run's images are drawn by a program.",
        "Generated data: these numbers say nothing about the paper.",
        "VGG16 has random weights",
        "0.9718 in the paper",
        "image_size 35 (paper: 224)",
        "images 48 train, 48 valid, 48 test (paper: 100,000 train, 20,000 valid, 20,000 test)",
        "stored size 40 x 40 (paper: 256 x 256)",
        "batch_norm_momentum 0.8 (our reading: 0.99)",
        "2 training runs of each model",
    ):
        assert words in first, words
    for words in (
        "The paper's numbers stand beside ours, but without a verdict (generated data).",
        "whatever ran here, not reproduced: “Transfer learning, as described, shortens training, "
        "compared with the custom CNN”; “The custom CNN is smaller and lighter than the VGG16 of",
        "make report PROFILE=demo DATA=demo RUN=tiny SEEDS=0,1 SET='image_size=35",
        "learning_rate_decay",
        "was not measured for this run: make beyond ONLY=open_questions RUN=tiny",
    ):
        assert words in text, words
    assert text.count("(generated data)") == 4  # in short, Table 1 twice, claims


def test_table_1_stands_in_the_page_once_by_model_and_as_a_file(page, project):
    caption = next(tag for tag in page.find_all("caption") if tag.text.startswith("Table 1:"))
    table = caption.find_parent("table")
    assert [tag.text for tag in table.find_all("th", scope="rowgroup")] == ["custom CNN", "VGG16"]
    names = [tag.text for tag in table.thead.find_all("th")]
    assert names[:3] == ["metric", "ours", "paper"]
    assert "verdict" not in names  # it would say the same eight times
    cells = [[tag.text for tag in row.find_all("td")] for row in table.find_all("tr")]
    shown = [row for row in cells if row]
    expected = pd.read_csv(project.results / "table1.csv")
    assert [row[1] for row in shown] == [f"{value:.4f}" for value in expected["ours_mean"]]
    assert [row[2] for row in shown] == [f"{value:.4f}" for value in expected["paper"]]
    link = page.find("p", class_="about").find("a", download="table1.csv")
    saved = base64.b64decode(link["href"].split(",")[1]).decode()
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(saved)), expected)


def test_the_report_gives_every_claim_a_verdict(page):
    def rows_under(heading):
        title = next(tag for tag in page.find_all(["h2", "h3"]) if heading in tag.get_text())
        return [
            [cell.get_text() for cell in row.find_all("td")]
            for row in title.find_next("table").find_all("tr")
            if row.find("td")
        ]

    claims = rows_under("The paper's claims")
    assert [row[-1] for row in claims] == [
        *["-"] * 7,
        *("not reproduced", "reproduced", "reproduced", "not reproduced"),
    ]
    assert all(len(row[2]) > 20 for row in claims)
    caption = next(tag for tag in page.find_all("caption") if "in our words" in tag.text)
    groups = caption.find_parent("table").tbody
    assert groups.th.text == "not comparable (generated data)"
    assert len(groups.find_all("tr")) == 1 + 7
    seeds = rows_under("Both networks on the same images")
    assert [row[0] for row in seeds] == ["0", "1"]
    assert [sum(map(int, row[1:5])) for row in seeds] == [48, 48]
    matrices = rows_under("The paper against itself")
    assert ["9,644", "356", "208", "9,792"] == matrices[0][1:5]
    assert [row[-1] for row in matrices if "VGG16" in row[0]].count("none") == 1


@contextlib.contextmanager
def in_a_browser():
    """A page of Chromium, where that is installed, and what it asked for and complained of."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    requests, complaints = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, requests, complaints
        browser.close()


def pages_of(project):
    return [project.results / "report.html", *sorted(project.results.glob("notebooks/*.html"))]


def test_the_pages_fit_a_phone_a_tablet_and_a_screen(project):
    loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 100)"
    with in_a_browser() as (page, requests, complaints):
        for path in pages_of(project):
            requests.clear()
            page.goto(path.as_uri())
            for width in (390, 768, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (path.name, width)
            assert page.evaluate(loaded), path.name
            assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []
    assert len(pages_of(project)) == 1 + len(NOTEBOOKS)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_have_no_serious_barrier(project, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with in_a_browser() as (page, _, _):
        page.set_viewport_size({"width": width, "height": 800})
        for path in pages_of(project):
            page.goto(path.as_uri())
            answer = axe.run(page).response
            barriers = [
                (path.name, rule["id"], rule["nodes"][0]["html"])
                for rule in answer["violations"]
                if rule["impact"] in ("serious", "critical")
            ]
            assert barriers == []
            assert answer["testEngine"]["name"] == "axe-core"


def test_a_failing_cell_is_named(project, faces):
    broken = sorted(faces.rglob("*.jpg"))[0]
    broken.write_text("not an image")
    code, output = project.run("report", "--run", "wrong", "--data", str(faces), "--set", TINY)
    assert code == 1
    last = output.strip().splitlines()[-1]
    assert last.startswith(
        "error: 1 of 8 images in test of faces can't be read: a/b/test/fake/0.jpg"
    )
    assert "notebook 01_dataset, cell" in last
    assert "wrong/notebooks/01_dataset.ipynb" in last
    assert not (project.root / "results" / "wrong" / "study.json").exists()


def test_errors_show_as_one_line_in_a_notebook():
    assert StudyError("what to do")._render_traceback_() == ["StudyError: what to do"]


def test_a_mistyped_papermill_parameter_is_an_error(project, tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "papermill", "01_dataset.ipynb", str(tmp_path / "out.ipynb"),
         "-k", "python3", "-p", "epochs", "3"],
        env=project.environment, cwd=project.root / "notebooks", capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode != 0
    assert "overrides = 'epochs=3'" in answer.stderr
