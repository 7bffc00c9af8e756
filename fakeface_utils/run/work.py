"""Do one step of a study, whichever it is; what the other readings' training runs need."""

import difflib

from ..common.errors import StudyError
from ..study.artefacts import model_file
from ..study.plan import chain_steps
from ..study.readings import ablation_steps, compare_step
from ..study.settings import Study
from ..study.step import Step


def steps_to_train(study: Study, readings: bool = False) -> list[Step]:
    """Every step before the test set in an order that works, each once.

    Args:
        study: the settings and seeds.
        readings: the other readings of the open questions too.
    """
    notebooks = chain_steps(study) | (ablation_steps(study) if readings else {})
    steps = [step for group in notebooks.values() for step in group]
    wanted = [step for step in steps if step.kind in ("prepare", "features", "train", "reading")]
    return list({step.marker: step for step in wanted if step.split != "test"}.values())


def do(step: Step) -> None:
    """Do one step before the test set, unless it is done.

    Raises:
        StudyError: what it needs is missing or can't be had.
    """
    # Keras with them, six seconds: not for those who only ask which steps there are.
    from ..dataset.prepare import prepare
    from ..networks.features import extract_features
    from ..networks.training import train

    if step.kind == "prepare":
        prepare(step.study)
    elif step.kind == "features":
        extract_features(step.study, step.split)
    elif step.kind in ("train", "reading"):
        assert step.seed is not None
        seed = step.seed

        def train_reading() -> None:
            train(step.study, step.model, seed)
            model = model_file(step.study.run, step.model, seed)
            model.unlink(missing_ok=True)  # 0.1 GB at the paper's size, and nothing reads it

        if step.kind == "train":
            train(step.study, step.model, seed)
        elif not step.do(train_reading):
            print(f"{step.name}: up to date")
    else:
        raise StudyError(f"'{step.name}' is done by notebook {step.notebook}")


def do_by_name(study: Study, name: str) -> None:
    """Do the step of this name, as a job of a cluster does.

    Raises:
        StudyError: the study has no such step before the test set; or as `do`.
    """
    steps = {step.name: step for step in steps_to_train(study, readings=True)}
    if name not in steps:
        near = difflib.get_close_matches(name, steps, n=3) or list(steps)[:3]
        raise StudyError(f"there is no step '{name}': there is {', '.join(near)}, ...")
    do(steps[name])


def train_readings(study: Study) -> None:
    """Train every other reading with every seed; what is done is skipped.

    Each training run is kept for itself under results/<run>/ablations/<setting>=<value>/, so that a
    new question, or another seed, trains nothing else. Only histories stay there.

    Raises:
        StudyError: the run's own networks aren't trained yet, or a reading can't be prepared.
    """
    compare_step(study).check_inputs(own_notebook=False)
    (steps,) = ablation_steps(study).values()
    todo = [step for step in steps if step.kind in ("prepare", "features", "reading")]
    for number, step in enumerate(todo, start=1):
        print(f"[{number}/{len(todo)}] {step.name}")
        do(step)
