"""The step that writes the quiz, which asks people what the networks were asked."""

from ..common.paths import PACKAGE, results_dir
from .beyond_artefacts import quiz_html
from .names import MODELS
from .plan import predict_step, prepare_step
from .settings import Study
from .step import Step


def compared_seed(study: Study) -> int:
    """The seed whose networks people are compared with: 0, else the run's first."""
    return 0 if 0 in study.seeds else study.seeds[0]


def quiz_step(study: Study, seed: int) -> Step:
    """The page with the images that a seed draws; needs the networks' answers on the test set."""
    compared = compared_seed(study)
    return Step(
        name="quiz",
        kind="quiz",
        notebook="04_evaluate",
        module="report/quiz.py",
        study=study,
        settings={"seed": seed, "compared": compared},
        inputs=(PACKAGE / "report" / "template" / "quiz.html.j2",),
        outputs=(quiz_html(study),),
        marker=results_dir(study.run) / ".quiz.step.json",
        after=(prepare_step(study), *(predict_step(study, model, compared) for model in MODELS)),
    )
