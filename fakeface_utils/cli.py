"""The `fakeface` command: thin over the package."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from .errors import StudyError
from .files import stderr_to

app = typer.Typer(
    help="Reproduce Perisic & Jovanovic (2022): real and fake faces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Profile = Annotated[str, typer.Option(help="demo (small, generated data) or paper")]
Data = Annotated[str, typer.Option(help="demo, kaggle, a folder or a zip; default: the profile's")]
Run = Annotated[str, typer.Option(help="name under results/ and figures/; default: the profile's")]
Seeds = Annotated[str, typer.Option(help="how many, or a list as 0,4,7")]
Set = Annotated[str, typer.Option("--set", help="settings as 'epochs=2 images_per_class=500'")]
Force = Annotated[bool, typer.Option("--force", help="do all again; replace what the run holds")]
Scheduler = Annotated[str, typer.Option(help="a Dask scheduler's address: train on its workers")]


@app.command()
def report(
    profile: Profile = "demo",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "1",
    overrides: Set = "",
    force: Force = False,
    scheduler: Scheduler = "",
) -> None:
    """Run the notebooks that aren't up to date and write the report."""
    from . import chain
    from .evaluation import table1
    from .paths import results_dir, shown
    from .provenance import notices

    study = chain.run(profile, data, run, seeds, overrides, force, scheduler)
    print("\nTable 1", *notices(study), sep="\n")
    print(table1(study).to_string(index=False, float_format="{:.4f}".format, na_rep="-"))
    print(f"\nreport: {shown(results_dir(study.run) / 'report.html')}")


@app.command()
def ablations(
    profile: Profile = "demo",
    data: Data = "",
    run: Run = "",
    seeds: Seeds = "2",
    overrides: Set = "",
    force: Force = False,
    scheduler: Scheduler = "",
) -> None:
    """Change one reading of an open question at a time; compare validation accuracies."""
    from . import chain
    from .ablations import read_ablations, summary
    from .paths import shown
    from .provenance import notices
    from .steps import ablation_outputs

    study = chain.ablate(profile, data, run, seeds, overrides, force, scheduler)
    table = read_ablations(study)
    assert table is not None  # the chain ends with an error otherwise
    print("", *notices(study), summary(table), sep="\n")
    print("written: " + ", ".join(shown(path) for path in ablation_outputs(study)[:2]))
    print("the report shows them after the next `make report` with the same parameters")


@app.command()
def data(profile: Profile = "demo", data: Data = "", run: Run = "", overrides: Set = "") -> None:
    """Fetch or generate the images, verify, prepare and audit them; nothing is trained."""
    from .dataset import audit
    from .dataset.prepare import prepare
    from .paths import shown
    from .steps import prepared_dir
    from .study import load_study

    study = load_study(profile, data, run, 1, overrides)
    dataset = prepare(study)
    audit.audit(study)
    for row in audit.summary(study).itertuples(index=False):
        print(f"{row[0]}: {row[1]}")
    for pair in audit.read_duplicates(study).query("kind != 'unlike'").head(20).itertuples():
        print(f"{pair.kind}: {pair.path_a} and {pair.path_b} ({pair.difference} grey levels apart)")
    print(audit.leak(study) or "No test image has a duplicate in training or validation.")
    print(f"fingerprint {dataset['fingerprint']}\nprepared: {shown(prepared_dir(study))}")


@app.command("bench")
def measure(
    gpu: Annotated[bool, typer.Option("--gpu", help="the paper's profile on a GPU")] = False,
) -> None:
    """Measure this machine: the study's way of working against the usual one, on drawn images."""
    from .bench.gpu import bench_gpu
    from .bench.processor import bench
    from .paths import shown

    print(f"written: {shown(bench_gpu() if gpu else bench())}")


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="image files")],
    run: Annotated[str, typer.Option(help="the run whose model is used")] = "demo",
    model: Annotated[str, typer.Option(help="custom_cnn or vgg16")] = "custom_cnn",
    seed: Annotated[int, typer.Option(help="the seed whose model is used")] = 0,
) -> None:
    """The probability that each face is fake, by a trained model."""
    from .paths import MODELS

    if model not in MODELS:
        raise StudyError(f"unknown model '{model}': there are {' and '.join(MODELS)}")
    missing = [str(path) for path in images if not path.is_file()]
    if missing:
        raise StudyError(f"there is no file {missing[0]}")
    with stderr_to(os.devnull):
        from .predict import predict_images

        table = predict_images(images, run, model, seed)
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
