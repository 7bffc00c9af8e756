"""The pages as a website: README, docs, the classroom, and what a finished run left.

`make site` writes it into site/. A link to a page leads to its HTML, a link to any other file of
the project to a copy of that file; a notebook is shown as the run executed it, where it did.
"""

import html
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import mistune
from nbconvert import HTMLExporter

from fakeface_utils.util import ROOT, StudyError, home

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 54rem; margin: 0 auto; padding: 1rem }
nav a { margin-right: 1rem; white-space: nowrap } nav { border-bottom: 1px solid #8886 }
img { max-width: 100%; height: auto } pre { overflow-x: auto; padding: .7rem; background: #8882 }
main { overflow-wrap: break-word } table { border-collapse: collapse; display: block }
table { overflow-x: auto } th, td { padding: .2rem .6rem; border-bottom: 1px solid #8884 }
th, td { text-align: left; vertical-align: top } h1 { line-height: 1.2 }
th:first-child, td:first-child { position: sticky; left: 0; background: Canvas }
@media print { nav { display: none } pre { white-space: pre-wrap } img { max-width: 70% }
  img, tr { break-inside: avoid } h2, h3 { break-after: avoid } }
"""
ABOVE = {
    "README.md": "The study",
    "docs/paper_images.md": "On the paper's images",
    "classroom/README.md": "In the classroom",
    "docs/how_it_is_built.md": "How it is built",
}
MADE = ".made"  # in a folder that may be written anew
LEFT = {"report.html": "The demo's report", "quiz/quiz.html": "Quiz", "photo.html": "A photograph"}


def slug(heading: str) -> str:
    """What GitHub calls a heading, so that links lead there on both."""
    words = re.sub(r"<[^>]*>|[^\w\- ]", "", html.unescape(re.sub(r"<[^>]*>", "", heading)))
    return words.lower().replace(" ", "-")


class Renderer(mistune.HTMLRenderer):
    """HTML with names for the headings."""

    def heading(self, text: str, level: int, **_: Any) -> str:
        """A heading that links can lead to."""
        return f'<h{level} id="{slug(text)}">{text}</h{level}>\n'


class Site:
    """One folder of pages."""

    def __init__(self, out: Path, run: Path) -> None:
        self.out, self.run, self.done = out, run, set[Path]()
        self.markdown = mistune.create_markdown(renderer=Renderer(escape=False), plugins=["table"])

    def place(self, path: Path) -> Path:
        """Where a file of the project lies on the site."""
        if path == ROOT / "README.md":
            return self.out / "index.html"
        suffix = ".html" if path.suffix in (".md", ".ipynb") else path.suffix
        return self.out / path.relative_to(ROOT).with_suffix(suffix)

    def add(self, path: Path) -> None:
        """A page or a file, and all that it leads to."""
        if path in self.done:
            return
        self.done.add(path)
        target = self.place(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        executed = self.run / "notebooks" / f"{path.stem}.html"
        if path.suffix == ".md":
            target.write_text(self.page(path), "utf-8")
        elif path.suffix == ".ipynb" and executed.is_file():
            shutil.copyfile(executed, target)
        elif path.suffix == ".ipynb":
            target.write_text(HTMLExporter().from_filename(str(path))[0], "utf-8")
        else:
            shutil.copyfile(path, target)

    def page(self, path: Path) -> str:
        """A page of Markdown as HTML, its links followed."""
        body = str(self.markdown(path.read_text(encoding="utf-8")))

        def link(found: re.Match[str]) -> str:
            name, _, part = found[2].partition("#")
            if ":" in name or not name:
                return found[0]
            file = (path.parent / name).resolve()
            self.add(file)
            to = self.relative(path, self.place(file)) + (f"#{part}" if part else "")
            return f'{found[1]}="{to}"'

        body = re.sub(r'(href|src)="([^"]*)"', link, body)
        above = {self.place(ROOT / page): words for page, words in ABOVE.items()}
        above |= {self.out / "demo" / name: words for name, words in self.left().items()}
        links = [f'<a href="{self.relative(path, to)}">{words}</a>' for to, words in above.items()]
        first = re.search("<h1[^>]*>(.*?)</h1>", body)
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width"><title>{first[1] if first else path.stem}</title>'
            f"<style>{STYLE}</style><nav>{' '.join(links)}</nav><main>{body}</main></html>\n"
        )

    def relative(self, path: Path, to: Path) -> str:
        """The way from a page to a file of the site."""
        return Path(os.path.relpath(to, self.place(path).parent)).as_posix()

    def left(self) -> dict[str, str]:
        """What there is of the run to be shown."""
        pages = {name: words for name, words in LEFT.items() if (self.run / name).is_file()}
        executed = sorted((self.run / "notebooks").glob("0*.html"))
        return pages | {f"notebooks/{path.name}": path.stem for path in executed}


def build(out: Path, run: Path) -> None:
    """Write the site of a finished run on drawn images.

    Raises:
        StudyError: the run isn't finished, or its images aren't drawn and so may show people.
    """
    record = run / "study.json"
    if not (run / "report.html").is_file() or not record.is_file():
        raise StudyError(f"{run.name} has no report yet: make report RUN={run.name}")
    if not json.loads(record.read_text("utf-8"))["dataset"]["generated"]:
        raise StudyError(f"{run.name} may show people: only a run on drawn images goes on the web")
    if out.exists() and not (out / MADE).exists():
        raise StudyError(f"{out} isn't a site of ours: move it away")
    shutil.rmtree(out, ignore_errors=True)
    site = Site(out, run)
    out.mkdir()
    (out / MADE).touch()
    for path in (*ABOVE, "CHANGELOG.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))):
        site.add(ROOT / path)
    for name in site.left():
        (out / "demo" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / name, out / "demo" / name)


if __name__ == "__main__":
    try:
        build(ROOT / "site", home("results") / (sys.argv[1] if sys.argv[1:] else "demo"))
    except StudyError as error:
        sys.exit(f"error: {error}")
    print(f"site: {ROOT / 'site' / 'index.html'}")
