"""Recorded events from files into Kafka: reading, producing by Kafka's own placement, and waiting until all is published."""
