"""What people look at: figures, tables, the page and the quiz.

Reads the files of all steps; trains and predicts nothing. Writes `figures/<run>/`,
`report.html`, `quiz.html`, the pages of compared runs, `results/compare/`, and `docs/runs.md`.
"""
