"""The origin behind the proxy, a process of its own. It prints its address and serves HTTP/1.1 until it is ended.

    /hello      a few bytes
    /bytes/N    N bytes, as fast as they are taken
    /bytes/N/M  the same, M at a time
    /sink       takes a body of known length, then answers
    /stall      never reads a body and never answers

Heads are read only as far as this needs: what comes here has been through the proxy.
"""

import asyncio
import re

CHUNK = bytes(256 * 1024)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HELLO = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nhello\n"

# Nothing else refers to a connection that nobody reads from: it would be collected, and so be closed.
STALLED = set()


class Origin(asyncio.Protocol):
    """One connection of the proxy."""

    def connection_made(self, transport):
        self.transport, self.received = transport, bytearray()
        self.owed, self.awaited = 0, 0

    def data_received(self, data):
        if self.awaited:
            self.take(len(data))
            return
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head, rest = bytes(self.received[:end]), len(self.received) - end - 4
            del self.received[: end + 4]
            if self.serve(head, rest):
                return

    def serve(self, head, rest):
        """Does what a request asks for; is what follows its head a body?"""
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/bytes/"):
            size, _, piece = path[7:].partition(b"/")
            self.owed, self.piece = int(size), min(int(piece or len(CHUNK)), len(CHUNK))
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % self.owed)
            self.pump()
        elif path == b"/sink":
            self.received.clear()
            self.awaited = int(LENGTH.search(head)[1])
            self.take(rest)
            return True
        elif path == b"/stall":
            self.transport.pause_reading()
            STALLED.add(self)
            return True
        else:
            self.transport.write(HELLO)
        return False

    def take(self, length):
        self.awaited -= length
        if self.awaited == 0:
            self.transport.write(HELLO)

    def pump(self):
        self.blocked = False
        while self.owed and not self.blocked and not self.transport.is_closing():
            piece = min(self.owed, self.piece)
            self.owed -= piece
            self.transport.write(memoryview(CHUNK)[:piece])

    def connection_lost(self, _):
        STALLED.discard(self)

    def pause_writing(self):
        self.blocked = True

    def resume_writing(self):
        self.pump()


async def main():
    server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", 0, backlog=4096)
    print("%s:%d" % server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
