"""Without a network rule a server reaches nothing, and is told so at once."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness import VENV, bare, boxed, call, talk

# Far below the 30 s the server itself waits for an answer.
AT_ONCE = 12


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(b"canary-of-a-local-service")

    def log_message(self, *_):
        pass


@pytest.fixture
def local_service():
    """An HTTP server on the host's loopback; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def fetch(wrap, url, home):
    command = wrap([VENV / "mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips"])
    return talk(command, call("fetch", url=url), home=home)


def test_fetch_reaches_a_local_service_only_bare(local_service, home):
    assert "canary-of-a-local-service" in fetch(bare, local_service, home).text()
    session = fetch(boxed, local_service, home)
    assert session.failed() and "canary" not in session.text()


@pytest.mark.parametrize("url", ["https://example.com/", "http://1.1.1.1/", "http://169.254.169.254/latest/meta-data/"])
def test_fetch_fails_cleanly_and_at_once(url, home):
    start = time.monotonic()
    session = fetch(boxed, url, home)
    assert session.transcript["lists"]["tools"]["result"]["tools"]
    assert session.failed() and "fetch" in session.text().lower()
    assert time.monotonic() - start < AT_ONCE
