"""Wrong settings are named."""

import pytest

from stock_airflow.settings import Settings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCK_DAGS_REALTIME_DEPLOYED", "True")
    found = Settings.from_environment()
    assert found.realtime_deployed is True
    assert found.namespace == "stock-market"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("STOCK_DAGS_NAMESPACES", "x", "unknown settings STOCK_DAGS_NAMESPACES; known are STOCK_DAGS_NAMESPACE, "),
        ("STOCK_DAGS_SPARK", "yarn", "STOCK_DAGS_SPARK='yarn': set it to operator or local"),
        ("STOCK_DAGS_REALTIME_DEPLOYED", "1", "STOCK_DAGS_REALTIME_DEPLOYED='1': set it to true or false"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_set(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        Settings.from_environment()
