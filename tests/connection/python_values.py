# SPDX-License-Identifier: BSL-1.0
"""The Python side of pickle_python_test.cpp.

    python_values.py connect ADDRESS KEY    sends back what it receives, until it receives None
    python_values.py listen KEY             the same, and tells its port first
    python_values.py adopt FD               sends what Python alone can make, then as connect
"""
import collections
import sys
from multiprocessing.connection import Client, Connection, Listener


def echo(conn):
    while (value := conn.recv()) is not None:
        conn.send(value)


if sys.argv[1] == "connect":
    with Client(sys.argv[2], authkey=sys.argv[3].encode()) as conn:
        echo(conn)
elif sys.argv[1] == "listen":
    with Listener(("127.0.0.1", 0), authkey=sys.argv[2].encode()) as listener:
        port = str(listener.address[1]).encode()
        sys.stdout.buffer.write(len(port).to_bytes(4, "little") + port)
        sys.stdout.buffer.flush()
        with listener.accept() as conn:
            echo(conn)
else:
    with Connection(int(sys.argv[2])) as conn:
        shared = [1, 2]
        endless = []
        endless.append(endless)
        conn.send({"job": 1, "data": [1.5, (2, b"x"), {3}, frozenset({4})], "none": None})
        conn.send([shared, shared, bytearray(b"ab")])
        for refused in (endless, 2**63, collections.OrderedDict(), range(3), 1j, ValueError("x")):
            conn.send(refused)
        conn.send("after")
        echo(conn)
