"""A bucket for the DAGs' tests, by the pipeline's own environment: `.venv/bin/python bucket.py FOLDER NAME`.

Prints how to reach it as one line of JSON, nothing where there is no MinIO, and stops at the end of its input.
"""

import json
import sys
from pathlib import Path

from stockpipe.standalone.go_programs import MINIO
from stockpipe.standalone.minio import running_minio


def main() -> None:
    folder, name = sys.argv[1:]
    if MINIO.find() is None:
        return
    with running_minio(Path(folder)) as server:
        server.create_bucket(name)
        sys.stdout.write(json.dumps(server.environment(name)) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


main()
