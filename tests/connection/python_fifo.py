# SPDX-License-Identifier: BSL-1.0
"""python_fifo.py PATH: writes to a named pipe, then tells on standard output what it reads there."""
import struct
import sys

with open(sys.argv[1], "w") as fifo:
    fifo.write("from Python\nand more")
with open(sys.argv[1]) as fifo:
    text = fifo.read().encode()
sys.stdout.buffer.write(struct.pack("<I", len(text)) + text)
