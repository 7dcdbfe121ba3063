"""`stockpipe-producer gaps --minutes --fill`: quotes of the missing minutes from a source's bars of one minute."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import msgspec

from stockpipe.common import calendar, ids
from stockpipe.common.clock import Clock
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.common.times import to_text
from stockpipe.producer.minute_gaps import MinuteAccount, MinuteGap, Minutes
from stockpipe.producer.sender import Sender
from stockpipe.producer.sources.base import BarQuery, Fetch, Payload, refused_with
from stockpipe.producer.sources.errors import NoData, SourceError
from stockpipe.producer.sources.fetching import ask
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.yahoo_minutes import YahooMinutes, parse_minutes
from stockpipe.producer.symbols import Instrument


@dataclass
class MinuteFillSummary:
    """What a fill did: quotes sent by symbol, minutes without a trade, and why a symbol failed."""

    records: int = 0
    symbols: dict[str, int] = field(default_factory=dict)
    no_trade: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class MinuteFill:
    """Fetches what is missing of one symbol after the other; one that fails doesn't stop the others."""

    def __init__(
        self,
        line: Line[YahooMinutes],
        minutes: Minutes,
        sender: Sender,
        clock: Clock,
        entropy: ids.Entropy,
        rng: random.Random,
        metrics: ProducerMetrics,
        log: Logger,
    ) -> None:
        self._line = line
        self._minutes = minutes
        self._sender = sender
        self._clock = clock
        self._entropy = entropy
        self._rng = rng
        self._metrics = metrics
        self._log = log
        self.summary = MinuteFillSummary()

    def run(self, accounts: Sequence[MinuteAccount], instruments: Sequence[Instrument]) -> MinuteFillSummary:
        """Send a quote of every missing minute with a trade, and remember the minutes without one."""
        by_symbol = {each.symbol: each for each in instruments}
        for account in accounts:
            gaps = [gap for gap in account.gaps if gap.reason != "no_trade"]
            if not gaps:
                continue
            if skip := self._line.skip(self._metrics):
                self.summary.failed[account.symbol] = f"{self._line.name} {skip[1]}"
                continue
            try:
                self._fill(by_symbol[account.symbol], gaps)
            except SourceError as error:
                self.summary.failed[account.symbol] = error.reason
                self._log.warning("fetch_failed", symbol=account.symbol, detail=str(error))
        return self.summary

    def _fill(self, each: Instrument, gaps: Sequence[MinuteGap]) -> None:
        query = BarQuery(each.symbol, gaps[0].day, gaps[-1].day, each.exchange, each.currency)
        request, quotes = ask(self._line, lambda: self._fetch(query), self._clock, self._rng, self._metrics)
        for day, of_day in groupby(gaps, key=lambda gap: gap.day):
            self._fill_session(each, day_gaps := list(of_day), request, quotes)
            self._log.info("session_filled", symbol=each.symbol, day=day.isoformat(), gaps=len(day_gaps))
        self._sender.poll()

    def _fetch(self, query: BarQuery) -> tuple[str, dict[datetime, Quote]]:
        now = self._clock.now()
        fetch = Fetch(ids.fetch_id(self._line.name, now, self._entropy()), to_text(now))
        try:
            payload: Payload = self._line.source.fetch_minutes(query)
        except NoData as error:
            if not error.is_empty:
                raise
            return "", {}
        with refused_with(payload):
            return payload.request, parse_minutes(query, payload, fetch)

    def _fill_session(
        self, each: Instrument, gaps: Sequence[MinuteGap], request: str, quotes: dict[datetime, Quote]
    ) -> None:
        (session,) = calendar.sessions(each.exchange, gaps[0].day, gaps[0].day)
        expected = calendar.trading_minutes(each.exchange, session)
        missing = [minute for gap in gaps for minute in expected if gap.first <= minute <= gap.last]
        last = max((minute for minute in expected if minute in self._minutes.present[each.symbol]), default=None)
        for minute in missing:
            if (quote := quotes.get(minute)) is None:
                continue
            # The shares of earlier minutes are in the first quote after them already: volumes are growths.
            counted = last is not None and minute < last
            self._sender.send(msgspec.structs.replace(quote, volume=0) if counted else quote, request)
            self.summary.records += 1
            self.summary.symbols[each.symbol] = self.summary.symbols.get(each.symbol, 0) + 1
        if empty := [minute for minute in missing if minute not in quotes]:
            self._minutes.remember_empty(each.symbol, session.day, empty, to_text(self._clock.now()))
            self.summary.no_trade += len(empty)
