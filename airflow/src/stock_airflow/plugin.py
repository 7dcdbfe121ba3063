"""What Airflow must know by name."""

from airflow.plugins_manager import AirflowPlugin

from stock_airflow.timetable import ExchangeTimetable


class StockPlugin(AirflowPlugin):
    """Registers the timetable."""

    name = "stock_airflow"
    timetables = [ExchangeTimetable]  # noqa: RUF012 - Airflow's interface
