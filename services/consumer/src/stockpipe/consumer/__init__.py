"""Every Kafka record into the raw lake, once."""
