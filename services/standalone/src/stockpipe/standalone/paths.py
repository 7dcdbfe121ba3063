"""Where things lie in a checkout of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[5]
RUNS = ROOT / ".stockpipe"
KAFKA_SPEC = ROOT / "services/standalone/kafka"
SPARK_SPEC = ROOT / "spark-apps"
KAFKA_JARS = ROOT / ".jars/kafka"
SPARK_JARS = ROOT / ".jars/spark"
JDK = ROOT / ".jars/jdk"
