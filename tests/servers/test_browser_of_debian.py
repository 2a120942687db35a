"""A browser in the box: Debian's Chromium, headless, driven by its MCP servers with their built-in profiles.

Chromium's own sandbox cannot be made in a box, which the profile playwright explains; the box holds the browser instead.
"""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
from harness import HERE, boxed, call, talk

CHROMIUM = Path("/usr/lib/chromium/chromium")
BIN = HERE / "profiles/node_modules/.bin"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="this host has no Chromium of Debian")


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>Page</title><h1>canary of a page</h1>")

    def log_message(self, *_):
        pass


@contextmanager
def site():
    """The port of a web server on the host's loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def playwright(port, *calls, home, flags=("--no-sandbox",)):
    server = [BIN / "playwright-mcp", "--headless", "--isolated", *flags, "--executable-path", CHROMIUM]
    return talk(boxed(server, "--allow", f"localhost:{port}"), *calls, home=home)


def test_playwright_shows_pages_of_allowed_sites_only(home):
    with site() as allowed, site() as other:
        urls = [f"http://localhost:{port}/" for port in (allowed, other)]
        assert all(b"canary" in urlopen(url, timeout=10).read() for url in urls)
        session = playwright(
            allowed,
            call("browser_navigate", url=urls[0]),
            call("browser_snapshot"),
            call("browser_navigate", url=urls[1]),
            call("browser_navigate", url=f"file://{home}/.ssh/id_ed25519"),
            home=home,
        )
    assert "canary of a page" in session.text(1)
    assert "ERR_CONNECTION_REFUSED" in session.text(2) and "canary" not in session.text(2)
    assert session.failed(3) and "canary" not in session.text(3)


def test_chromiums_own_sandbox_cannot_be_made(home):
    with site() as port:
        session = playwright(port, call("browser_navigate", url=f"http://localhost:{port}/"), home=home, flags=["--sandbox"])
    assert session.failed() and "No usable sandbox" in session.text()


def test_chrome_devtools_shows_a_page(home):
    server = [BIN / "chrome-devtools-mcp", "--headless", "--isolated", "--executable-path", CHROMIUM, "--chrome-arg=--no-sandbox"]
    with site() as port:
        opened = call("new_page", url=f"http://localhost:{port}/")
        session = talk(boxed(server, "--allow", f"localhost:{port}"), opened, call("take_snapshot", pageId=2), home=home)
    assert "canary of a page" in session.text(1), session.text(0)
