"""A server behind the proxy: says how many bytes it was sent, and has something large to give."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = b"x" * 1_000_000


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        read = 0
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                read += len(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            read = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        body = LARGE if self.path == "/large" else f"read {read} bytes\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_HEAD = answer

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, *_):
        # The proxy gives up on connections whose client has gone: that is its business here.
        pass


class Origin:
    def __enter__(self):
        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
