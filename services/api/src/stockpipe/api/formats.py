"""Tables as JSON, CSV, Arrow or Parquet, as the `Accept` header asks."""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from stockpipe.api.problems import ApiProblem

JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
TABULAR = (JSON, CSV, ARROW, PARQUET)


@lru_cache(maxsize=256)
def negotiate(accept: str, offered: tuple[str, ...] = TABULAR) -> str:
    """Return the media type of `offered` that the header `accept` likes best; of equals the first (RFC 9110 12.5.1).

    Raises:
        ApiProblem: 406, it likes none.
    """
    best, best_quality = "", 0.0
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()] or [("*/*", 1.0)]
    for media in offered:
        quality = max(
            ((_precision(pattern, media), weight) for pattern, weight in ranges if _precision(pattern, media)),
            default=(0, 0.0),
        )[1]
        if quality > best_quality:
            best, best_quality = media, quality
    if not best:
        raise ApiProblem(406, f"Accept {accept[:100]!r} admits none of {', '.join(offered)}; ask for one of them")
    return best


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip() for each in part.lower().split(";"))
    for parameter in parameters:
        key, _equals, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _precision(pattern: str, media: str) -> int:
    if pattern == media:
        return 3
    if pattern == media.partition("/")[0] + "/*":
        return 2
    return 1 if pattern == "*/*" else 0


def encode_table(table: pa.Table, media: str, about: Mapping[str, Any]) -> bytes:
    """Return the rows in this format. JSON has `about` beside its `data`; times carry the zone UTC in all of them."""
    table = _zoned(table)
    if media == JSON:
        return msgspec.json.encode({"data": table.to_pylist(), **about})
    buffer = io.BytesIO()
    if media == CSV:
        pa.csv.write_csv(_flat(table), buffer)
    elif media == ARROW:
        with pa.ipc.new_stream(buffer, table.schema) as writer:
            writer.write_table(table)
    else:
        pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _flat(table: pa.Table) -> pa.Table:
    """Make lists texts, their values apart by blanks: CSV has no lists."""
    for index, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = pc.binary_join(table[index].cast(pa.list_(pa.string())), " ")
            table = table.set_column(index, field.name, texts)
    return table


def _zoned(table: pa.Table) -> pa.Table:
    fields = [
        pa.field(field.name, pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(field.type) else field.type)
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))
