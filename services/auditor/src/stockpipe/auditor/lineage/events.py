"""OpenLineage events from the commit records: who read what and wrote what, with how many rows.

They tell what was committed, so nothing that a killed program tried is in them. A run's id follows from the id of what
it committed, so a run that is told twice is the same run to whoever listens.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from stockpipe.common.contracts.manifests import ProcessedManifest, RawManifest
from stockpipe.common.contracts.tables import DATASETS, Table
from stockpipe.common.lake import layout

PRODUCER = "urn:stockpipe:auditor"
JOBS = "stockpipe"


@dataclass(frozen=True)
class Places:
    """OpenLineage namespaces: of the brokers, of the lake, of the warehouse; and the warehouse's schema."""

    kafka: str
    lake: str
    warehouse: str
    schema: str

    def table(self, table: Table) -> str:
        """Return the table's name in its namespace."""
        return f"{table.database}.{self.schema}.{table.name}"


@dataclass(frozen=True)
class Load:
    """A line of LOADED_BATCHES; `loaded_at` in text form."""

    dataset: str
    batch_id: str
    rows: int
    merged: int
    loaded_at: str


def run_id(job: str, identity: str) -> UUID:
    """Return the id of the run of `job` that committed `identity`."""
    return uuid5(NAMESPACE_URL, f"{JOBS}/{job}/{identity}")


def fetched(manifest: RawManifest, rows: Counter[str], places: Places) -> Iterator[RunEvent]:
    """Yield the requests to sources whose records the manifest holds; `rows` are its rows by fetch id."""
    for fetch_id, request in manifest.fetches.items():
        source = fetch_id.partition("-")[0]
        yield _complete(
            f"producer.{source}",
            fetch_id,
            manifest.written_at,
            [InputDataset(namespace=source, name=request or fetch_id)],
            [_written(places.kafka, manifest.topic, rows[fetch_id])],
        )


def landed(manifest: RawManifest, places: Places) -> RunEvent:
    """Return the consumer's flush: offsets of a topic's partition into the raw lake, the rest into the DLQ."""
    key = layout.raw_manifest(manifest.topic, manifest.partition, manifest.start)
    outputs = [_written(places.lake, f"raw/{manifest.topic}", manifest.records, len(manifest.objects))]
    if manifest.rejected:
        outputs.append(_written(places.kafka, f"{manifest.topic}.dlq", manifest.rejected))
    return _complete(
        f"consumer.{manifest.topic}",
        key,
        manifest.written_at,
        [_read(places.kafka, manifest.topic, manifest.end - manifest.start)],
        outputs,
    )


def processed(manifest: ProcessedManifest, places: Places) -> RunEvent:
    """Return a Spark batch or micro-batch: the stream reads Kafka, the batch jobs the raw lake."""
    streams = manifest.dataset == "realtime_live"
    namespace, prefix = (places.kafka, "") if streams else (places.lake, "raw/")
    topics = sorted({entry.topic for entry in manifest.inputs})
    beside = sorted({entry.topic for entry in manifest.also_read} - set(topics))
    inputs = [_read(namespace, f"{prefix}{topic}", manifest.rows_in) for topic in topics]
    inputs += [InputDataset(namespace=namespace, name=f"{prefix}{topic}") for topic in beside]
    dataset = DATASETS[manifest.dataset]
    output = _written(places.lake, dataset.prefix, manifest.rows_out, len(manifest.files))
    output.facets = {"schema": _schema(dataset.table)}
    return _complete(f"spark.{manifest.dataset}", manifest.batch_id, manifest.produced_at, inputs, [output])


def loaded(load: Load, places: Places) -> RunEvent:
    """Return the load of a processed batch; rows that were stale are read and not written."""
    dataset = next(each for each in DATASETS.values() if each.name == load.dataset)
    output = _written(places.warehouse, places.table(dataset.table), load.merged)
    output.facets = {"schema": _schema(dataset.table)}
    return _complete(
        f"loader.{load.dataset}",
        load.batch_id,
        load.loaded_at,
        [_read(places.lake, dataset.prefix, load.rows)],
        [output],
    )


def _complete(
    job: str, identity: str, at: str, inputs: Iterable[InputDataset], outputs: Iterable[OutputDataset]
) -> RunEvent:
    return RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=at,
        run=Run(runId=str(run_id(job, identity))),
        job=Job(namespace=JOBS, name=job),
        inputs=list(inputs),
        outputs=list(outputs),
        producer=PRODUCER,
    )


def _read(namespace: str, name: str, rows: int) -> InputDataset:
    facet = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows)
    return InputDataset(namespace=namespace, name=name, inputFacets={"inputStatistics": facet})


def _written(namespace: str, name: str, rows: int, files: int | None = None) -> OutputDataset:
    facet = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows, fileCount=files)
    return OutputDataset(namespace=namespace, name=name, outputFacets={"outputStatistics": facet})


def _schema(table: Table) -> schema_dataset.SchemaDatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name=column.name, type=column.type, description=column.meaning)
            for column in table.columns
        ]
    )
