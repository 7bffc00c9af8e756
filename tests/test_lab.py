"""The notebooks in JupyterLab, in a browser, as a student opens and runs them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from conftest import TINY

from fakeface_utils.dataset.audit import audit
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.study.parameters import load_study

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("0[1-6]_*.ipynb"))
PLACES = ("data", "cache", "results", "figures")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]

# Of the notebook in front: whether its kernel idles, and its code cells' counts and outputs.
STATE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  const kernel = panel?.sessionContext?.session?.kernel;
  if (!kernel || !panel.content.model) return null;
  const cells = [...panel.content.model.cells].filter(cell => cell.type === 'code');
  return {
    idle: kernel.status === 'idle',
    counts: cells.map(cell => cell.executionCount),
    outputs: cells.map(cell => cell.outputs.toJSON()),
  };
}"""


class Lab:
    """JupyterLab on copies of the notebooks, as `make lab` makes them, with places of its own."""

    def __init__(self, root: Path) -> None:
        self.work = root / "work"
        self.work.mkdir()
        shutil.copytree(ROOT / "docs", root / "docs")
        self.results = root / "results"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment |= {f"FAKEFACE_{name.upper()}": str(root / name) for name in PLACES}
        # Where it finds pytest's mark, the kernel doesn't show what C++ code writes.
        environment.pop("PYTEST_CURRENT_TEST", None)
        options = {
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": root,  # as in the Makefile: what a notebook links to is in reach
            "IdentityProvider.token": "test",
            "LabApp.expose_app_in_browser": True,
            "LabApp.workspaces_dir": root / "workspaces",
            "LabApp.user_settings_dir": root / "settings",
            "LanguageServerManager.autodetect": False,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        self.log = root / "lab.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *words],
                env=environment, cwd=root, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(f"{self.address}/api").close()
                return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError(self.log.read_text())

    def copy(self, name: str, overrides: str, run: str) -> None:
        """A notebook for one's own, with the parameters that a student types into it."""
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
        cell.source = cell.source.replace('run = ""', f'run = "{run}"')
        cell.source = cell.source.replace('overrides = ""', f"overrides = {json.dumps(overrides)}")
        assert overrides in cell.source
        nbformat.write(notebook, self.work / f"{name}.ipynb")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.process.terminate()
    lab.process.wait(30)


@pytest.fixture
def opened(lab):
    """Open a notebook in a browser; at the end nothing went wrong and nothing went outside."""
    from playwright.sync_api import sync_playwright

    requests, errors = [], []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))

        def open_notebook(name):
            page.goto(f"{lab.address}/lab/tree/work/{name}.ipynb?token=test&reset")
            page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=120_000)
            wait_for(page, lambda state: state["idle"])
            return page

        yield open_notebook
        page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
        browser.close()
    assert errors == []
    assert len(requests) > 10
    inside = (f"{lab.address}/", "data:", f"blob:{lab.address}/")
    assert [url for url in requests if not url.startswith(inside)] == []


def wait_for(page, condition, seconds=900):
    """Wait until the notebook is in a state, and return it."""
    for _ in range(seconds * 4):
        state = page.evaluate(STATE)
        if state and condition(state):
            return state
        page.wait_for_timeout(250)
    raise TimeoutError(json.dumps(state)[:3000])


def choose(page, menu, item):
    """Click an entry of JupyterLab's menu."""
    page.locator("#jp-MainMenu").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu").get_by_text(item, exact=True).click()


def run_all(page, seconds=900):
    """Run > Run All Cells, until every cell has run or one has failed."""
    before = max((count or 0 for count in page.evaluate(STATE)["counts"]), default=0)
    choose(page, "Run", "Run All Cells")
    done = wait_for(
        page,
        lambda state: (
            state["idle"]
            and (all((count or 0) > before for count in state["counts"]) or errors_of(state))
        ),
        seconds,
    )
    assert errors_of(done) == []
    return done


def errors_of(state):
    return [o for outputs in state["outputs"] for o in outputs if o["output_type"] == "error"]


def streams(state, name):
    """What was printed, one text for each cell that printed."""
    texts = (
        "".join("".join(o["text"]) for o in outputs if o.get("name") == name)
        for outputs in state["outputs"]
    )
    return [text for text in texts if text]


def bars(text):
    return [line for line in text.splitlines() if "%|" in line]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_run_all_shows_results_and_nothing_red(lab, opened, name):
    lab.copy(name, TINY if name == NOTEBOOKS[0] else "", "tiny")
    state = run_all(opened(name))
    assert streams(state, "stderr") == []
    shown = "\n".join(streams(state, "stdout"))
    work = [line.split(":")[0] for line in bars(shown)]
    assert len(work) == len(set(work)), shown  # a line each
    assert all("100%|" in line for line in bars(shown)), shown
    assert ("custom_cnn seed 0" in work) == (name == "02_custom_cnn")
    if name == "06_report":
        assert (lab.results / "tiny" / "report.html").is_file()


def test_an_interrupted_training_run_resumes_in_the_same_cell(lab, opened, monkeypatch):
    overrides = TINY.replace("epochs=2", "epochs=30")
    for name in PLACES:
        monkeypatch.setenv(f"FAKEFACE_{name.upper()}", str(lab.work.parent / name))
    study = load_study(run="stopped", overrides=overrides)
    prepare(study)
    audit(study)
    lab.copy("02_custom_cnn", overrides, "stopped")
    page = opened("02_custom_cnn")
    choose(page, "Run", "Run All Cells")
    state = wait_for(
        page, lambda s: errors_of(s) or "epoch 3/30" in "\n".join(streams(s, "stdout"))
    )
    assert errors_of(state) == []
    choose(page, "Kernel", "Interrupt Kernel")
    state = wait_for(page, lambda state: state["idle"] and errors_of(state))
    (error,) = errors_of(state)
    assert len(error["traceback"]) == 1, error
    assert "interrupted after epoch" in error["traceback"][0]
    assert streams(state, "stderr") == []

    state = run_all(page)
    shown = "\n".join(streams(state, "stdout"))
    assert "custom_cnn seed 0: resumes after epoch" in shown
    assert "epoch 3/30" not in shown
    assert "epoch 30/30" in shown
    assert len(bars(shown)) == 1
    assert streams(state, "stderr") == []


def test_the_glossary_opens_from_a_notebook(lab, opened):
    lab.copy("01_dataset", "", "unopened")
    page = opened("01_dataset")
    page.locator(".jp-MarkdownOutput").get_by_text("glossary", exact=True).click()
    page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.context?.path === 'docs/glossary.md'",
        timeout=120_000,
    )
