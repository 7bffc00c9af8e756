"""Numbers: metrics, intervals, verdicts, Table 1, the paper's claims, open questions, the quiz.

Reads predictions, histories and the audit. Writes `table1.csv`, `ablations.csv` and
`quiz.json`.
"""
