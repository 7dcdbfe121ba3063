"""Settings of the DAGs: environment variables of Airflow's pods, read once."""

import os
from dataclasses import dataclass, fields
from typing import Any, Self

PREFIX = "STOCK_DAGS_"


@dataclass(frozen=True)
class Settings:
    """`STOCK_DAGS_NAMESPACE` and so on.

    `namespace`, `release`: where the chart stock-pipeline is installed, and its release's name.
    `spark`: `operator` for SparkApplications, `local` for Spark within one pod; as the chart's `spark.mode`.
    `lake`: the lake as Airflow reaches it, `s3://<connection>@<bucket>` or `file:///folder`.
    `exchange`: ISO 10383 code of the calendar that the runs follow.
    `topic_realtime`, `topic_batch`: topics of quotes and of daily bars.
    `realtime_deployed`: producer and consumer of quotes run all the time; then DAGs collect none.
    `alertmanager_url`: where failed runs are told; empty: only in the log.
    `runbook_url`: what an alert links to; `#<dag id>` is added.
    """

    namespace: str = "stock-market"
    release: str = "stock-pipeline"
    spark: str = "operator"
    lake: str = "s3://lake@stock-market-data"
    exchange: str = "XNYS"
    topic_realtime: str = "stock-market-realtime"
    topic_batch: str = "stock-market-batch"
    realtime_deployed: bool = False
    alertmanager_url: str = ""
    runbook_url: str = "docs/airflow.md"

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings.

        Raises:
            ValueError: a variable is unknown or its value wrong.
        """
        known = {f"{PREFIX}{field.name.upper()}": field.name for field in fields(cls)}
        given = {name: text for name, text in os.environ.items() if name.startswith(PREFIX)}
        if unknown := sorted(given.keys() - known.keys()):
            raise ValueError(f"unknown settings {', '.join(unknown)}; known are {', '.join(known)}")
        values: dict[str, Any] = {known[name]: text for name, text in given.items()}
        if "realtime_deployed" in values:
            values["realtime_deployed"] = _flag("STOCK_DAGS_REALTIME_DEPLOYED", values["realtime_deployed"])
        if values.get("spark", cls.spark) not in ("operator", "local"):
            raise ValueError(f"STOCK_DAGS_SPARK={values['spark']!r}: set it to operator or local")
        return cls(**values)


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{name}={text!r}: set it to true or false")
    return text.lower() == "true"


SETTINGS = Settings.from_environment()
