# SPDX-License-Identifier: MPL-2.0
"""Client and server of different API versions."""
import contextlib
import http.client
import http.server
import json
import ssl
import threading

import pytest

from miglib import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    p = Platform(tmp_path_factory.mktemp("api") / "p")
    try:
        yield p.setup().start().login()
    finally:
        p.stop()


@contextlib.contextmanager
def impostor(p):
    """A server with the platform's certificate in its place, that speaks the
    versions it is told."""
    said = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps({"error": {"code": "gone",
                                         "message": "nothing here"}}).encode()
            self.send_response(404)
            if said["versions"]:
                self.send_header("mig-api", said["versions"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET

        def log_message(self, *args):
            pass

    p.server.stop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(p.state / "tls" / "server.crt",
                            p.state / "tls" / "server.key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", p.port), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield said
    finally:
        server.shutdown()
        server.server_close()
        p.start()


def test_the_client_says_who_is_to_be_upgraded(platform):
    with impostor(platform) as said:
        for versions, words in (
                ("2-3", "speaks API version 2 to 3, this mig (0.1.0) version"
                        " 1: upgrade mig on this machine"),
                # says nothing that could be believed
                ("0-0", "nothing here"), (None, "nothing here"),
                ("junk", "nothing here"), ("0-2", "nothing here")):
            said["versions"] = versions
            for args in (["status"], ["agents"]):
                done = platform.mig(*args)
                assert done.returncode >= 2
                assert words in done.stderr, (versions, done.stderr)


def test_the_server_says_which_it_speaks(platform):
    context = ssl.create_default_context(
        cafile=platform.state / "relay" / "ca.crt")
    for path, status, words in (
            ("/api/v1/health?live=1", 200, ""),
            ("/api/v2/health", 404,
             "speaks API version 1 to 1, not 2: upgrade the server"),
            ("/api/v0/health", 404, "not 0: upgrade mig"),
            ("/api/v2", 404, "not 2: upgrade the server"),
            ("/api/v22222222222/x", 404, "there is nothing at"),
            ("/api/v2x/health", 404, "there is nothing at"),
            ("/api/health", 404, "there is nothing at")):
        c = http.client.HTTPSConnection("localhost", platform.port,
                                        context=context)
        c.request("GET", path)
        r = c.getresponse()
        body = r.read().decode()
        c.close()
        assert r.status == status, path
        assert r.headers["MIG-API"] == "1-1"
        assert words in body, body
        if "upgrade" in words:
            assert json.loads(body)["error"]["code"] == "api_version"
