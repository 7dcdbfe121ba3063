"""A member of a consumer group, in this process."""

import threading
from typing import Any

from stockpipe.common.lake.store import ObjectStore
from support.kafka_io import Cluster
from support.landing import build, settings_for


class Member:
    """A consumer service in a thread."""

    def __init__(self, broker: Cluster, topic: str, store: ObjectStore, name: str, **changes: Any) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.service = build(settings_for(broker, topic, **changes), store, writer=name)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.service.run(self.stop)
        except BaseException as error:
            self.error = error

    @property
    def lag(self) -> float:
        """Return the lag that the member exports."""
        (metric,) = self.service._metrics.lag.collect()
        return sum(sample.value for sample in metric.samples)

    def leave(self) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
