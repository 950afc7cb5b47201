"""Somebody who just wants to be served: requests over one kept connection, 500 a second or so many, until SIGTERM.

    bystander.py ADDRESS [RATE]

It prints a line when it has had its first answer, and in the end the microseconds that each took, as JSON. A request that is
late because the one before it was late counts from when it was due; one that is late because this process was not woken in
time does not, since that is no fault of the proxy's.
"""

import json
import signal
import socket
import sys
import time

REQUEST = b"GET /hello HTTP/1.1\r\nhost: bystander.example\r\n\r\n"


def main():
    host, _, port = sys.argv[1].rpartition(":")
    every = 1 / int(sys.argv[2]) if len(sys.argv) > 2 else 0.002
    going = True

    def stop(*_):
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took, due = [], time.monotonic()
    while going:
        due += every
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
            due = time.monotonic()
        connection.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"hello\n"):
            piece = connection.recv(4096)
            if not piece:
                last = time.monotonic() - due
                raise SystemExit(f"its connection was closed after {len(took)} answers, {last:.2f} s after a request was due")
            answer += piece
        if not took:
            print("served", flush=True)
        took.append(round((time.monotonic() - due) * 1e6))
    print(json.dumps(took))


if __name__ == "__main__":
    main()
