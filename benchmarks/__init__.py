"""Figures of speed, memory and error, measured with a real broker, a real Redis and real worker processes.

`python -m benchmarks [NAME...] [--quick]` prints JSON lines; `--list` says what there is.
"""
