"""Do one step of a study, whichever it is, or all training runs of a notebook beyond the paper."""

import difflib

from ..common.errors import StudyError
from ..study.artefacts import model_file
from ..study.beyond import beyond_steps
from ..study.plan import chain_steps
from ..study.settings import Study
from ..study.step import Step

TRAINED = ("train", "reading", "point")


def steps_to_train(notebooks: dict[str, list[Step]]) -> list[Step]:
    """The steps of these notebooks that train, and what they need, in order and each once.

    The test set is left out, but for VGG16's features of it where a learning curve needs them.
    """
    steps = {step.marker: step for group in notebooks.values() for step in group}
    trained = [step for step in steps.values() if step.kind in TRAINED]
    needed = {before.marker for step in trained for before in step.before()}
    return [
        step
        for step in steps.values()
        if step in trained or (step.marker in needed and step.kind in ("prepare", "features"))
    ]


def do(step: Step) -> None:
    """Do one step of `steps_to_train`, unless it is done.

    Raises:
        StudyError: what it needs is missing or can't be had.
    """
    # Keras with them, six seconds: not for those who only ask which steps there are.
    from ..dataset.prepare import prepare
    from ..networks.features import extract_features
    from ..networks.learning_curve import train_and_predict
    from ..networks.training import train

    if step.kind == "prepare":
        prepare(step.study)
    elif step.kind == "features":
        extract_features(step.study, step.split)
    elif step.kind in TRAINED:
        assert step.seed is not None
        seed = step.seed

        def train_reading() -> None:
            train(step.study, step.model, seed)
            model = model_file(step.study.run, step.model, seed)
            model.unlink(missing_ok=True)  # 0.1 GB at the paper's size, and nothing reads it

        def train_point() -> None:
            train_and_predict(step.study, step.model, seed)

        if step.kind == "train":
            train(step.study, step.model, seed)
        elif not step.do(train_reading if step.kind == "reading" else train_point):
            print(f"{step.name}: up to date")
    else:
        raise StudyError(f"'{step.name}' is done by notebook {step.notebook}")


def do_by_name(study: Study, name: str) -> None:
    """Do the step of this name, as a job of a cluster does.

    Raises:
        StudyError: the study has no such step; or as `do`.
    """
    here = study.model_copy(update={"other": ""})  # other images may lie on another machine
    notebooks = chain_steps(study) | beyond_steps(here)
    steps = {step.name: step for step in steps_to_train(notebooks)}
    if name not in steps:
        near = difflib.get_close_matches(name, steps, n=3) or list(steps)[:3]
        raise StudyError(f"there is no step '{name}': there is {', '.join(near)}, ...")
    do(steps[name])


def train_beyond(study: Study, notebook: str) -> None:
    """Do every training run of a notebook beyond the paper; what is done is skipped.

    Each is kept for itself in a folder below results/<run>/, so that a new question, size or seed
    trains nothing else. Histories and predictions stay there, models don't.

    Args:
        study: the settings and seeds.
        notebook: its name without the suffix.

    Raises:
        StudyError: the run's own networks aren't trained yet, or images can't be prepared.
    """
    steps = beyond_steps(study, notebook.partition("_")[2])[notebook]
    steps[-1].check_inputs(own_notebook=False)
    todo = steps_to_train({notebook: steps})
    for number, step in enumerate(todo, start=1):
        print(f"[{number}/{len(todo)}] {step.name}")
        do(step)
