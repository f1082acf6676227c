"""A third-party SMTP server, so that the tests do not parse mail with the project's own code.

    smtp_catcher.py [--starttls CERT KEY | --tls CERT KEY] [--auth] [--refuse REPLY]

The first line on stdout is the port on 127.0.0.1. Each further line is a mail as JSON:
`ehlo`, `mail_from`, `rcpt_tos` and `data`, the received bytes. The process exits when its stdin is
closed, so that it cannot outlive the test.
"""

import argparse
import asyncio
import json
import signal
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Catcher:
    """Accepts every mail, and prints it before replying, or refuses each recipient."""

    def __init__(self, refusal):
        self.refusal = refusal

    async def handle_RCPT(self, _server, _connection, envelope, address, _options):
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, connection, envelope):
        mail = {
            "ehlo": connection.host_name,
            "mail_from": envelope.mail_from,
            "rcpt_tos": envelope.rcpt_tos,
            "data": envelope.content.decode("utf-8", "replace"),
        }
        print(json.dumps(mail), flush=True)
        return "250 OK"


def tls_context(files):
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


async def serve(arguments):
    loop = asyncio.get_running_loop()
    starttls = tls_context(arguments.starttls)

    def connection():
        return SMTP(
            Catcher(arguments.refuse),
            # The default is looked up in DNS, which may take seconds.
            hostname="catcher.test",
            enable_SMTPUTF8=True,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_require_tls=False,
            authenticator=(lambda *_: AuthResult(success=True)) if arguments.auth else None,
            loop=loop,
        )

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=tls_context(arguments.tls))
    print(server.sockets[0].getsockname()[1], flush=True)
    # In a thread, because stdin may be a file, which an event loop cannot watch.
    await asyncio.to_thread(sys.stdin.buffer.read)


def main():
    parser = argparse.ArgumentParser()
    tls = parser.add_mutually_exclusive_group()
    tls.add_argument("--starttls", nargs=2, metavar=("CERT", "KEY"), help="refuse mail before STARTTLS")
    tls.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS from the first byte")
    parser.add_argument("--auth", action="store_true", help="let whoever signs in do so")
    parser.add_argument("--refuse", metavar="REPLY", help="reply this to each RCPT")
    # Python's handler would wait for the thread that reads stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
