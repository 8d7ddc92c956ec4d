"""A daemon that answers each method as it is told: what a client makes of every fault there is, and of nonsense."""

import http.server
import os
import socketserver
import threading
import xmlrpc.client


class Status(Exception):
    """An HTTP status instead of an answer."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def do_POST(self):
        params, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.answers.get(method, xmlrpc.client.Fault(1, "UNKNOWN_METHOD"))
        if callable(answer):
            answer = answer(*params)
        if isinstance(answer, Status):
            self.send_response(answer.code, answer.reason)
            body = b"no"
        else:
            self.send_response(200)
            body = answer if isinstance(answer, bytes) else self.text_of(answer).encode()
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def text_of(answer):
        if isinstance(answer, xmlrpc.client.Fault):
            return xmlrpc.client.dumps(answer, methodresponse=True)
        return xmlrpc.client.dumps((answer,), methodresponse=True)


class FakeDaemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens on a path while in a `with`; `answers` maps methods to values, faults, statuses, bytes or functions."""

    daemon_threads = True

    def __init__(self, path):
        super().__init__(path, Handler)
        self.path, self.answers = path, {}
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def handle_error(self, request, client_address):
        """A client may go before it has read the answer."""

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()
        os.unlink(self.path)
