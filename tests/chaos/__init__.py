"""Faults on purpose: real workers on Apache Kafka and redis-server, broken in every way we could think of, then recounted.

`make faults` runs the long form, `make faults ARGS="--short"` the one CI runs. Each fault is a function in one of the modules of
`faults`; all it draws comes from one seed.
"""
