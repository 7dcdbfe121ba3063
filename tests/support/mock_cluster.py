"""librdkafka's mock cluster, which answers requests with errors on demand; clients connect to it over loopback."""

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path

import confluent_kafka

OFFSET_COMMIT = 8
"""API key of the request."""

_PRODUCER = 0


def _library() -> ctypes.CDLL:
    (path,) = Path(confluent_kafka.__file__).parent.with_suffix(".libs").glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(path))
    pointer = ctypes.c_void_p
    library.rd_kafka_conf_new.restype = pointer
    library.rd_kafka_new.restype = pointer
    library.rd_kafka_new.argtypes = [ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_size_t]
    library.rd_kafka_destroy.argtypes = [pointer]
    library.rd_kafka_mock_cluster_new.restype = pointer
    library.rd_kafka_mock_cluster_new.argtypes = [pointer, ctypes.c_int]
    library.rd_kafka_mock_cluster_destroy.argtypes = [pointer]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [pointer]
    library.rd_kafka_mock_topic_create.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    library.rd_kafka_mock_group_initial_rebalance_delay_ms.argtypes = [pointer, ctypes.c_int32]
    library.rd_kafka_mock_push_request_errors_array.argtypes = [
        pointer,
        ctypes.c_int16,
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_int),
    ]
    return library


class MockCluster:
    """A running mock cluster of one broker; it keeps at most 5 MiB a partition."""

    def __init__(self, library: ctypes.CDLL, cluster: int) -> None:
        self._library = library
        self._cluster = cluster
        self.bootstrap: str = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1) == 0

    def answer_with(self, api_key: int, errors: Sequence[int]) -> None:
        """Answer the next requests of this kind with these Kafka error codes, one each."""
        codes = (ctypes.c_int * len(errors))(*errors)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, api_key, len(errors), codes)


@contextlib.contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Run a mock cluster."""
    library = _library()
    text = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), text, len(text))
    assert client, text.value.decode()
    cluster = library.rd_kafka_mock_cluster_new(client, 1)
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    try:
        yield MockCluster(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)
