"""The report and the notebooks as pages: pieces, first screen, sections, and how they open."""

import json
import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from conftest import html, watched
from fakeface_utils import report
from fakeface_utils.extension import Extension
from fakeface_utils.metrics import Known
from fakeface_utils.report import PHOTOGRAPHS, as_table, fold, items, paragraphs, to_page
from fakeface_utils.run import load_study
from fakeface_utils.util import NOTEBOOKS, StudyError

DATASET = "https://www.kaggle.com/datasets/xhlulu/140k-real-and-fake-faces"
CODE = {"code", "parameters", "injected-parameters"}
TABLE = pd.DataFrame(
    {
        "model": ["vgg16", "vgg16", "b"],
        "images": [1200, 5, 30],
        "accuracy": ["0.9000 to 0.9500", "", "below 0.0001"],
        "what": ["<b>bold</b> & more", "seed_0", "x" * 70],
        "share": [0.5, np.nan, 9.96e-5],
    }
)


def texts_of(row):
    return [cell.get_text() for cell in row.find_all(["th", "td"])]


def test_a_table_escapes_its_texts_and_aligns_its_numbers():
    page = html(as_table(TABLE, "Some <i>caption</i>"))
    assert page.caption.text == page.div["aria-label"] == "Some <i>caption</i>"
    assert page.find("b") is None
    rows = page.find_all("tr")
    assert texts_of(rows[0]) == list(TABLE.columns)
    assert texts_of(rows[1]) == ["VGG16", "1,200", "0.9000 to 0.9500", TABLE["what"][0], "0.5000"]
    assert [texts_of(row)[4] for row in rows[1:]] == ["0.5000", "", "9.96e-05"]
    assert all(cell["scope"] == "col" for cell in page.thead.find_all("th"))
    sides = [[cell["style"][12:] for cell in row.find_all(["th", "td"])] for row in rows]
    assert sides == [["left", "right", "right", "left", "right"]] * 4
    assert rows[1].td["data-label"] == "model: "  # beside it on a phone
    assert page.div["class"] == ["wide", "wordy"]  # one long cell: a card per row on a phone
    assert html(as_table(TABLE.head(2))).div["class"] == ["wide"]
    assert html(as_table(TABLE[["model", "what"]])).div["class"] == ["wide", "pair"]
    broken = as_table(pd.DataFrame({"setting": ["batch_norm_momentum <b>"]}))
    assert ">batch_<wbr>norm_<wbr>momentum &lt;b&gt;<" in broken.data


def test_a_column_comes_first_and_says_its_value_where_that_changes():
    page = html(as_table(TABLE, by="model"))
    assert texts_of(page.thead)[0] == "model"
    shown = [(row.td.text, "again" in row.td["class"]) for row in page.tbody.find_all("tr")]
    assert shown == [("VGG16", False), ("VGG16", True), ("b", False)]


def test_a_piece_escapes_a_text_and_keeps_another_piece():
    page = html(paragraphs(["a & b", fold("a < b", "<p>", items(["<one>", as_table(TABLE)]))]))
    assert page.p.text == "a & b"
    assert page.details.summary.text == "a < b"
    assert page.details.p.text == "<p>"
    assert page.li.text == "<one>"
    assert page.li.find_next("table")


@pytest.mark.parametrize(
    ("reason", "mark", "expected"),
    [
        ("generated data", "drawn demo images", "this run's images are drawn by a program"),
        ("other image counts", "5,000 training images", "5,000 training images"),
        ("one seed", "", "one seed"),
    ],
)
def test_the_answer_says_why_there_is_no_verdict(monkeypatch, reason, mark, expected):
    monkeypatch.setattr(report, "not_comparable", lambda study: reason)
    monkeypatch.setattr(report, "about", lambda study: {"generated": reason == "generated data"})
    monkeypatch.setattr(report, "mark", lambda study: mark)
    assert report.answer(load_study("paper")) == f"No verdict on the paper: {expected}."


def test_the_answer_counts_no_network_that_is_not_in_the_paper(monkeypatch):
    told = pd.DataFrame({"verdict": ["undecided", *["reproduced"] * 4, "not in the paper"]})
    monkeypatch.setattr(report, "not_comparable", lambda study: "")
    monkeypatch.setattr(report, "table1", lambda study: told)
    words = "Of the 5 numbers of the paper's Table 1: 4 reproduced, 1 undecided."
    assert report.answer(load_study("paper")) == words


@pytest.mark.parametrize(
    ("low", "seeds", "expected"),
    [
        (0.06, 2, "Better here: VGG16, by 0.070 (95 % interval +0.060 to +0.080)."),
        (-0.01, 2, "Here it stays open which network is better (95 % interval -0.010 to +0.080)."),
        (0.06, 1, "Better here: VGG16, by 0.070 (95 % interval +0.060 to +0.080, of "
         "these two networks alone)."),
    ],
)  # fmt: skip
def test_the_better_network_is_named_only_where_the_interval_says_so(
    monkeypatch, low, seeds, expected
):
    monkeypatch.setattr(report, "difference", lambda study, one, other: Known(0.07, low, 0.08))
    accuracy = pd.Series({"custom_cnn": 0.9, "vgg16": 0.97})
    assert report.better(load_study("paper", seeds=seeds), accuracy) == expected


