"""Stock quotes and daily bars from a source into Kafka.

A source answers a query in steps, query -> fetch -> parse; the services ask, the sender writes to Kafka.
"""
