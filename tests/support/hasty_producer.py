"""The real producer, whose source alphavantage is another server, and whose cool-downs last seconds, not minutes.

python hasty_producer.py URL  FLAGS OF stockpipe-producer ...
"""

import os
import sys

from stockpipe.producer import cli
from stockpipe.producer.sources import alphavantage_client, health

alphavantage_client.URL = sys.argv.pop(1)
health.COOLDOWN_SECONDS = 3.0
os.environ["ALPHA_VANTAGE_API_KEY"] = "a key of this test"
cli.main()
