"""The report's pieces and its first screen, on numbers made up for the purpose."""

import base64
import io

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from fakeface_utils.common.paths import NOTEBOOKS
from fakeface_utils.report import forest, opening
from fakeface_utils.report.html_pieces import as_table, piece
from fakeface_utils.report.page import place
from fakeface_utils.study.names import METRICS, MODELS
from fakeface_utils.study.parameters import load_study

TABLE = pd.DataFrame(
    {
        "model": ["a", "a", "b"],
        "images": [1200, 5, 30],
        "accuracy": ["0.9000 to 0.9500", "-", "below 0.0001"],
        "what": ["<b>bold</b> & more", "seed_0", "x" * 70],
    }
)


def html(piece):
    return BeautifulSoup(str(piece), "html.parser")


def test_a_table_escapes_its_texts_and_aligns_its_numbers():
    page = html(as_table(TABLE, "Some <i>caption</i>"))
    assert page.caption.text == "Some <i>caption</i>"
    assert page.find("b") is None
    rows = [row.find_all("td") for row in page.tbody.find_all("tr")]
    assert [cell.text for cell in rows[0]] == ["a", "1,200", "0.9000 to 0.9500", TABLE["what"][0]]
    assert [cell.get("class") for cell in rows[0]] == [None, ["number"], ["number"], None]
    heads = page.thead.find_all("th")
    assert [head.get("class") for head in heads] == [None, ["number"], ["number"], None]
    assert [cell["data-label"] for cell in rows[1]] == list(TABLE.columns)
    assert page.div["aria-label"] == "Some <i>caption</i>"
    assert "wordy" in page.div["class"]  # one long cell: a card per row on a phone
    assert "wordy" not in html(as_table(TABLE.head(2))).div["class"]


def test_a_column_becomes_headings_over_its_rows():
    page = html(as_table(TABLE, by="model"))
    groups = [
        (body.th.text, [row.td.text for row in body.find_all("tr") if row.td])
        for body in page.find_all("tbody")
    ]
    assert groups == [("a", ["1,200", "5"]), ("b", ["30"])]
    assert "model" not in [head.text for head in page.thead.find_all("th")]


def test_a_table_can_be_saved_as_it_was():
    link = html(as_table(TABLE, "Numbers", csv="numbers.csv")).caption.a
    assert link["download"] == "numbers.csv"
    saved = base64.b64decode(link["href"].removeprefix("data:text/csv;base64,")).decode()
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(saved)), TABLE)


def test_a_piece_escapes_a_text_and_keeps_another_piece():
    page = html(piece("fold", "a < b", piece("items", ["<one>", "two"])))
    assert page.details.summary.text == "a < b"
    assert [item.text for item in page.details.ul.find_all("li")] == ["<one>", "two"]


def made_up(*verdicts):
    """Table 1 with the first verdict for the custom CNN, the second for VGG16."""
    rows = [
        {
            "model": model, "metric": metric, "ours_mean": 0.95, "ours_sd": 0.01, "paper": 0.97,
            "predicted_low": 0.92, "predicted_high": 1.02, "verdict": verdict,
        }
        for model, verdict in zip(MODELS, verdicts, strict=True)
        for metric in METRICS
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("verdicts", "low", "high", "expected"),
    [
        (("reproduced", "reproduced"), 0.06, 0.08,
         ("Yes: all eight numbers of Table 1 are reproduced.",
          "The better one here is the custom CNN, by 0.070 (95 % interval +0.060 to +0.080).")),
        (("not reproduced", "not reproduced"), -0.08, -0.06,
         ("No: none of the eight numbers of Table 1 is reproduced.",
          "The better one here is VGG16, by 0.070 (95 % interval -0.080 to -0.060).")),
        (("undecided", "undecided"), -0.01, 0.03,
         ("Undecided: our training runs differ too much among themselves.",
          "Here it stays open which network is better (95 % interval -0.010 to +0.030).")),
        (("undecided", "reproduced"), 0.06, 0.08,
         ("In part: of Table 1's eight numbers 4 reproduced, 4 undecided.",
          "The better one here is the custom CNN, by 0.070 (95 % interval +0.060 to +0.080).")),
    ],
)  # fmt: skip
def test_the_answer_follows_from_the_verdicts(monkeypatch, verdicts, low, high, expected):
    better = {"difference": (low + high) / 2, "low": low, "high": high}
    monkeypatch.setattr(opening, "table1", lambda study: made_up(*verdicts))
    monkeypatch.setattr(opening, "claim_better", lambda study: better)
    monkeypatch.setattr(opening, "not_comparable", lambda study: "")
    assert opening.answer(load_study("paper", seeds=2)) == expected


