"""A run on damaged test images: tables and figures."""

from ..study.settings import Study


def section(study: Study) -> str:
    """The report's section as HTML; '' where it wasn't measured."""
    return ""
