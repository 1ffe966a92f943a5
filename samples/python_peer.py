# SPDX-License-Identifier: BSL-1.0
"""The Python half of python_peer.cpp, which starts it: python_peer.py PORT"""
import struct
import sys
from multiprocessing.connection import Client
from multiprocessing.shared_memory import SharedMemory

with Client(("127.0.0.1", int(sys.argv[1])), authkey=b"secret") as conn:
    # The other side asks, this one answers.
    job = conn.recv()
    conn.send({"sorted": sorted(job["words"]), "count": len(job["words"])})

    # This one asks; what it sends and gets is plain data.
    conn.send(("factors of", 360))
    factors = conn.recv()
    product = 1
    for factor in factors:
        product *= factor
    conn.send(f"python got {factors}, the product is {product}")

    # Large data need no copy: a block of shared memory, by its name.
    block = SharedMemory(create=True, size=8 * 4)
    conn.send(block.name)
    conn.recv()
    conn.send(list(struct.unpack("4d", block.buf)))
    block.close()
    block.unlink()
