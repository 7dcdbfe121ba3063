"""The dashboards, one module each."""

from observability.dashboards.ingestion import INGESTION
from observability.dashboards.kubernetes import KUBERNETES
from observability.dashboards.lake_and_spark import LAKE_AND_SPARK
from observability.dashboards.overview import OVERVIEW
from observability.dashboards.sources import SOURCES
from observability.dashboards.warehouse import WAREHOUSE

BOARDS = (OVERVIEW, INGESTION, LAKE_AND_SPARK, WAREHOUSE, SOURCES, KUBERNETES)
