"""Waiting for what a run collected."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.sdk import BaseSensorOperator, Context, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout

from stock_airflow.lake import landed


class RawDataSensor(BaseSensorOperator):
    """Waits until manifests of `topic`, written since the run's data interval began, list at least one record.

    Its XCom says what they hold: `manifests`, `records`, `rejected`, `first_day` and `last_day` (UTC) of the events,
    `newest`, the newest event's time, `symbols`.
    """

    template_fields: Sequence[str] = ("topic", "since")

    def __init__(self, *, topic: str, since: str = "{{ data_interval_start.isoformat() }}", **kwargs: Any) -> None:
        super().__init__(**{"mode": "reschedule"} | kwargs)
        self.topic = topic
        self.since = since

    def execute(self, context: Context) -> Any:
        """Wait.

        Raises:
            AirflowSensorTimeout: nothing came; says where to look.
        """
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            raise AirflowSensorTimeout(
                f"no record of {self.topic} was landed since {self.since}: does the task before have records, does a "
                f"consumer of {self.topic} run, may it write to the lake? ({error})"
            ) from error

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002 - the signature is Airflow's
        """Look once."""
        found = landed(self.topic, datetime.fromisoformat(self.since))
        self.log.info("%s since %s: %s", self.topic, self.since, found)
        return PokeReturnValue(is_done=found["records"] > 0, xcom_value=found)
