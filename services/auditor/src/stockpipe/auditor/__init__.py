"""Proves that nothing was lost or counted twice, hop by hop, and traces a row back to its source.

offsets of Kafka = raw rows + DLQ + skipped     raw_hop
raw rows = dropped, by reason + used            processed_hop
newest row of each key = warehouse row          warehouse_hop
"""
