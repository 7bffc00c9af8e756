"""What people look at: figures, tables and the page.

Reads the files of all steps; trains and predicts nothing. Writes `figures/<run>/` and
`report.html`.
"""
