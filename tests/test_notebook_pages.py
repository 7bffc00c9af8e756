"""The pages of executed notebooks: which are written, and what they warn of."""

import os

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import TINY

from fakeface_utils.common.errors import StudyError
from fakeface_utils.dataset.prepare import prepare
from fakeface_utils.report.notebook_pages import executed, write_pages
from fakeface_utils.study.artefacts import executed_notebook
from fakeface_utils.study.parameters import load_study


@pytest.fixture
def study(places, faces):
    """A run on given images, of which nothing but the images is there."""
    study = load_study(data=str(faces), run="given", overrides=TINY)
    prepare(study)
    return study


def keep(study, name, *outputs, source="1", count=1):
    """Write an executed copy of one cell."""
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=count)
    text = nbformat.v4.new_markdown_cell("See the [glossary](../docs/glossary.md) <b>now</b>.")
    path = executed_notebook(study, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[text, cell]), path)
    return path.with_suffix(".html")


def text_of(page):
    return " ".join(BeautifulSoup(page.read_text(), "html.parser").main.get_text(" ").split())


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_a_page_of_photographs_says_that_it_is_not_for_publishing(study):
    page = keep(study, "01_dataset")
    write_pages(study)
    text = text_of(page)
    assert text.index("it is not for publishing") < text.index("See the")
    assert "Generated data" not in text


def test_a_link_to_a_file_that_is_elsewhere_becomes_its_name(study):
    page = keep(study, "01_dataset")
    write_pages(study)
    assert "See the glossary ( docs/glossary.md )" in text_of(page)
    assert "glossary.md" not in "".join(
        link["href"] for link in BeautifulSoup(page.read_text(), "html.parser").find_all("a")
    )


def test_what_a_bar_overwrote_is_not_shown(study):
    updates = [stream(f"\rwork: {share}%|#  | {share}/100") for share in range(0, 101, 10)]
    page = keep(study, "02_custom_cnn", *updates, stream("\n"), stream("epoch 1\n"))
    write_pages(study)
    assert text_of(page).count("%|") == 1
    assert "work: 100%|# | 100/100 epoch 1" in text_of(page)


def test_an_output_is_text_and_no_markup(study):
    page = keep(study, "02_custom_cnn", stream("<img src=x> & \x1b[31mred\x1b[0m"))
    write_pages(study)
    assert "<img src=x> & red" in text_of(page)
    assert not BeautifulSoup(page.read_text(), "html.parser").find("img")


def test_only_what_is_newer_is_written_and_a_new_notebook_is_linked(study):
    first, last = keep(study, "01_dataset"), keep(study, "11_insight")
    assert executed(study) == ["01_dataset", "11_insight"]
    write_pages(study)
    assert 'href="11_insight.html"' in first.read_text()
    before = [page.stat().st_mtime_ns for page in (first, last)]
    write_pages(study)
    assert [page.stat().st_mtime_ns for page in (first, last)] == before

    later = first.stat().st_mtime + 5
    os.utime(executed_notebook(study, "11_insight"), (later, later))
    write_pages(study)
    assert first.stat().st_mtime_ns == before[0]
    assert last.stat().st_mtime_ns != before[1]

    keep(study, "02_custom_cnn")
    write_pages(study)
    assert 'href="02_custom_cnn.html"' in first.read_text()
    assert 'href="11_insight.html"' not in first.read_text()
    assert 'href="02_custom_cnn.html"' in last.read_text()


def test_a_notebook_that_ended_early_says_so(study):
    page = keep(study, "02_custom_cnn", count=None)
    write_pages(study)
    assert "It did not run to its end" in text_of(page)


def test_a_broken_copy_is_a_sentence(study):
    keep(study, "02_custom_cnn")
    executed_notebook(study, "02_custom_cnn").write_text("{")
    with pytest.raises(StudyError, match=r"02_custom_cnn\.ipynb can't be read as a notebook: del"):
        write_pages(study)
