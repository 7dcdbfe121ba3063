"""Every key of the lake is made here, and taken apart here."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from urllib.parse import unquote

from stockpipe.common.contracts.manifests import DatasetName
from stockpipe.common.ids import batch_day

RAW_MANIFESTS = "raw/_manifests"
PROCESSED_MANIFESTS = "processed/_manifests"
RAW_RETENTIONS = "raw/_retained"
PROCESSED_RETENTIONS = "processed/_retained"
COMPACTIONS = "processed/_compactions"
COMPACTED = "processed/compacted"


def realtime_object(first_event: datetime, partition: int, first: int, last: int, suffix: str) -> str:
    """Return the key of raw quotes of one event hour (UTC), offsets `first` to `last` included."""
    return (
        f"raw/realtime/year={first_event:%Y}/month={first_event:%m}/day={first_event:%d}/hour={first_event:%H}/"
        f"stock_data_{first_event:%Y%m%d_%H%M}_p{partition:02d}_{first:020d}-{last:020d}.{suffix}"
    )


def historical_object(symbol: str, fetched_at: datetime, partition: int, first: int, last: int, suffix: str) -> str:
    """Return the key of the raw bars of one symbol and one fetch, offsets `first` to `last` included."""
    return (
        f"raw/historical/year={fetched_at:%Y}/month={fetched_at:%m}/day={fetched_at:%d}/"
        f"{symbol}_{fetched_at:%H%M%S}_p{partition:02d}_{first:020d}-{last:020d}.{suffix}"
    )


def actions_object(symbol: str, fetched_at: datetime, partition: int, first: int, last: int, suffix: str) -> str:
    """Return the key of the splits and dividends of one symbol and one fetch, offsets `first` to `last` included."""
    bars = historical_object(symbol, fetched_at, partition, first, last, suffix)
    return f"raw/actions/{bars.removeprefix('raw/historical/')}"


def raw_manifest_prefix(topic: str) -> str:
    """Return the prefix of all raw manifests of a topic."""
    return f"{RAW_MANIFESTS}/{topic}/"


def raw_manifest_partition_prefix(topic: str, partition: int) -> str:
    """Return the prefix of the raw manifests of a topic partition; they list in offset order."""
    return f"{raw_manifest_prefix(topic)}partition={partition:02d}/"


def raw_manifest(topic: str, partition: int, start: int) -> str:
    """Return the key of the commit record that begins at offset `start`."""
    return f"{raw_manifest_partition_prefix(topic, partition)}{start:020d}.json"


_RAW_MANIFEST = re.compile(rf"{RAW_MANIFESTS}/(?P<topic>[^/]+)/partition=(?P<partition>\d+)/(?P<start>\d{{20}})\.json")


def parse_raw_manifest(key: str) -> tuple[str, int, int] | None:
    """Return topic, partition and start offset of a raw manifest's key; None for another key."""
    match = _RAW_MANIFEST.fullmatch(key)
    return (match["topic"], int(match["partition"]), int(match["start"])) if match else None


def processed_manifest_prefix(dataset: DatasetName) -> str:
    """Return the prefix of all manifests of a dataset; they list in time order."""
    return f"{PROCESSED_MANIFESTS}/{dataset}/"


def processed_manifest_day_prefix(dataset: DatasetName, day: date) -> str:
    """Return the prefix of the manifests of the batches of one day."""
    return f"{processed_manifest_prefix(dataset)}date={day.isoformat()}/"


def processed_manifest(dataset: DatasetName, batch_id: str) -> str:
    """Return the key of a batch's manifest; its day is the one the id begins with."""
    return f"{processed_manifest_day_prefix(dataset, batch_day(batch_id))}{batch_id}.json"


def batch_of_manifest(key: str) -> str:
    """Return the batch id of a processed manifest's key."""
    return key.rpartition("/")[2].removesuffix(".json")


def raw_retention_prefix(topic: str, partition: int | None = None) -> str:
    """Return the prefix of the marks of what retention removed of a topic, or of one of its partitions."""
    prefix = f"{RAW_RETENTIONS}/{topic}/"
    return prefix if partition is None else f"{prefix}partition={partition:02d}/"


def processed_retention_prefix(dataset: DatasetName) -> str:
    """Return the prefix of the marks of what retention removed of a dataset."""
    return f"{PROCESSED_RETENTIONS}/{dataset}/"


def retention_mark(prefix: str, number: int) -> str:
    """Return the key of the mark `number` below its prefix; a higher number replaces all lower ones."""
    return f"{prefix}{number:08d}.json"


def compaction_prefix(dataset: DatasetName, day: date) -> str:
    """Return the prefix of the compaction records of batches of one day."""
    return f"{COMPACTIONS}/{dataset}/date={day.isoformat()}/"


def compacted_file(dataset: DatasetName, day: date, name: str, suffix: str, number: int) -> str:
    """Return the key of a file with the rows of many batches of one day; `suffix` is that of the attempt."""
    return f"{COMPACTED}/{dataset}/date={day.isoformat()}/part-{name}-{suffix}-{number:05d}.parquet"


def live_file(window_day: date, batch_id: str) -> str:
    """Return the key of the stream's rows of one micro-batch whose windows start on one day (UTC)."""
    return (
        f"processed/realtime_live/year={window_day:%Y}/month={window_day:%m}/day={window_day:%d}/"
        f"part-{batch_id}.parquet"
    )