def test_what_was_measured_has_a_section_and_all_else_a_line(monkeypatch):
    class Done:
        def __init__(self, why, record):
            self.why_stale, self.record = lambda look=None: why, lambda: record

    def one(name, why="", record=None, **more):
        tasks = lambda study: [Done(why, record or {})]  # noqa: E731
        return Extension(name, f"About {name}", tasks=tasks, **more)

    def refuse(study):
        raise StudyError("x.csv is damaged: delete it")

    made = [
        one("new", "is missing"),
        one("old", "has changed", {"seconds": 1}),
        one("away", "is missing", missing=lambda study: "no <other> images: give OTHER=FOLDER"),
        one("done", section=lambda study: items(["shown"])),
        one("silent"),
        Extension("broken", "About broken", tasks=lambda study: 1 / 0),
        one("damaged", section=refuse),
    ]
    monkeypatch.setattr(report, "extensions", lambda: {one.name: one for one in made})
    shown, left = map(html, report.sections(load_study("demo")))
    assert (shown.h2["id"], shown.h2.text, shown.li.text) == ("done", "About done", "shown")
    assert [line.text for line in left.find_all("li")] == [
        "About new was not measured: make beyond ONLY=new RUN=demo measures it.",
        "About old is out of date: make beyond ONLY=old RUN=demo measures it.",
        "About away: no <other> images: give OTHER=FOLDER",
        "About broken: ZeroDivisionError: division by zero",
        "About damaged: x.csv is damaged: delete it",
    ]


# Notebooks as pages.


def stream(text):
    return nbformat.v4.new_output("stream", name="stdout", text=text)


def kept(folder, name, *outputs, count=1, tags=()):
    """Write an executed copy of one text and one cell, and its page."""
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=list(outputs), execution_count=count)
    cell.metadata["tags"] = list(tags)
    text = nbformat.v4.new_markdown_cell("## A part\nSee the [glossary](../docs/glossary.md).")
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[text, cell]), path)
    return path


def test_a_notebooks_page_warns_first_and_links_its_neighbours_alone(tmp_path):
    for name in ("01_dataset", "04_evaluate", "robustness"):
        path = kept(tmp_path, name, stream("<img src=x> & \x1b[31mred\x1b[0m"), count=None)
    path, page = tmp_path / "04_evaluate.ipynb", tmp_path / "04_evaluate.html"
    to_page(path, page, notices=[PHOTOGRAPHS, "a < b"])
    shown = html(page.read_text())
    text = " ".join(shown.main.get_text(" ").split())
    assert text.index("not for publishing") < text.index("a < b") < text.index("See the glossary")
    assert "( docs/glossary.md )" in text
    assert "<img src=x> & red" in text
    assert not shown.find("img")
    assert "It did not run to its end" in text
    links = check_no_request(shown)
    assert links == ["01_dataset.html", "../report.html", "robustness.html"] * 2
    assert [one.text for one in shown.find_all("div", class_="highlight")] == ["1 + 1\n"]


def test_a_picture_of_a_cells_own_is_told_by_what_the_cell_prints(tmp_path):
    png = nbformat.v4.new_output("display_data", {"image/png": "aGk=\n"})
    page = tmp_path / "x.html"
    to_page(kept(tmp_path, "x", png, stream("Six <faces>.\n")), page)
    assert html(page.read_text()).img["alt"] == "Six <faces>."


def test_the_report_leaves_code_out_and_lists_headings_of_texts_and_outputs(tmp_path):
    section = nbformat.v4.new_output(
        "display_data", {"text/html": '<h2 id="beyond">B &amp; C</h2>'}
    )
    page = tmp_path / "report.html"
    to_page(kept(tmp_path, "06_report", section), page, report=True)
    contents = html(page.read_text()).nav.ol.find_all("a")
    assert [(one["href"], one.text) for one in contents] == [
        ("#A-part", "A part"),
        ("#beyond", "B & C"),
    ]
    assert "1 + 1" not in page.read_text()
    for tag in CODE:
        to_page(kept(tmp_path, "06_report", section, tags=[tag]), page, report=True)
        assert "beyond" not in page.read_text()


def test_a_broken_copy_is_a_sentence(tmp_path):
    (tmp_path / "x.ipynb").write_text("{")
    with pytest.raises(StudyError, match=r"x\.ipynb can't be read as a notebook: delete it"):
        to_page(tmp_path / "x.ipynb", tmp_path / "x.html")


# Of a finished run.


def pages_of(project):
    return [project.results / "report.html", *sorted(project.results.glob("notebooks/*.html"))]


