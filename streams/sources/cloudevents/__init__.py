"""CloudEvents from a Kafka topic, in structured and in binary mode."""
