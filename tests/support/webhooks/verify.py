"""Verifies deliveries with the PyPI package standardwebhooks.

    verify.py < INPUT

The input is JSON: a list of deliveries, each with `secret`, `headers` and `body`. The output is JSON:
for each delivery its content, or the error as text.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def verify(delivery):
    try:
        return Webhook(delivery["secret"]).verify(delivery["body"], delivery["headers"])
    except WebhookVerificationError as error:
        return str(error)


json.dump([verify(delivery) for delivery in json.load(sys.stdin)], sys.stdout)