def check_no_request(page):
    """That a page loads nothing from outside; returns where a reader can go to from it."""
    assert not page.find_all(["script", "iframe", "object", "embed", "base"])
    for tag in page.find_all(True):
        for name in ("src", "srcset", "poster", "data", "action", "background"):
            assert tag.get(name, "data:").startswith("data:"), tag
        assert tag.name != "link" or tag["href"].startswith("data:")
    styles = " ".join(tag.text for tag in page.find_all("style"))
    assert not re.search(r"@import|url\((?![\"']?(data:|#))", styles)
    return [link["href"] for link in page.find_all("a") if not link["href"].startswith("#")]


def test_every_page_stands_alone_and_says_in_words_what_its_pictures_show(project):
    for path in pages_of(project):
        page = html(path.read_text())
        for link in set(check_no_request(page)) - {DATASET}:
            assert (path.parent / link.split("#")[0]).is_file(), (path.name, link)
        words = [image["alt"] for image in page.find_all("img")]
        assert words, path
        assert all(len(text) > 40 and "No description" not in text for text in words), path
        assert page.html["lang"] == "en"
        assert "width=device-width" in page.find("meta", attrs={"name": "viewport"})["content"]
        assert "Generated data: these numbers say nothing" in page.main.get_text()
        assert "not for publishing" not in page.main.get_text()
        assert "did not run to its end" not in page.main.get_text()
        names = [tag["id"] for tag in page.find_all(id=True)]
        assert len(names) == len(set(names)), path
        inside = [link["href"][1:] for link in page.find_all("a", href=re.compile("^#"))]
        assert set(inside) <= set(names), path


def test_the_report_says_what_a_reader_asks_first(project):
    page = html((project.results / "report.html").read_text())
    text = " ".join(page.main.get_text(" ").split())
    first = text[: text.index("In short")]
    for words in (
        "No verdict on the paper: this run's images are drawn by a program.",
        "VGG16 has random weights",
        "0.9718 in the paper",
        "image_size 35 224 the paper",
        "batch_norm_momentum 0.8 0.99 our reading",
        "2 training runs of each model",
    ):
        assert words in first, words
    for words in (
        "make report PROFILE=demo DATA=demo RUN=tiny SEEDS=0,1 SET='image_size=35",
        "learning_rate_decay",
        "No cell has a verdict: not comparable (generated data).",
        "48 test images",
        "stored size 40 x 40 (the paper's: 256 x 256)",
        "train 24 fake, 24 real",
    ):
        assert words in text, words
    assert len(page.nav.ol.find_all("a")) >= 9
    assert not page.find_all("div", class_="highlight")


def rows_under(page, heading):
    title = next(tag for tag in page.find_all(["h2", "h3"]) if tag.get_text().startswith(heading))
    return [texts_of(row) for row in title.find_next("table").find_all("tr")]


def test_the_reports_tables_hold_the_runs_numbers(project):
    page = html((project.results / "report.html").read_text())
    head, *rows = rows_under(page, "Table 1")
    expected = pd.read_csv(project.results / "table1.csv")
    assert head[:5] == ["model", "metric", "ours", "paper", "apart"]
    assert "verdict" not in head  # it would say the same in every row
    for place, name in ((2, "ours_mean"), (3, "paper")):
        assert [row[place] for row in rows] == [f"{value:.4f}" for value in expected[name]]
    claims = rows_under(page, "The paper's claims")[1:]
    said = [row[0] for row in claims]
    assert said[:6] == ["not comparable (generated data)"] * 6
    assert said[-4:] == ["not reproduced", "reproduced", "reproduced", "not reproduced"]


def cells(path):
    return json.loads(path.read_text())["cells"]


def test_every_result_of_the_report_names_a_cell_that_there_is():
    named = [cell["metadata"].get("made_by") for cell in cells(NOTEBOOKS / "06_report.ipynb")]
    assert len(list(filter(None, named))) >= 3
    for made_by in filter(None, named):
        notebook, cell = made_by.split("#")
        found = [c for c in cells(NOTEBOOKS / f"{notebook}.ipynb") if c["id"] == cell]
        assert [c["cell_type"] for c in found] == ["code"], made_by


def test_the_pages_fit_a_phone_a_tablet_and_a_screen_and_print_their_folds_open(project, browser):
    loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 100)"
    page = browser.new_page()
    requests, complaints = watched(page)
    for path in pages_of(project):
        requests.clear()
        page.goto(path.as_uri())
        for width in (390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path.name, width)
        assert page.evaluate(loaded), path.name
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    page.goto(pages_of(project)[0].as_uri())
    heights = {}
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        heights[media] = page.evaluate(
            "[...document.querySelectorAll('details:not(.contents)')]"
            ".map(one => one.getBoundingClientRect().height)"
        )
    page.set_viewport_size({"width": 688, "height": 800})  # of A4: else all would shrink
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    assert len(heights["screen"]) > 5
    assert all(b > 1.5 * a for a, b in zip(*heights.values(), strict=True))
    assert complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_have_no_serious_barrier(project, browser, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser.new_page(viewport={"width": width, "height": 800})
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
