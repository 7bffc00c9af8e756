"""Is this machine ready? Ten lines before a class, each with what to do."""

from fakeface_utils.extension import Extension, later


def doctor() -> None:
    """Check this machine: Python, disk, memory, weights, a step of training, a browser."""
    later(__name__, "look.doctor")()


EXTENSION = Extension("doctor", "Is this machine ready?", commands={"doctor": doctor})
