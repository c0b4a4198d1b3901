"""The same job written for the systems that people would choose instead, and what each takes for it.

`job` says what the job is; `programs/` has it once per system, each written as that system's own documentation writes, and
`ours` with Cloutstream's parts. `python -m benchmarks.peers` measures them in turn on Apache Kafka and redis-server, and
counts a time only where what stands in Redis is right.
"""
