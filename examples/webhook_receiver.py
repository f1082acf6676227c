#!/usr/bin/env python3
"""Receives webhooks of countersign, with the standard library only.

    WEBHOOK_SECRET=whsec_... PORT=9000 python3 webhook_receiver.py

It verifies the signature of each delivery (Standard Webhooks 1.0) and acts on `request.approved`. Run it
behind a server with HTTPS: countersign sends only to https URLs on port 443, unless `webhooks.allow` has its
network. Deliveries are at least once, so an event that was seen before is ignored.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

# How far the clocks of both servers can differ, in seconds.
TOLERANCE = 300
# Deliveries are much smaller.
MAX_BODY = 65_536


def is_genuine(secret, headers, body, now):
    """Whether countersign has sent this body, and not long ago."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent_at = headers.get("webhook-timestamp", "")
    if not (sent_at.isdigit() and sent_at.isascii()) or abs(now - int(sent_at)) > TOLERANCE:
        return False
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # For a day after the secret was rotated there are two signatures.
    signatures = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures)


class Receiver(BaseHTTPRequestHandler):
    secret = os.environ.get("WEBHOOK_SECRET", "")
    # Store them in your database, in the transaction that handles the event.
    seen = set()

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not is_genuine(self.secret, self.headers, body, time.time()):
            return self.answer(401)
        event_id = self.headers["webhook-id"]
        if event_id not in self.seen:
            self.handle_event(json.loads(body))
            # Only now: if handling fails, countersign sends the event again.
            self.seen.add(event_id)
        self.answer(204)

    def handle_event(self, event):
        if event["type"] == "request.approved":
            print("approved:", json.dumps(event["data"]), flush=True)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    if not Receiver.secret.startswith("whsec_"):
        raise SystemExit("set WEBHOOK_SECRET to the secret of the webhook")
    server = HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
