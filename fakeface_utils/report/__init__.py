"""What people look at: figures, tables and the page.

Reads the files of all steps; trains and predicts nothing. Writes `figures/<run>/`,
`report.html` and the pages of compared runs, `results/compare/`.
"""
