"""`stockpipe-producer check`: does each source of the network answer?"""

from collections.abc import Sequence

from stockpipe.common import calendar, ids
from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError, Unavailable
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.sources.base import BarQuery, BarSource, Fetch
from stockpipe.producer.sources.errors import SourceError
from stockpipe.producer.sources.line import Line
from stockpipe.producer.symbols import Instrument


def check_sources(
    lines: Sequence[Line[BarSource]],
    instrument: Instrument,
    clock: Clock,
    entropy: ids.Entropy,
    metrics: ProducerMetrics,
) -> dict[str, str]:
    """Return each source's newest session of the instrument.

    Raises:
        Unavailable: a source doesn't answer, or not usably; says why and what to do.
    """
    if not lines:
        raise ConfigError("SOURCES (--sources) names no source of the network; there is nothing to check")
    now = clock.now()
    first = calendar.trailing_session(instrument.exchange, now.date(), 3)
    query = BarQuery(instrument.symbol, first, now.date(), instrument.exchange, instrument.currency)
    answers = {}
    for line in lines:
        fetch = Fetch(ids.fetch_id(line.name, now, entropy()), to_text(now), "check")
        try:
            if skip := line.skip(metrics):
                raise Unavailable(f"source {line.name} {skip[1]}")
            parsed = line.source.parse_bars(query, line.source.fetch_bars(query), fetch)
        except SourceError as error:
            line.note(error, metrics)
            raise Unavailable(
                f"source {error}; check the network and its proxy, or use SOURCES=sample, which needs none"
            ) from error
        line.note(None, metrics)
        answers[line.name] = parsed.bars[-1].date
    return answers
