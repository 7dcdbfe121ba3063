"""Trace ids of requests to sources, after W3C Trace Context: they follow from the id that every record carries."""

import hashlib

TRACEPARENT = "traceparent"


def trace_id(fetch_id: str) -> int:
    """Return the 128-bit id of the trace that the request begins."""
    return int.from_bytes(hashlib.sha256(fetch_id.encode()).digest()[:16])


def span_id(fetch_id: str, *parts: str) -> int:
    """Return the 64-bit id of the request's own span, or of that of a later step, named by its parts."""
    return int.from_bytes(hashlib.sha256("\n".join((fetch_id, *parts)).encode()).digest()[16:24])


def traceparent(fetch_id: str) -> str:
    """Return the header `traceparent` of a record that the request brought: sampled, the request is the parent."""
    return f"00-{trace_id(fetch_id):032x}-{span_id(fetch_id):016x}-01"
