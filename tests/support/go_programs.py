"""Programs that `make servers` builds by Go, where there are any."""

import pytest

from stockpipe.standalone.go_programs import GoProgram


def require(program: GoProgram) -> str:
    """Return the program's path; skip the test where there is none."""
    found = program.find()
    if found is None:
        pytest.skip(
            f"{program.name} {program.version} is neither on the PATH nor built; `make servers` builds it by Go"
        )
    return str(found)
