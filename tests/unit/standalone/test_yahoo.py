"""`make demo SOURCE=yahoo` where there is no network."""

import os
import subprocess
import time

from support.programs import program_path


def test_without_a_network_the_demo_ends_in_seconds_with_one_line_and_the_remedy() -> None:
    # curl goes through this proxy, and nothing listens there.
    environment = os.environ | {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    command = [program_path("stockpipe-standalone"), "demo", "--source", "yahoo"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 3, done.stdout + done.stderr
    assert time.monotonic() - began < 40
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("stockpipe-standalone: error: source yahoo, AAPL: no answer from Yahoo: ")
    assert line.endswith("; check the network and its proxy, or run `make demo`, which needs none")
    assert done.stdout == ""
