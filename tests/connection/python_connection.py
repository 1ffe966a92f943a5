# SPDX-License-Identifier: BSL-1.0
"""The Python side of python_test.cpp.

    python_connection.py ROLE ADDRESS [KEY] [--modern]

ROLE is `listen`, `connect` or `adopt`. ADDRESS is host:port, @abstract, a path, or for `adopt` the
number of a socket. Without KEY there is no handshake; --modern gives a Python before 3.12 the
handshake of later ones. Frames on standard output (a length as u32, little-endian, and as many
bytes) tell the address, what the interpreter's own handshake is, and how it ended.
"""
import hmac
import os
import signal
import struct
import sys
from multiprocessing import AuthenticationError, connection


def tell(text):
    data = text.encode()
    sys.stdout.buffer.write(struct.pack("<I", len(data)) + data)
    sys.stdout.buffer.flush()


# The handshake as Python 3.12 and later have it, for those that do not.
def modern_deliver(conn, authkey, digest="sha256"):
    asked = b"{%s}" % digest.encode() + os.urandom(40)
    conn.send_bytes(b"#CHALLENGE#" + asked)
    answer = conn.recv_bytes(256)
    expected = b"{%s}" % digest.encode() + hmac.new(authkey, asked, digest).digest()
    if not hmac.compare_digest(answer, expected):
        conn.send_bytes(b"#FAILURE#")
        raise AuthenticationError("digest received was wrong")
    conn.send_bytes(b"#WELCOME#")


def modern_answer(conn, authkey):
    challenge = conn.recv_bytes(256)
    if not challenge.startswith(b"#CHALLENGE#{"):
        raise AuthenticationError("no challenge of Python 3.12 and later")
    asked = challenge[len(b"#CHALLENGE#"):]
    digest = asked[1:asked.index(b"}")].decode()
    conn.send_bytes(b"{%s}" % digest.encode() + hmac.new(authkey, asked, digest).digest())
    if conn.recv_bytes(256) != b"#WELCOME#":
        raise AuthenticationError("digest sent was rejected")


def address_of(text):
    if text.startswith("@"):
        return "\0" + text[1:]
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else text


def text_of(address):
    if isinstance(address, tuple):
        return "%s:%d" % address
    return address.replace("\0", "@") if isinstance(address, str) else address.decode()


def echo(conn):
    while True:
        message = conn.recv_bytes()
        if message == b"half, then die":
            os.write(conn.fileno(), struct.pack("!i", 1000) + b"x" * 500)
            os.kill(os.getpid(), signal.SIGKILL)
        if message == b"long form":
            os.write(conn.fileno(), struct.pack("!iQ", -1, 5) + b"short")
            continue
        conn.send_bytes(message)


def main(role, address, key=None):
    key = None if key is None else key.encode()
    try:
        if role == "listen":
            with connection.Listener(address_of(address), authkey=key) as listener:
                tell(text_of(listener.address))
                with listener.accept() as conn:
                    echo(conn)
        elif role == "connect":
            with connection.Client(address_of(address), authkey=key) as conn:
                echo(conn)
        else:
            with connection.Connection(int(address)) as conn:
                echo(conn)
    except Exception as error:
        tell(type(error).__name__)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if "--modern" in arguments:
        arguments.remove("--modern")
        connection.deliver_challenge = modern_deliver
        connection.answer_challenge = modern_answer
    main(*arguments)