@pytest.mark.parametrize(
    ("generated", "images", "reason", "expected"),
    [
        (True, 1200, "generated data", "No verdict on the paper: this run's images are "
         "drawn by a program."),
        (False, 2500, "other image counts", "No verdict on the paper: learned from 5,000 "
         "images at 224 pixels, there 100,000 at 224."),
        (False, 50_000, "one seed", "No verdict on the paper: one seed."),
    ],
)  # fmt: skip
def test_without_a_verdict_the_answer_says_why(monkeypatch, generated, images, reason, expected):
    dataset = {"generated": generated, "counts": {"train": {"real": images, "fake": images}}}
    better = {"difference": 0.1, "low": 0.05, "high": 0.15}
    monkeypatch.setattr(opening, "read_dataset", lambda study: dataset)
    monkeypatch.setattr(opening, "claim_better", lambda study: better)
    monkeypatch.setattr(opening, "not_comparable", lambda study: reason)
    first, second = opening.answer(load_study("paper"))
    assert first == expected
    assert second.endswith("(95 % interval +0.050 to +0.150, of these two networks alone).")


def test_the_forest_plot_shows_seeds_run_and_paper_and_a_verdict_only_where_there_is_one(
    monkeypatch,
):
    study = load_study("paper", seeds=2)
    seeds = pd.DataFrame(
        [{"model": m, **dict.fromkeys(METRICS, v)} for m in MODELS for v in (0.94, 0.96)]
    )
    monkeypatch.setattr(forest, "_by_seed", lambda study: seeds)
    monkeypatch.setattr(forest, "title", lambda figure, study: None)
    monkeypatch.setattr(forest, "table1", lambda study: made_up("reproduced", "not reproduced"))
    for reason, shown in (("", True), ("generated data", False)):
        monkeypatch.setattr(forest, "not_comparable", lambda study, reason=reason: reason)
        figure, alternative = forest.forest(study)
        axis = figure.axes[0]
        texts = [text.get_text() for text in axis.texts]
        assert texts.count("0.950") == texts.count("0.970") == 8
        assert ("✓ reproduced" in texts, "✗ not reproduced" in texts) == (shown, shown)
        assert "custom CNN accuracy 0.950, paper 0.970" in alternative
        assert ("not reproduced" in alternative) == shown
        lines = {tuple(line.get_xdata()) for line in axis.lines}
        assert {(0.92, 1), (0.94, 0.96), (0.97,)} <= lines  # cut at 1
        assert [label.get_text() for label in axis.get_yticklabels()] == [*METRICS] * 2


def test_every_result_of_the_page_names_the_cell_that_made_it():
    notebook = nbformat.read(NOTEBOOKS / "06_report.ipynb", as_version=4)
    named = [cell.metadata["made_by"] for cell in notebook.cells if "made_by" in cell.metadata]
    assert len(named) == 20
    for made_by in named:
        name, cell = place(made_by).split(".html#")
        source = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
        code = next(one.source for one in source if one.id == cell)
        assert made_by.split(": ", 1)[1] in code
    with pytest.raises(StopIteration):
        place("01_dataset: no such code")


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ((None, None), "trained 2026-11-25 to 2026-11-26"),
        (("b", "a"), "trained 2026-11-25 to 2026-11-26 by code a, b"),
    ],
)
def test_the_first_screen_says_when_and_by_what_the_networks_were_trained(
    monkeypatch, commits, expected
):
    days = ("2026-11-26T01:00:00", "2026-11-25T23:00:00")
    computed = {
        f"train custom_cnn seed {seed}": {"when": when, "git": git}
        for seed, (when, git) in enumerate(zip(days, commits, strict=True))
    }
    known = {"computed": computed | {"report": {"when": "2027", "git": "c"}}, "seconds": {"a": 90}}
    monkeypatch.setattr(opening, "record", lambda study: known)
    about = opening._about(load_study("demo", seeds=2))
    assert about[1] == "2 training runs of each model"
    assert about[3:] == [expected, "2 min of computing"]
