"""How fast the study is on a CPU and on a GPU: `make bench`."""
