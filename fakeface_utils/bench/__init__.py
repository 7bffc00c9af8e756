"""How fast the study is, on a processor and on a GPU."""
