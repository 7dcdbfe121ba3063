"""Sources by name, each with its budget and health."""

import os
import random
import socket
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from stockpipe.common.clock import Clock
from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.open import open_lake
from stockpipe.common.lake.store import ObjectStore
from stockpipe.common.logs import Logger
from stockpipe.common.metrics import ProducerMetrics
from stockpipe.producer.settings import NETWORK_SOURCES, SourceSettings
from stockpipe.producer.sources.alphavantage_plan import Plan, plan_named
from stockpipe.producer.sources.base import BarSource, QuoteSource
from stockpipe.producer.sources.budget import UTC_ZONE, Budget
from stockpipe.producer.sources.health import Health
from stockpipe.producer.sources.limits import Limit, parse_limits
from stockpipe.producer.sources.line import Line
from stockpipe.producer.sources.meter import Meter
from stockpipe.producer.sources.refused_payloads import RefusedPayloads
from stockpipe.producer.sources.volumes import Volumes
from stockpipe.producer.symbols import Instrument, instruments

if TYPE_CHECKING:  # the clients' libraries take a second to import
    from stockpipe.producer.sources.alphavantage_client import AlphaVantageClient
    from stockpipe.producer.sources.yahoo_client import YahooClient
    from stockpipe.producer.sources.yahoo_minutes import YahooMinutes

Guards = tuple[Health, Meter, RefusedPayloads]

BATCH_PATIENCE_SECONDS = 180.0
"""How long a batch run waits for its next call: through a full minute or two, not through a day."""


class Wiring:
    """Makes the sources of the network from the settings."""

    def __init__(self, settings: SourceSettings, clock: Clock, metrics: ProducerMetrics, log: Logger) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._log = log

    @cached_property
    def store(self) -> ObjectStore:
        """Return the lake.

        Raises:
            ConfigError: LAKE_URL is missing or wrong.
        """
        if self._settings.lake_url is None:
            names = ", ".join(name for name in self._settings.sources if name != "sample")
            raise ConfigError(
                f"source {names} needs LAKE_URL (--lake-url), the lake to replay or to keep budgets and cool-downs on"
            )
        return open_lake(self._settings)

    @cached_property
    def instruments(self) -> dict[str, Instrument]:
        """Return what to collect, by symbol.

        Raises:
            ConfigError: a symbol or its exchange is unknown.
        """
        settings = self._settings
        found = instruments(settings.symbols, settings.symbols_file, settings.asset_classes)
        return {each.symbol: each for each in found}

    @property
    def uses_network(self) -> bool:
        """Return whether any source is outside this machine."""
        return not set(self._settings.sources).isdisjoint(NETWORK_SOURCES)

    def bars(self, name: str) -> Line[BarSource]:
        """Return the network's source of daily bars of this name.

        Raises:
            ConfigError: it needs another setting.
            SourceUnavailable: its library can't be set up.
        """
        from stockpipe.producer.sources.alphavantage_bars import AlphaVantageBars
        from stockpipe.producer.sources.yahoo_bars import YahooBars

        settle = timedelta(minutes=self._settings.settle_minutes)
        if name == "yahoo":
            yahoo, guards = self._yahoo()
            return Line(name, YahooBars(yahoo, settle), *guards)
        client, plan, guards = self._alphavantage()
        return Line(name, AlphaVantageBars(client, plan, settle, self._clock), *guards)

    def minutes(self) -> "Line[YahooMinutes]":
        """Return the source of bars of one minute.

        Raises:
            ConfigError: it isn't among the sources.
            SourceUnavailable: its library can't be set up.
        """
        from stockpipe.producer.sources.yahoo_minutes import YahooMinutes

        if "yahoo" not in self._settings.sources:
            names = ",".join(self._settings.sources)
            raise ConfigError(f"SOURCES (--sources) is {names}; minutes (--minutes) come from yahoo only: add it")
        yahoo, guards = self._yahoo()
        return Line("yahoo", YahooMinutes(yahoo, self._clock), *guards)

    def quoting(self) -> list[str]:
        """Return the sources that give quotes; a free key of Alpha Vantage gives only bars, and is passed over.

        Raises:
            ConfigError: none is left.
        """
        names = list(self._settings.sources)
        if "alphavantage" in names and not plan_named(self._settings.alpha_vantage_plan).premium:
            names.remove("alphavantage")
            if not names:
                raise ConfigError(
                    "source alphavantage gives quotes only with a premium plan: set ALPHA_VANTAGE_PLAN "
                    "(--alpha-vantage-plan), or another of SOURCES (--sources)"
                )
            self._log.warning("source_without_quotes", source="alphavantage", plan=self._settings.alpha_vantage_plan)
        return names

    def quotes(self, name: str) -> Line[QuoteSource]:
        """Return the network's source of quotes of this name.

        Raises:
            ConfigError: it needs another setting or plan.
            SourceUnavailable: its library can't be set up.
        """
        from stockpipe.producer.sources.alphavantage_quotes import AlphaVantageQuotes
        from stockpipe.producer.sources.yahoo_quotes import YahooQuotes

        volumes = Volumes(name, self.store, self._log)
        if name == "yahoo":
            yahoo, guards = self._yahoo()
            return Line(name, YahooQuotes(yahoo, self.instruments, volumes, self._clock), *guards)
        client, _plan, guards = self._alphavantage()
        return Line(name, AlphaVantageQuotes(client, self.instruments, volumes, self._clock), *guards)

    def _yahoo(self) -> "tuple[YahooClient, Guards]":
        from stockpipe.producer.sources.yahoo_client import YahooClient

        guards = self._guards("yahoo", parse_limits(self._settings.yahoo_budget), UTC_ZONE)
        return YahooClient(guards[1], self._settings.yahoo_cache_folder), guards

    def _alphavantage(self) -> "tuple[AlphaVantageClient, Plan, Guards]":
        from stockpipe.producer.sources.alphavantage_client import AlphaVantageClient

        settings = self._settings
        if settings.alpha_vantage_api_key is None:
            raise ConfigError("source alphavantage needs ALPHA_VANTAGE_API_KEY or ALPHA_VANTAGE_API_KEY_FILE")
        plan = plan_named(settings.alpha_vantage_plan)
        guards = self._guards("alphavantage", plan.limits, ZoneInfo(settings.alpha_vantage_reset_zone))
        return AlphaVantageClient(settings.alpha_vantage_api_key, guards[1]), plan, guards

    def _guards(self, name: str, limits: tuple[Limit, ...], zone: ZoneInfo) -> Guards:
        rng = random.Random()  # noqa: S311 - jitter
        health = Health(name, self.store, self._clock, rng, self._metrics, self._log)
        budget = Budget(name, limits, self.store, self._clock, f"{socket.gethostname()}:{os.getpid()}", zone)
        meter = Meter(name, budget, self._metrics, BATCH_PATIENCE_SECONDS)
        return health, meter, RefusedPayloads(name, self.store, self._clock, self._log)
