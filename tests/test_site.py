"""The website: every link leads somewhere, and a run that may show people is refused."""

import json
import re
import shutil
import subprocess
from urllib.parse import unquote

import IPython.core.inputtransformer2
import nbformat
import pytest

from docs import doors
from docs.site import MADE, build
from fakeface_utils.util import NOTEBOOKS, StudyError


@pytest.fixture
def run(tmp_path):
    """What a finished run leaves, as far as the site takes it."""
    folder = tmp_path / "run"
    for name in ("report.html", "quiz/quiz.html", "notebooks/01_dataset.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("<p>executed</p>")
    (folder / "study.json").write_text(json.dumps({"dataset": {"generated": True}}))
    return folder


def test_every_link_leads_to_a_file_and_a_heading(run, tmp_path):
    out = tmp_path / "site"
    out.mkdir()
    for name in (MADE, "older.html"):
        (out / name).touch()
    build(out, run)
    assert not (out / "older.html").exists()
    pages = [path for path in out.rglob("*.html") if "<nav>" in path.read_text("utf-8")]
    assert {"index.html", "docs/errors.html", "classroom/README.html"} <= {
        path.relative_to(out).as_posix() for path in pages
    }
    followed = 0
    for page in pages:
        for link in re.findall(r'(?:href|src)="([^"]*)"', page.read_text("utf-8")):
            name, _, part = link.partition("#")
            if ":" not in name:
                to = page.parent / unquote(name) if name else page
                assert to.is_file(), (page, link)
                assert not part or f'id="{part}"' in to.read_text("utf-8"), (page, link)
                followed += 1
    assert followed > 200
    assert (out / "demo" / "notebooks" / "01_dataset.html").read_text() == "<p>executed</p>"


def test_neither_people_nor_another_folder_of_that_name_come_to_harm(run, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").write_text("mine")
    with pytest.raises(StudyError, match="isn't a site of ours"):
        build(tmp_path / "site", run)
    assert (tmp_path / "site" / "mine.txt").is_file()
    (run / "study.json").write_text(json.dumps({"dataset": {"generated": False}}))
    with pytest.raises(StudyError, match="may show people"):
        build(tmp_path / "new", run)
    (run / "report.html").unlink()
    with pytest.raises(StudyError, match="has no report yet"):
        build(tmp_path / "new", run)
    assert not (tmp_path / "new").exists()


ORIGINS = {
    "https://github.com/somebody/faces.git": "somebody/faces",
    "git@github.com:somebody/faces.git": "somebody/faces",
    "https://example.org/somebody/faces": "",
    "": "",
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_notebooks_get_a_door_where_the_repository_has_an_address(origin, tmp_path, monkeypatch):
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns("*.py"))
    before = {p.name: json.loads(p.read_text()) for p in (tmp_path / "notebooks").glob("*.ipynb")}
    answer = subprocess.CompletedProcess([], 0, stdout=origin + "\n")
    monkeypatch.setattr(doors.subprocess, "run", lambda *_, **__: answer)
    for _ in range(2):
        said = doors.main(tmp_path / "notebooks")
    assert ("git remote set-url" in said) == (not ORIGINS[origin])
    for name, old in before.items():
        new = json.loads((tmp_path / "notebooks" / name).read_text())
        added = [cell for cell in new["cells"] if cell not in old["cells"]]
        assert [cell for cell in new["cells"] if cell not in added] == old["cells"]
        assert len(added) == 2 * bool(ORIGINS[origin])
        for cell in added:
            assert ORIGINS[origin] in cell["source"]
        nbformat.validate(nbformat.from_dict(new))
    if ORIGINS[origin]:
        here = doors.SET_UP.format(ORIGINS[origin], "notebooks")
        python = IPython.core.inputtransformer2.TransformerManager().transform_cell(here)
        exec(python)  # does nothing where the package is installed
