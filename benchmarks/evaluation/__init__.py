"""How well labelmill does what it promises, on real votes: `python -m benchmarks.evaluation`."""
