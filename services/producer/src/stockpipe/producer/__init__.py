"""Stock quotes and daily bars from a source into Kafka."""
