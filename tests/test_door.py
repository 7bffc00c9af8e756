"""What a visitor meets first: README, the pages it leads to, the forms for issues, the workflow."""

import re
from pathlib import Path

import pytest
import yaml

from docs.draw_rooms import ROOT
from fakeface_utils.study.settings import PROFILES, Study

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "classroom").glob("*.md"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]*)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_leads_to_every_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    for page in (ROOT / "docs").glob("*.md"):
        if page.name != "runs.md":  # which docs/submit.md leads to
            assert f"(docs/{page.name}" in text, page.name


def test_the_page_of_settings_has_them_all_as_they_are():
    page = (ROOT / "docs" / "settings.md").read_text()
    tables = [Study(**PROFILES[name]).table() for name in ("paper", "laptop", "demo")]
    for paper, *others in zip(*(table.itertuples() for table in tables), strict=True):
        here = ["" if row.here == paper.here else row.here for row in others]
        parts = [f"`{paper.setting}`", paper.here, *here, paper.source, paper.meaning]
        row = f"| {' | '.join(parts)} |"
        assert row in page, row


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_for(path):
    form = yaml.safe_load(path.read_text())
    assert form["name"]
    assert form["description"]
    kinds = {"markdown", "textarea", "input", "dropdown", "checkboxes"}
    assert {field["type"] for field in form["body"]} <= kinds
    asked = [field for field in form["body"] if field["type"] != "markdown"]
    assert asked
    assert len({field["id"] for field in asked}) == len(asked)
    assert len({field["attributes"]["label"] for field in asked}) == len(asked)
    told = (field["attributes"]["value"] for field in form["body"] if field not in asked)
    for link in re.findall(r"\(\.\./blob/main/([^)]*)\)", "".join(told)):
        assert (ROOT / link).is_file(), link


def test_there_are_two_forms_and_the_workflow_runs_the_gate():
    assert [path.stem for path in FORMS] == ["fault", "reproduction"]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100
