"""What the auditor in the cluster says."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from e2e.kube import NAMESPACE, PIPELINE
from support.waiting import eventually


@dataclass(frozen=True)
class Books:
    """The account of the whole pipeline, as JSON."""

    account: Any

    @property
    def is_settled(self) -> bool:
        """Return whether everything balances and nothing waits for the next stage."""
        live = [each for each in self.account["datasets"] if each["dataset"] != "realtime"]
        waiting = [each["waiting"] for each in (*self.account["partitions"], *live)]
        return self.account["balanced"] and not any(waiting) and not any(each["not_loaded"] for each in live)

    def raw_rows(self, topic: str) -> int:
        """Return the rows of a topic in the raw lake."""
        return sum(each["raw_rows"] for each in self.account["partitions"] if each["topic"] == topic)

    def offsets(self, topic: str) -> int:
        """Return the offsets that the brokers gave out."""
        return sum(each["offsets"] for each in self.account["partitions"] if each["topic"] == topic)

    def warehouse_rows(self, dataset: str) -> int:
        """Return the rows of a dataset that the warehouse has."""
        [found] = [each for each in self.account["datasets"] if each["dataset"] == dataset]
        return int(found["warehouse_rows"])


def books() -> Books | None:
    """Return the books; None while the auditor or what it reads can't be reached."""
    command = ("kubectl", "--namespace", NAMESPACE, "exec", f"deployment/{PIPELINE}-auditor", "--container=auditor")
    done = subprocess.run(
        (*command, "--", "stockpipe-auditor", "books", "--json"), capture_output=True, text=True, check=False
    )
    return Books(json.loads(done.stdout)) if done.stdout else None


def settled_books(seconds: float = 300.0) -> Books:
    """Return the books once they balance and nothing is on its way; the producer must have been stopped."""
    found: list[Books | None] = []

    def settled() -> bool:
        found[:] = [books()]
        return found[0] is not None and found[0].is_settled

    try:
        eventually(settled, "the books balance and nothing waits", seconds)
    except AssertionError as error:
        last = found[0].account if found and found[0] else "the auditor gave no answer"
        raise AssertionError(f"{error}: {json.dumps(last, indent=1)}") from error
    assert found[0] is not None
    return found[0]
