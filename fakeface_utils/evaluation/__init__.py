"""Numbers: metrics, intervals, verdicts, Table 1, the paper's claims, open questions, the quiz.

Reads predictions, histories, the audit, spectra, maps and a class's answers. Writes `table1.csv`,
a table or JSON for each thing that is measured beyond the paper, and
`results/registry/` for runs that are handed in.
"""
