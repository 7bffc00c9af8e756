"""The pages on others' work say what their tables hold."""

import pandas as pd
import pytest
import yaml

from docs.figures import others
from fakeface_utils.util import ROOT

PAGE = (ROOT / "docs" / "related.md").read_text()


def test_the_page_has_the_published_numbers_and_no_others():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert rows[1:] == others.related_rows()


@pytest.mark.parametrize("kind", others.KINDS)
def test_what_a_reader_may_conclude_is_in_the_table(kind):
    table = others.published()
    own = table[(table["kind"] == kind) & (table["training_images"] == 100_000)]
    low, high = own["accuracy"].agg(["min", "max"])
    assert f"{low:.3f} to {high:.3f}" in PAGE


def test_what_the_page_cites_is_cited():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    assert len(cited) == 3
    for one in cited:
        assert f"{one['authors'][0]['family-names']} et al. {one['year']}" in PAGE


def test_the_page_has_the_networks_numbers():
    page = (ROOT / "docs" / "others_networks.md").read_text().splitlines()
    rows = [line for line in page if line.startswith("| ") and "(Spearman)" not in line]
    tables = others.network_rows(), others.order_rows(), others.damage_rows()
    assert [*rows[1:17], *rows[18:-7], *rows[-6:]] == [row for table in tables for row in table]


def test_the_networks_answer_at_home_as_published():
    table = others.networks()
    home = table[table["set"] == others.HOME]
    off = others.accuracy(home) - home["published"]
    sd = (home["published"] * (1 - home["published"]) / (home["fakes"] + home["reals"])) ** 0.5
    assert len(home) == 16
    assert (off.abs() < 3 * sd).all()


def test_the_rank_correlations_are_those_of_the_networks():
    table = others.networks()
    for one in others.order().itertuples():
        own = table[table["set"] == one.set]
        assert own["published"].corr(own[one.measure], "spearman") == pytest.approx(
            one.rho, abs=0.01
        )
        assert max(one.low, one.low_both) <= one.rho <= min(one.high, one.high_both)


def test_what_came_out_of_the_statements_on_them_is_the_tables():
    pages = [ROOT / "docs" / f"{name}.md" for name in ("others_networks", "fixed_before")]
    for page in (" ".join(path.read_text().split()) for path in pages):
        assert others.memory() in page
        for row in others.damage_rows()[:2]:
            assert row.split(" | ")[1] in page
    table = pd.read_csv(others.EXAMPLES / "others" / "damaged.csv").set_index(["network", "damage"])
    moved = table.loc[("all 16", "shifted by 8 of 256 pixels")]
    fall = f"from {moved['undamaged']:.3f} to {moved['accuracy']:.3f}"
    for page in (pages[0], ROOT / "README.md"):
        assert fall in " ".join(page.read_text().split())


def test_the_answer_is_the_tables():
    page = " ".join((ROOT / "docs" / "others_networks.md").read_text().split())
    said = others.order().set_index(["set", "measure"])["said"]
    table = others.networks().set_index(["network", "set"])["recall"]
    answer = page[: page.index("![")]
    for name in others.LOOKED_AT:
        assert said[name, "recall"] in answer
    for network in ("3-32-5-5-2", "4-16-3-5-2"):
        shares = [f"{100 * table[network, name]:.0f} %" for name in others.LOOKED_AT]
        assert f"{', '.join(shares[:2])} and {shares[2]}" in answer
