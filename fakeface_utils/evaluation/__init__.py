"""Numbers: metrics, intervals, verdicts, Table 1, the paper's claims, open questions, the quiz.

Reads predictions, histories, the audit, spectra, maps and a class's answers. Writes `table1.csv`,
and a table or JSON for each thing that is measured beyond the paper.
"""
