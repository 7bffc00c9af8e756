"""The `fakeface` command: thin over the package."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from .common.errors import StudyError
from .common.paths import shown
from .common.progress import stderr_to

app = typer.Typer(
    help="Reproduce Perisic & Jovanovic (2022): real and fake faces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Profile = Annotated[str, typer.Option(help="demo (small, generated data) or paper")]
Data = Annotated[str, typer.Option(help="demo, kaggle, a folder or a zip")]
Run = Annotated[str, typer.Option(help="name under results/ and figures/")]
Seeds = Annotated[str, typer.Option(help="how many, or a list as 0,4,7")]
Set = Annotated[str, typer.Option("--set", help="settings as 'epochs=2 images_per_class=500'")]
Force = Annotated[bool, typer.Option("--force", help="do all again; replace what the run holds")]
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
def ablations(
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
    force: Force = False,
    scheduler: Scheduler = "",
) -> None:
    """Change one reading of an open question at a time; compare validation accuracies."""
    from .evaluation.ablations import read_ablations, summary
    from .evaluation.caveats import notices
    from .run import chain
    from .study.artefacts import ABLATION_FIGURE, ablations_csv, figure_files
    from .study.parameters import load_study

    study = load_study(profile, data, run, seeds, overrides)
    chain.ablate(study, force, scheduler)
    table = read_ablations(study)
    assert table is not None  # the chain ends with an error otherwise
    print("", *notices(study), summary(table), sep="\n")
    written = (ablations_csv(study), figure_files(study, ABLATION_FIGURE)[0])
    print("written: " + ", ".join(map(shown, written)))
    print(f"make report RUN={study.run} puts them into the report")


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
    print(leak(study) or "No test image has a duplicate in training or validation.")
    print(f"fingerprint {dataset['fingerprint']}\nprepared: {shown(prepared_dir(study))}")


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="as 'train custom_cnn seed 3'")],
    profile: Profile = "",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "",
    overrides: Set = "",
) -> None:
    """Do one step before the test set, as a job of a cluster: prepare, features or training."""
    from .common.machine import ask_for_determinism
    from .run.work import do_by_name
    from .study.parameters import load_study

    study = load_study(profile, data, run, seeds, overrides)
    if study.deterministic:
        ask_for_determinism()
    do_by_name(study, name)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="image files")],
    run: Annotated[str, typer.Option(help="the run whose model is used")] = "demo",
    model: Annotated[str, typer.Option(help="custom_cnn or vgg16")] = "custom_cnn",
    seed: Annotated[int, typer.Option(help="the seed whose model is used")] = 0,
) -> None:
    """The probability that each face is fake, by a trained model."""
    from .study.names import MODELS

    if model not in MODELS:
        raise StudyError(f"unknown model '{model}': there are {' and '.join(MODELS)}")
    missing = [str(path) for path in images if not path.is_file()]
    if missing:
        raise StudyError(f"there is no file {missing[0]}")
    with stderr_to(os.devnull):
        from .networks.predict import predict_images

        table, warnings = predict_images(images, run, model, seed)
    print(*warnings, sep="\n", end="\n" if warnings else "")
    for row in table.itertuples():
        print(f"{row.path}: {row.label}, p(fake) = {row.p_fake:.4f}")


def main() -> None:
    """Run the command; a person's mistake is one sentence and exit code 1, an interrupt 130."""
    try:
        sys.exit(app(standalone_mode=True))
    except StudyError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
