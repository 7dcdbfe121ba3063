"""Topics, SCRAM users and ACLs of a Kafka without an operator, as wanted.json says; safe to repeat."""

import json
import time
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

WANTED = Path("/etc/provision/wanted.json")
PASSWORDS = Path("/etc/passwords")
WAIT_SECONDS = 300.0
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}


def connect(wanted: dict[str, Any]) -> AdminClient:
    """Return a client whose broker answers.

    Raises:
        KafkaException: it doesn't within five minutes.
    """
    admin = AdminClient(
        {
            "bootstrap.servers": wanted["bootstrap"],
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": wanted["admin"],
            "sasl.password": (PASSWORDS / "admin").read_text(),
        }
    )
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            admin.list_topics(timeout=5.0)
            return admin
        except KafkaException:
            if time.monotonic() > deadline:
                raise


def make_topics(admin: AdminClient, topics: list[dict[str, Any]]) -> None:
    """Create what is missing; of the others raise the partitions and set the configuration."""
    known = admin.list_topics(timeout=10.0).topics
    new = [NewTopic(topic["name"], topic["partitions"], 1, config=topic["config"]) for topic in topics]
    if missing := [topic for topic in new if topic.topic not in known]:
        for future in admin.create_topics(missing).values():
            future.result()
    for topic in topics:
        if topic["name"] not in known:
            continue
        if topic["partitions"] > len(known[topic["name"]].partitions):
            admin.create_partitions([NewPartitions(topic["name"], topic["partitions"])])[topic["name"]].result()
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in topic["config"].items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic["name"], incremental_configs=entries)
        admin.incremental_alter_configs([resource])[resource].result()


def make_users(admin: AdminClient, services: list[str]) -> None:
    """Give each service's user the password of its Secret."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
    upsertions: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(f"stockpipe-{name}", info, (PASSWORDS / name).read_bytes()) for name in services
    ]
    for future in admin.alter_user_scram_credentials(upsertions).values():
        future.result()


def make_acls(admin: AdminClient, rights: dict[str, list[dict[str, Any]]]) -> None:
    """Let each service's user do what is listed, and nothing else."""
    for service, acls in rights.items():
        principal = f"User:stockpipe-{service}"
        wanted = {
            AclBinding(
                _RESOURCES[acl["type"]],
                acl["name"],
                _PATTERNS[acl["patternType"]],
                principal,
                "*",
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )
            for acl in acls
            for operation in acl["operations"]
        }
        every = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type] # any name, and below any host
            ResourcePatternType.ANY,
            principal,
            None,  # type: ignore[arg-type]
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        found = set(admin.describe_acls(every).result())
        for future in admin.create_acls(list(wanted - found)).values() if wanted - found else ():
            future.result()
        superfluous = [
            AclBindingFilter(
                acl.restype,
                acl.name,
                acl.resource_pattern_type,
                acl.principal,
                acl.host,
                acl.operation,
                acl.permission_type,
            )
            for acl in found - wanted
        ]
        for removed in admin.delete_acls(superfluous).values() if superfluous else ():
            removed.result()


def main() -> None:
    """Make Kafka as wanted."""
    wanted = json.loads(WANTED.read_text())
    admin = connect(wanted)
    make_topics(admin, wanted["topics"])
    make_users(admin, list(wanted["acls"]))
    make_acls(admin, wanted["acls"])
    print(f"{len(wanted['topics'])} topics, {len(wanted['acls'])} users")


if __name__ == "__main__":
    main()
