"""Why Spark failed, in one sentence for the operator."""

from stockpipe.common.errors import DataRefused, PipelineError, Unavailable
from stockpipe.spark.settings import StreamSettings

_LONGEST = 400


def stream_failure(error: BaseException, settings: StreamSettings) -> PipelineError:
    """Return what to raise for `error`, which ended the query: itself if it is one of ours."""
    if isinstance(error, PipelineError):
        return error
    text = str(error)
    if "Some data may have been lost" in text or "KAFKA_DATA_LOSS" in text:
        return DataRefused(
            f"Kafka deleted records of {settings.kafka_topic_realtime} that the stream had not read; the raw lake may "
            "have them: run spark_stream_batch_processor for these days, then start the stream with a new CHECKPOINT"
        )
    if "org.apache.kafka.common.errors.TimeoutException" in text:
        return Unavailable(
            f"Kafka at {settings.kafka_bootstrap_server} stopped answering; start again when it does, nothing is lost"
        )
    return PipelineError(f"the stream failed: {cause(error)}")


def cause(error: BaseException) -> str:
    """Return in one line what a Java stack trace in the error's text says, or else the text's first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    if not causes:
        return lines[0][:_LONGEST] if lines else type(error).__name__
    # The first one with an error class of Spark names the file or query, the last one the reason.
    named = [line.partition(": ")[2] for line in causes[:-1] if ": [" in line]
    return " ".join([*named[:1], causes[-1]])[:_LONGEST]
