"""The notebooks in JupyterLab, in a browser, as a student opens and runs them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import nbformat
import pytest

from conftest import TINY, done, enter, places_in
from fakeface_utils.notebook import tasks_of
from fakeface_utils.run import claim_run, load_study
from fakeface_utils.util import NOTEBOOKS, ROOT

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("0[1-6]_*.ipynb"))
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


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on copies of the notebooks, as `make lab` makes them: its folder and address."""
    root = tmp_path_factory.mktemp("lab")
    (root / "work").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **places_in(root), "PYTHONPATH": str(ROOT)}
    # Where it finds pytest's mark, the kernel doesn't show what C++ code writes.
    environment.pop("PYTEST_CURRENT_TEST", None)
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": root,
        "IdentityProvider.token": "test",
        "LabApp.expose_app_in_browser": True,
        "LabApp.workspaces_dir": root / "workspaces",
        "LabApp.user_settings_dir": root / "settings",
        "LanguageServerManager.autodetect": False,
    }
    words = ["--no-browser", "--allow-root", *(f"--{n}={value}" for n, value in options.items())]
    with (root / "lab.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words],
            env=environment, cwd=root, stdout=log, stderr=log,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        assert process.poll() is None, (root / "lab.log").read_text()
        try:
            urllib.request.urlopen(f"{address}/api").close()
            break
        except OSError:
            time.sleep(0.2)
    yield SimpleNamespace(root=root, address=address)
    process.terminate()
    process.wait(30)


def copy(lab, name, overrides, run):
    """A notebook for one's own, with the parameters that a student types into it."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    cell = next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", []))
    cell.source = cell.source.replace('run = ""', f'run = "{run}"')
    cell.source = cell.source.replace('overrides = ""', f"overrides = {json.dumps(overrides)}")
    assert overrides in cell.source
    nbformat.write(notebook, lab.root / "work" / f"{name}.ipynb")


@pytest.fixture
def before(lab, monkeypatch):
    """Do here what the notebooks before one do, so that each test stands for itself."""
    enter(monkeypatch, lab.root)

    def do(name, overrides, run):
        claim_run(study := load_study(run=run, overrides=overrides))
        for earlier in NAMES[: NAMES.index(name)]:
            done(*tasks_of(study, earlier))

    return do


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


def wait_for(page, condition):
    """Wait until the notebook is in a state, a quarter of an hour at most, and return it."""
    for _ in range(3600):
        state = page.evaluate(STATE)
        if state and condition(state):
            return state
        page.wait_for_timeout(250)
    raise TimeoutError(json.dumps(state)[:3000])


def choose(page, menu, item):
    """Click an entry of JupyterLab's menu."""
    page.locator("#jp-MainMenu").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu").get_by_text(item, exact=True).click()


def run_all(page):
    """Run > Run All Cells, until every cell has run or one has failed."""
    before = max((count or 0 for count in page.evaluate(STATE)["counts"]), default=0)
    choose(page, "Run", "Run All Cells")

    def ended(state):
        run = all((count or 0) > before for count in state["counts"])
        return state["idle"] and (run or errors_of(state))

    done = wait_for(page, ended)
    assert errors_of(done) == []
    return done


def errors_of(state):
    return [o for outputs in state["outputs"] for o in outputs if o["output_type"] == "error"]


def streams(state, name):
    """What was printed, one text for each cell that printed."""
    named = ([o for o in outputs if o.get("name") == name] for outputs in state["outputs"])
    return ["".join("".join(o["text"]) for o in outputs) for outputs in named if outputs]


def bars(text):
    return [line for line in text.splitlines() if "%|" in line]


@pytest.mark.parametrize("name", NAMES)
def test_run_all_shows_results_and_nothing_red(lab, before, opened, name):
    before(name, TINY, "tiny")
    copy(lab, name, TINY if name == NAMES[0] else "", "tiny")
    state = run_all(opened(name))
    assert streams(state, "stderr") == []
    shown = "\n".join(streams(state, "stdout"))
    work = [line.split(":")[0] for line in bars(shown)]
    assert len(work) == len(set(work)), shown  # a line each
    assert all("100%|" in line for line in bars(shown)), shown
    assert ("custom_cnn seed 0" in work) == (name == "02_custom_cnn")


def test_an_interrupted_training_run_resumes_in_the_same_cell(lab, before, opened):
    overrides = TINY.replace("epochs=2", "epochs=30")
    before("02_custom_cnn", overrides, "stopped")
    copy(lab, "02_custom_cnn", overrides, "stopped")
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
