"""What commits of offsets cost the consumer's service: one per object set, none, one per message."""

from typing import Any

from confluent_kafka import Message, TopicPartition

from benchmarks.harness import Bench, Result, Target, against, paired, rarely_collected, rates
from benchmarks.kafka_paths import Lakes, Timed, topic_of
from benchmarks.quotes import fill


class _Uncommitted(Timed):
    """A Consumer whose commits are left out."""

    def commit(self, **_options: Any) -> list[TopicPartition]:
        return []


class _PerMessage(Timed):
    """A Consumer that commits each message by itself before it gives it."""

    def consume(self, most: int, seconds: float) -> list[Message]:
        messages = super().consume(most, seconds)
        for message in messages:
            if message.error() is None:
                self.commit(message=message, asynchronous=False)
        return messages


def cost(bench: Bench) -> list[Result]:
    """The service with its commits against the same with none; commits per message once, as a warning."""
    lakes = Lakes(bench, topic_of(bench))
    few = Lakes(bench, fill(bench.broker, "few", 2_000, bad_every=0))
    with rarely_collected():
        sides = {"none": lambda: lakes.land(client=_Uncommitted), "per object set": lakes.land}
        runs = paired(sides, bench.rounds)
        once = few.land(client=_PerMessage)
    says = "the service, a commit per object set / the same, commits left out"
    result = against(runs, "commit-cost", "per object set", "none", says, Target(0.95, 1.0))
    result.raw = runs
    warning = {"per message": [once], "per object set": runs["per object set"][-1:]}
    says = "the service, a commit per object set / the same with one per message, 2,000 records, once: a warning"
    return [result, Result("commit-per-message", says, rates(warning, "per object set", "per message"), raw=warning)]
