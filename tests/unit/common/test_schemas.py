"""The committed JSON Schemas and golden payloads hold the contracts to their word."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stockpipe.common.contracts.corporate_action import CorporateAction
from stockpipe.common.contracts.daily_bar import DailyBar
from stockpipe.common.contracts.decode import RecordDecoder
from stockpipe.common.contracts.quote import Quote
from stockpipe.common.contracts.topics import TopicKind

ROOT = Path(__file__).parents[3]
CONTRACTS = {"quote.v1": Quote, "daily_bar.v1": DailyBar, "corporate_action.v1": CorporateAction}
KINDS: dict[str, TopicKind] = {"quote": "realtime", "daily_bar": "batch", "corporate_action": "actions"}


def schema_text(name: str) -> str:
    return json.dumps(msgspec.json.schema(CONTRACTS[name]), indent=2) + "\n"


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_the_committed_schema_is_the_contract(name: str) -> None:
    committed = ROOT / "docs/schemas" / f"{name}.json"
    assert committed.read_text() == schema_text(name), f"write schema_text({name!r}) to {committed}"


GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_released_version_can_still_be_read(path: Path) -> None:
    golden: dict[str, Any] = json.loads(path.read_text())
    record = RecordDecoder(KINDS[golden["schema"].split(".")[0]]).decode(
        json.dumps(golden["value"]).encode(), golden["schema"], golden["appended_ms"]
    )
    assert {name: getattr(record, name) for name in golden["value"]} == golden["value"]


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_field_is_in_a_golden_payload(name: str) -> None:
    values = [
        golden["value"] for golden in (json.loads(path.read_text()) for path in GOLDEN) if golden["schema"] == name
    ]
    assert {field for value in values for field in value} == {*CONTRACTS[name].__struct_fields__}
