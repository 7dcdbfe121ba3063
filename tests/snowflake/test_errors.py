"""Each failure of Snowflake has an exit code and says what to do; injected, as fakesnow knows few of them."""

import pytest
from snowflake.connector import errors

from stockpipe.common.errors import ConfigError, PipelineError, Unavailable
from stockpipe.common.warehouse.snowflake_errors import translated
from stockpipe.loader.warehouse import WarehouseUnavailable

CASES: list[tuple[errors.Error, type[PipelineError], str]] = [
    (
        errors.DatabaseError("Incorrect username or password was specified.", errno=390100, sqlstate="08001"),
        ConfigError,
        "Incorrect username or password was specified. (the password or the user is wrong: check SNOWFLAKE_USER",
    ),
    (errors.DatabaseError("JWT token is invalid. [x]", errno=390144, sqlstate="08001"), ConfigError, "RSA_PUBLIC_KEY"),
    (errors.DatabaseError("JWT token is invalid. [x]", errno=394304, sqlstate="08001"), ConfigError, "RSA_PUBLIC_KEY"),
    (
        errors.DatabaseError("Role 'X' specified in the connect string does not exist", errno=390189, sqlstate="08001"),
        ConfigError,
        "SNOWFLAKE_ROLE doesn't exist or isn't granted",
    ),
    (errors.DatabaseError("Incoming request with IP 1.2.3.4", errno=390422), ConfigError, "network policy"),
    (
        errors.OperationalError("Could not connect to host", errno=250001, sqlstate="08001"),
        Unavailable,
        "SNOWFLAKE_ACCOUNT",
    ),
    (
        errors.HttpError(msg="404 Not Found: post x.snowflakecomputing.com", errno=290404),
        Unavailable,
        "SNOWFLAKE_ACCOUNT",
    ),
    (errors.ForbiddenError(), Unavailable, "SNOWFLAKE_ACCOUNT"),
    (errors.ServiceUnavailableError(), Unavailable, "SNOWFLAKE_HOST"),
    (errors.OperationalError("Failed to upload", errno=253003), Unavailable, "network"),
    (errors.DatabaseError("Connection is closed", errno=250002, sqlstate="08003"), Unavailable, "network"),
    (
        errors.ProgrammingError(
            "SQL compilation error:\nObject 'STOCKMARKETBATCH.PUBLIC.X' does not exist or not authorized.",
            errno=2003,
            sqlstate="02000",
        ),
        ConfigError,
        "SQL compilation error: Object 'STOCKMARKETBATCH.PUBLIC.X' does not exist or not authorized. (it doesn't exist",
    ),
    (errors.ProgrammingError("does not exist, or operation cannot be performed.", errno=2043), ConfigError, "migrate"),
    (errors.ProgrammingError("Insufficient privileges to operate on schema", errno=3001), ConfigError, "grant"),
    (
        errors.ProgrammingError("No active warehouse selected", errno=606, sqlstate="57P03"),
        Unavailable,
        "SNOWFLAKE_WAREHOUSE",
    ),
    (
        errors.ProgrammingError(
            "Warehouse 'W' cannot be resumed because resource monitor 'M' has exceeded", errno=90073
        ),
        Unavailable,
        "SNOWFLAKE_WAREHOUSE",
    ),
    (errors.ProgrammingError("Warehouse 'W' is suspended.", errno=99_999), Unavailable, "SNOWFLAKE_WAREHOUSE"),
    (
        errors.ProgrammingError("SQL execution canceled", errno=604, sqlstate="57014"),
        Unavailable,
        "SNOWFLAKE_STATEMENT_SECONDS",
    ),
    (errors.ProgrammingError("Statement reached its statement or warehouse timeout", errno=630), Unavailable, "limit"),
    (errors.ProgrammingError("Statement 'x' has locked table 'T'", errno=625), Unavailable, "LOCK_SECONDS"),
    (
        errors.ProgrammingError("Numeric value 'x' is not recognized", errno=100038, sqlstate="22018"),
        PipelineError,
        "not recognized",
    ),
    (
        errors.ProgrammingError("syntax error line 1", errno=1003, sqlstate="42000"),
        PipelineError,
        "Snowflake: syntax error",
    ),
]


@pytest.mark.parametrize(("error", "kind", "text"), CASES, ids=lambda value: getattr(value, "errno", None))
def test_an_error_is_told_apart_with_its_remedy(error: errors.Error, kind: type[PipelineError], text: str) -> None:
    with pytest.raises(PipelineError) as raised, translated(WarehouseUnavailable):
        raise error
    assert type(raised.value) is (WarehouseUnavailable if kind is Unavailable else kind)
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_query_s_id_is_left_out() -> None:
    text = "000606 (57P03): 01a503b0-0401-997d-0001-0003016c457e: No active warehouse selected"
    with pytest.raises(Unavailable, match=r"^Snowflake: No active warehouse selected \("), translated():
        raise errors.ProgrammingError(text, errno=606)
