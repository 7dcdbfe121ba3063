"""Every Kafka record into the raw lake, once.

    messages -> decode -> buffer per partition -> flush: objects, DLQ, manifest -> commit

A manifest is the commit record of its offsets; whatever dies, the manifests of a partition form one chain.
"""