def historical_folder(run_day: date) -> str:
    """Return the folder of a daily run's files.

    Named `run_date`, not `date`: readers of such folders take the folder's value for the column of that name,
    and `date` is the session date inside the files.
    """
    return f"processed/historical/run_date={run_day.isoformat()}"


REALTIME_FOLDER = "processed/realtime"
OBJECT_PREFIXES = ("raw/realtime", "raw/historical", REALTIME_FOLDER, "processed/realtime_live", "processed/historical")
"""What raw and processed objects begin with; those of compaction lie elsewhere."""


def day_prefixes(days: Iterable[date]) -> Iterator[str]:
    """Yield the prefixes of all raw and processed objects of these days."""
    for day in days:
        for prefix in OBJECT_PREFIXES[:-1]:
            yield f"{prefix}/year={day:%Y}/month={day:%m}/day={day:%d}/"
        yield f"{historical_folder(day)}/"


def symbol_of(key: str) -> str | None:
    """Return the symbol that a processed file's folder `symbol=…` names; None where the rows carry it.

    Spark writes characters such as `^` and `=` percent-encoded into folder names.
    """
    match = re.search(r"/symbol=([^/]+)/", key)
    return unquote(match[1]) if match else None


STATE = "state"
"""What programs remember: objects created once, never changed, removed when they are out of date."""
REFUSED = f"{STATE}/refused_payloads"
"""Answers of sources that couldn't be understood."""


def budget_prefix(source: str) -> str:
    """Return the prefix of a source's spent budgets."""
    return f"{STATE}/budgets/{source}/"


def budget_window_prefix(source: str, window: str) -> str:
    """Return the prefix of the blocks of calls taken in one window, e.g. `day=20261123`."""
    return f"{budget_prefix(source)}{window}/"


def budget_block(source: str, window: str, slot: int) -> str:
    """Return the key whose creation reserves one block of calls."""
    return f"{budget_window_prefix(source, window)}{slot:04d}.json"


def budget_window_day(key: str) -> str:
    """Return the day, `20261123`, of the window that a block's key is in."""
    return key.split("/")[-2].partition("=")[2][:8]


def cooldown_prefix(source: str) -> str:
    """Return the prefix of a source's cool-downs; they list by their end."""
    return f"{STATE}/cooldowns/{source}/"


def cooldown(source: str, until: str) -> str:
    """Return the key of a cool-down that ends at the instant `until`, in text form."""
    return f"{cooldown_prefix(source)}{until}.json"


def volumes_prefix(source: str) -> str:
    """Return the prefix of what a source's symbols had traded so far; they list by time."""
    return f"{STATE}/volumes/{source}/"


def volumes(source: str, at: str) -> str:
    """Return the key of the day's volumes as known at the instant `at`, in text form."""
    return f"{volumes_prefix(source)}{at}.json"


def refused_prefix(source: str) -> str:
    """Return the prefix of a source's answers that couldn't be understood; they list by day."""
    return f"{REFUSED}/{source}/"


def refused_payload(source: str, day: date, digest: str) -> str:
    """Return the key of an answer, with the digest of its body, that couldn't be understood on `day`."""
    return f"{refused_prefix(source)}{day.isoformat()}/{digest}.json"


def known_split(symbol: str, ex_date: str) -> str:
    """Return the key that says that a symbol's history has been fetched since its split of `ex_date`."""
    return f"{STATE}/splits/{symbol}/{ex_date}.json"


def empty_prefix(symbol: str) -> str:
    """Return the prefix of the sessions in which a symbol is known not to have traded."""
    return f"{STATE}/empty/{symbol}/"


def empty_session(symbol: str, day: date) -> str:
    """Return the key that says that a symbol didn't trade in the session of `day`."""
    return f"{empty_prefix(symbol)}{day.isoformat()}.json"


def delisted_prefix(symbol: str) -> str:
    """Return the prefix of the sessions since which a symbol is known to be delisted."""
    return f"{STATE}/delisted/{symbol}/"


def delisted(symbol: str, since: date) -> str:
    """Return the key that says that a symbol is delisted since the session of `since`."""
    return f"{delisted_prefix(symbol)}{since.isoformat()}.json"


def empty_minutes_prefix(symbol: str) -> str:
    """Return the prefix of the minutes in which a symbol is known not to have traded."""
    return f"{STATE}/empty_minutes/{symbol}/"


def empty_minutes(symbol: str, day: date, at: str) -> str:
    """Return the key of the minutes of `day` without a trade, as a source said at the instant `at` (text form)."""
    return f"{empty_minutes_prefix(symbol)}{day.isoformat()}/{at}.json"


BOOKS_REPORTS = f"{STATE}/books/"
"""Prefix of the reports of `stockpipe-auditor watch`; they list by time."""


def books_report(audited_at: str) -> str:
    """Return the key of the report of the audit at the instant `audited_at`, in text form."""
    return f"{BOOKS_REPORTS}{audited_at}.json"


API_KEYS = f"{STATE}/api_keys/"
"""Prefix of the keys that the API admits; one that is removed is revoked."""


def api_key(identity: str) -> str:
    """Return the key of what the API knows of the API key `identity`."""
    return f"{API_KEYS}{identity}.json"
