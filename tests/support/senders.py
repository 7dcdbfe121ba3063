"""A sender that keeps what it is given."""

from collections.abc import Sequence

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import Record
from stockpipe.common.contracts.quote import Quote
from stockpipe.producer.sender import Sender


class Recorder(Sender):
    """In the place of Kafka, where a test is about sources."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.requests: list[str] = []
        self.flushed_at: list[int] = []

    def send(self, record: Record, request: str) -> None:
        self.records.append(record)
        self.requests.append(request)

    def poll(self) -> None:
        pass

    def flush(self) -> None:
        self.flushed_at.append(len(self.records))

    @property
    def quotes(self) -> Sequence[Quote]:
        return [record for record in self.records if isinstance(record, Quote)]

    @property
    def bars(self) -> Sequence[DailyBar]:
        return [record for record in self.records if isinstance(record, DailyBar)]

    @property
    def actions(self) -> Sequence[CorporateAction]:
        return [record for record in self.records if isinstance(record, CorporateAction)]
