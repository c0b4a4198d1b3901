"""Columnar state: hashes, an id index, pooled ragged lists and Kafka's placement, all vectorised."""
