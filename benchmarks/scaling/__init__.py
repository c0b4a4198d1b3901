"""How speed, lateness, recovery and size change with accounts, partitions, workers and skew, on Apache Kafka and redis-server.

`python -m benchmarks.scaling` measures point by point; `python -m benchmarks.sizing` makes `docs/sizing.md` and its plots.
"""
