"""Everything that talks to Kafka: the batched Faust transport, bulk sends, topics and clients."""
