"""The `fakeface` command: thin over the package."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from .common.errors import StudyError
from .common.paths import shown

app = typer.Typer(
    help="Reproduce Perisic & Jovanovic (2022): real and fake faces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Profile = Annotated[str, typer.Option(help="demo (generated data), laptop or paper")]
Data = Annotated[str, typer.Option(help="demo, kaggle, a folder or a zip")]
Run = Annotated[str, typer.Option(help="name under results/ and figures/")]
Seeds = Annotated[str, typer.Option(help="how many, or a list as 0,4,7")]
Set = Annotated[str, typer.Option("--set", help="settings as 'epochs=2 images_per_class=500'")]
Force = Annotated[bool, typer.Option("--force", help="do all again; replace what the run holds")]
Only = Annotated[
    str,
    typer.Option(help="open_questions, learning_curve, elsewhere, robustness, insight; else all"),
]
Other = Annotated[str, typer.Option(help="a folder or zip of other images, for elsewhere")]
Scheduler = Annotated[str, typer.Option(help="a Dask scheduler's address: train on its workers")]


@app.command()
def report(
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
    force: Force = False,
    scheduler: Scheduler = "",
) -> None:
    """Run the notebooks that aren't up to date and write the report.

    What is left out is taken from the run of that name, else from the profile.
    """
    from .evaluation.caveats import failed_seeds, notices
    from .evaluation.table1 import printed_table1
    from .run import chain
    from .study.artefacts import report_html
    from .study.parameters import load_study

    study = load_study(profile, data, run, seeds, overrides)
    chain.run(study, force, scheduler)
    print("\nTable 1", *notices(study), *failed_seeds(study), printed_table1(study), sep="\n")
    print(f"\nreport: {shown(report_html(study))}")


@app.command()
def beyond(
    only: Only = "",
    other: Other = "",
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
    force: Force = False,
    scheduler: Scheduler = "",
) -> None:
    """Measure what isn't in the paper, on a trained run; the report then shows it."""
    from .evaluation import ablations, elsewhere, insight, learning_curve, robustness
    from .evaluation.caveats import notices
    from .run import chain
    from .study.artefacts import report_html
    from .study.beyond import beyond_steps
    from .study.beyond_artefacts import read_ablations_csv
    from .study.elsewhere import NO_IMAGES, has_others
    from .study.parameters import load_study

    summaries = {
        "07_open_questions": lambda study: ablations.summary(read_ablations_csv(study)),
        "08_learning_curve": learning_curve.summary,
        "09_elsewhere": elsewhere.summary,
        "10_robustness": robustness.summary,
        "11_insight": insight.summary,
    }
    given = f"{overrides} other={shlex.quote(other)}" if other else overrides
    study = load_study(profile, data, run, seeds, given)
    if not only and not has_others(study):
        print(f"09_elsewhere is left out: {NO_IMAGES}")
    chain.run_beyond(study, only, force, scheduler)
    print("", *notices(study), sep="\n")
    for notebook in beyond_steps(study, only):
        print(f"\n{summaries[notebook](study)}")
    print(f"\nreport: {shown(report_html(study))}")


@app.command()
def data(profile: Profile = "", data: Data = "", run: Run = "", overrides: Set = "") -> None:
    """Fetch or generate the images, verify, prepare and audit them; nothing is trained."""
    from .dataset import audit
    from .dataset.prepare import prepare
    from .evaluation.caveats import leak
    from .study.artefacts import prepared_dir, read_duplicates
    from .study.parameters import load_study

    study = load_study(profile, data, run, 1, overrides)
    dataset = prepare(study)
    audit.audit(study)
    for row in audit.summary(study).itertuples(index=False):
        print(f"{row[0]}: {row[1]}")
    for pair in read_duplicates(study).query("kind != 'unlike'").head(20).itertuples():
        print(f"{pair.kind}: {pair.path_a} and {pair.path_b} ({pair.difference} grey levels apart)")
    print(f"not read: {dataset['left_out'] or 'nothing'}")
    print(leak(study) or "No test image has a duplicate in training or validation.")
    print(f"fingerprint {dataset['fingerprint']}\nprepared: {shown(prepared_dir(study))}")


@app.command()
def quiz(
    run: Annotated[str, typer.Option(help="the run whose test images are asked about")] = "demo",
    seed: Annotated[int, typer.Option(help="draws the images")] = 0,
    answers: Annotated[
        Path | None, typer.Option(help="a folder of saved answers: put them together")
    ] = None,
) -> None:
    """Can people tell? Write a page that asks them; or put a class's answers together."""
    from .evaluation.quiz import pool, summary
    from .report.quiz import write_quiz
    from .run import chain
    from .study.artefacts import report_html
    from .study.parameters import load_study

    study = load_study(run=run)
    if answers is None:
        print(write_quiz(study, seed))
        return
    print(summary(study, pool(study, answers, seed)), end="\n\n")
    chain.run(study)  # the report shows it
    print(f"\nreport: {shown(report_html(study))}")


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="as 'train custom_cnn seed 3'")],
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
) -> None:
    """Do one step, as a job of a cluster: prepare, features or training."""
    from .common.machine import ask_for_determinism
    from .run.work import do_by_name
    from .study.parameters import load_study

    study = load_study(profile, data, run, seeds, overrides)
    if study.deterministic:
        ask_for_determinism()
    do_by_name(study, name)


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(help="files, folders, patterns as '*.jpg'")],
    run: Annotated[str, typer.Option(help="the run whose model is used")] = "demo",
    model: Annotated[str, typer.Option(help="custom_cnn or vgg16")] = "custom_cnn",
    seed: Annotated[
        int | None, typer.Option(help="the seed whose model is used; else 0, or the run's first")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="write the answers as CSV")] = None,
    json: Annotated[Path | None, typer.Option(help="write the answers as JSON")] = None,
    stability: Annotated[
        bool, typer.Option("--stability", help="judge eight re-savings of each image too")
    ] = False,
) -> None:
    """Judge your own images by a trained model: p(fake), and fake, real or unsure."""
    from .run.predict import predict

    predict(images, run, model, seed, csv, json, stability)


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(help="a folder or zip with real and fake inside")],
    run: Annotated[str, typer.Option(help="the run whose models are used")] = "demo",
    model: Annotated[str, typer.Option(help="custom_cnn or vgg16; else both")] = "",
    csv: Annotated[Path | None, typer.Option(help="write each image's probabilities here")] = None,
) -> None:
    """How a trained run does on other images: a row for each pair of real and fake."""
    from .run.evaluate import evaluate

    evaluate(folder, run, model, csv)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="two or more runs; differences to the first")],
) -> None:
    """Show runs side by side: settings, data, Table 1 with differences, validation curves."""
    from .evaluation.side_by_side import compare, evaluated
    from .report.compare import write_comparison

    studies = evaluated(runs)
    comparison = compare(studies)
    print(comparison.text())
    print(f"\npage: {shown(write_comparison(studies, comparison))}")


@app.command()
def submit(
    run: Annotated[str, typer.Option(help="the run whose numbers are handed in")],
) -> None:
    """Put a run's numbers into results/registry/, for a pull request: see docs/submit.md."""
    from .evaluation.submission import collect, keep
    from .report.registry import write_tables
    from .study.parameters import load_study

    written = [keep(collect(load_study(run=run))), *write_tables()]
    print(f"wrote {' '.join(map(shown, written))}")
    print("Commit these three files and open a pull request with them: see docs/submit.md")


def main() -> None:
    """Run the command; a person's mistake is one sentence and exit code 1, an interrupt 130."""
    try:
        sys.exit(app(standalone_mode=True))
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
