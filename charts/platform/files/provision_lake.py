"""The bucket, and for each service a user with a policy of its own, as wanted.json says; safe to repeat."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.error import MinioException
from minio.minioadmin import MinioAdmin
from urllib3.exceptions import HTTPError

WANTED = Path("/etc/provision/wanted.json")
PASSWORDS = Path("/etc/passwords")
WAIT_SECONDS = 300.0


def policy(bucket: str, rights: list[dict[str, list[str]]]) -> dict[str, Any]:
    """Return an IAM policy: to list the bucket, and what `rights` say of its keys."""
    listing = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
        "Resource": [f"arn:aws:s3:::{bucket}"],
    }
    keys = [
        {
            "Effect": "Allow",
            "Action": right["actions"],
            "Resource": [f"arn:aws:s3:::{bucket}/{key}" for key in right["keys"]],
        }
        for right in rights
    ]
    return {"Version": "2012-10-17", "Statement": [listing, *keys]}


def make_bucket(client: Minio, bucket: str) -> None:
    """Create the bucket, unless it is there, once the server answers.

    Raises:
        MinioException, HTTPError: it doesn't within five minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket)
            return
        except (MinioException, HTTPError):
            if time.monotonic() > deadline:
                raise
            time.sleep(2.0)


def main() -> None:
    """Make the lake as wanted."""
    wanted = json.loads(WANTED.read_text())
    url = urlsplit(wanted["endpoint"])
    secure = url.scheme == "https"
    password = (PASSWORDS / "admin").read_text()
    make_bucket(Minio(url.netloc, "root", password, secure=secure, region=wanted["region"]), wanted["bucket"])
    admin = MinioAdmin(endpoint=url.netloc, credentials=StaticProvider("root", password), secure=secure)
    for service, rights in wanted["rights"].items():
        name = f"stockpipe-{service}"
        admin.user_add(name, (PASSWORDS / service).read_text())
        admin.policy_add(name, policy=policy(wanted["bucket"], rights))
        admin.policy_set(name, user=name)
    print(f"bucket {wanted['bucket']}, {len(wanted['rights'])} users")


if __name__ == "__main__":
    main()
