"""As much of HTTP/2 as it takes to be a nuisance: frames, heads without compression, a client on a plain socket."""

import socket
import struct

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MOST = 2**31 - 1
FRAME = 16 * 1024


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values):
    numbers = {"window": INITIAL_WINDOW}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[name], value) for name, value in values.items()))


def window_update(stream, size):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def integer(value, prefix, first=0):
    """RFC 7541 §5.1."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes([first | value])
    coded = bytearray([first | most])
    value -= most
    while value >= 128:
        coded.append(value % 128 | 128)
        value //= 128
    return bytes(coded) + bytes([value])


def text(value):
    return integer(len(value), 7) + value


def block(method, path, *fields):
    """A header block that leaves the table of the connection alone."""
    verb = {"GET": b"\x82", "POST": b"\x83"}[method]
    head = verb + b"\x86" + b"\x04" + text(path.encode()) + b"\x01" + text(b"slow.example")
    return head + b"".join(b"\x00" + text(name) + text(value) for name, value in fields)


def request(stream, method, path, *fields, end=True, block_ends=True):
    flags = (END_STREAM if end else 0) | (END_HEADERS if block_ends else 0)
    return frame(HEADERS, flags, stream, block(method, path, *fields))


def head_frames(stream, coded, end=True):
    """A header block in as many frames as it needs."""
    pieces = [coded[at : at + FRAME] for at in range(0, len(coded), FRAME)]
    frames = [frame(HEADERS if at == 0 else CONTINUATION, END_STREAM if end and at == 0 else 0, stream, piece) for at, piece in enumerate(pieces)]
    last = bytearray(frames[-1])
    last[4] |= END_HEADERS
    return b"".join(frames[:-1]) + bytes(last)


class Frames:
    """Cuts what comes into frames."""

    def __init__(self):
        self.received = bytearray()

    def feed(self, data):
        self.received += data
        while len(self.received) >= 9:
            length = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + length:
                return
            kind, flags, stream = struct.unpack_from(">BBI", self.received, 3)
            payload = bytes(self.received[9 : 9 + length])
            del self.received[: 9 + length]
            yield kind, flags, stream, payload


class Client:
    """A connection whose caller says when it reads."""

    def __init__(self, address, window=65535, receive_buffer=None):
        host, _, port = address.rpartition(":")
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(10)
        self.frames = Frames()
        self.send(PREFACE + settings(window=window))

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        """The frames of one read; none at the end. SETTINGS and PINGs are answered."""
        data = self.socket.recv(1 << 18)
        came = list(self.frames.feed(data))
        for kind, flags, _, payload in came:
            if kind in (SETTINGS, PING) and not flags & ACK:
                self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
        return came if came or data else None

    def close(self):
        self.socket.close()
