"""Bytes to a checked record, or the reason why not.

The verdict depends only on the record: "future" is judged against the instant at which the broker appended it,
not against the reader's clock, so that every reader, at any time, refuses the same records.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

import msgspec

from stockpipe.common.contracts import corporate_action, daily_bar, quote
from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.fields import origins_are_good
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import HEADER_SCHEMA, TopicKind
from stockpipe.common.times import from_millis, is_instant, to_text

Record = Quote | DailyBar | CorporateAction
Reason = Literal[
    "empty_value",
    "too_large",
    "unknown_schema",
    "not_json",
    "missing_field",
    "wrong_type",
    "out_of_bounds",
    "future_time",
]

MAX_VALUE_BYTES = 64 * 1024
FUTURE_TOLERANCE = timedelta(seconds=5)


class Rejected(Exception):
    """A record that breaks its contract: goes to the DLQ with `reason` and `detail`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


@lru_cache(maxsize=4096)
def _instant_limit(second: int) -> str:
    return to_text(from_millis(second * 1000) + FUTURE_TOLERANCE)


@lru_cache(maxsize=4096)
def _date_limit(day: int) -> str:
    # An exchange east of UTC may be one calendar day ahead.
    return (from_millis(day * 86_400_000) + timedelta(days=1)).date().isoformat()


def _check_quote(record: Quote, appended_ms: int) -> None:
    if wrong := quote.fault(record):
        raise Rejected("out_of_bounds", wrong)
    # The cached whole second decides nearly always; only times after it are compared exactly.
    if record.event_time > _instant_limit(appended_ms // 1000):
        limit = to_text(from_millis(appended_ms) + FUTURE_TOLERANCE)
        if record.event_time > limit:
            raise Rejected("future_time", f"event_time {record.event_time} is after {limit}, append time + 5 s")


_EVENT_TIME = attrgetter("event_time")


def _quotes_are_good(records: Sequence[Any], appended_ms: Sequence[int]) -> bool:
    times = list(map(_EVENT_TIME, records))
    different = set(times)
    in_time = max(different) <= _instant_limit(min(appended_ms) // 1000) or all(
        time <= _instant_limit(millis // 1000) for time, millis in zip(times, appended_ms, strict=True)
    )
    return in_time and all(map(is_instant, different)) and origins_are_good(records)


def _check_bar(record: DailyBar, appended_ms: int) -> None:
    if wrong := daily_bar.fault(record):
        raise Rejected("out_of_bounds", wrong)
    limit = _date_limit(appended_ms // 86_400_000)
    if record.date > limit:
        raise Rejected("future_time", f"date {record.date} is after {limit}")


def _check_action(record: CorporateAction, appended_ms: int) -> None:  # noqa: ARG001 - an ex-date may lie ahead
    if wrong := corporate_action.fault(record):
        raise Rejected("out_of_bounds", wrong)


def _reason(error: msgspec.ValidationError) -> Reason:
    text = str(error)
    if text.startswith("Object missing required field"):
        return "missing_field"
    if ", got `" in text:
        return "wrong_type"
    return "out_of_bounds"


Check = Callable[[Any, int], None]
AreGood = Callable[[Sequence[Any], Sequence[int]], bool]


def _each(check: Check) -> AreGood:
    def are_good(records: Sequence[Any], appended_ms: Sequence[int]) -> bool:
        try:
            for record, millis in zip(records, appended_ms, strict=True):
                check(record, millis)
        except Rejected:
            return False
        return True

    return are_good


_CONTRACTS: dict[TopicKind, dict[str, tuple[msgspec.json.Decoder[Any], Check, AreGood]]] = {
    "realtime": {quote.SCHEMA: (msgspec.json.Decoder(Quote), _check_quote, _quotes_are_good)},
    "batch": {daily_bar.SCHEMA: (msgspec.json.Decoder(DailyBar), _check_bar, _each(_check_bar))},
    "actions": {corporate_action.SCHEMA: (msgspec.json.Decoder(CorporateAction), _check_action, _each(_check_action))},
}


class RecordDecoder:
    """Decodes and checks the records of one kind of topic."""

    def __init__(self, kind: TopicKind) -> None:
        self._contracts = _CONTRACTS[kind]

    def decode(self, value: bytes | None, schema: str | None, appended_ms: int) -> Record:
        """Return the checked record.

        Args:
            value: the message's value.
            schema: its `schema` header.
            appended_ms: its Kafka timestamp, milliseconds since the epoch.

        Raises:
            Rejected: the record breaks its contract.
        """
        if not value:
            raise Rejected("empty_value", "the record has no value")
        if len(value) > MAX_VALUE_BYTES:
            raise Rejected("too_large", f"{len(value)} bytes, the limit is {MAX_VALUE_BYTES}")
        contract = self._contracts.get(schema) if schema else None
        if contract is None:
            known = ", ".join(self._contracts)
            raise Rejected("unknown_schema", f"header {HEADER_SCHEMA}={schema!r}, this topic carries {known}")
        decoder, check, _are_good = contract
        try:
            record: Record = decoder.decode(value)
        except msgspec.ValidationError as error:
            raise Rejected(_reason(error), str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Rejected("not_json", str(error)) from None
        check(record, appended_ms)
        return record

    def decode_together(self, values: Sequence[bytes], schema: str, appended_ms: Sequence[int]) -> list[Record] | None:
        """Return the checked records of messages of one schema, or None: then decode them one by one.

        It takes two thirds of the time of `decode` for each, and finds the same records good.

        Args:
            values: the messages' values, at least one, none of them empty.
            schema: the `schema` header that all of them have.
            appended_ms: their Kafka timestamps, milliseconds since the epoch.
        """
        contract = self._contracts.get(schema)
        if contract is None or max(map(len, values)) > MAX_VALUE_BYTES:
            return None
        decoder, _check, are_good = contract
        try:
            records = list(map(decoder.decode, values))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return records if are_good(records, appended_ms) else None


def common_schema(headers: Iterable[Sequence[tuple[str, bytes | None]]]) -> str | None:
    """Return the schema that the first header of each of these records tells, as the producer writes them, or None."""
    firsts = [each[0] if each else None for each in headers]
    first = firsts[0]
    return None if first is None or firsts.count(first) < len(firsts) else schema_header([first])


def schema_header(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Return the value of the `schema` header, None if it is absent or not text."""
    for name, value in headers:
        if name == HEADER_SCHEMA and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None
