# SPDX-License-Identifier: BSL-1.0
# The other side of shared_memory_python_test.cpp: does what each line asks and answers in a line.
#
#   read NAME          the bytes of a block, in hex        write NAME HEX   changes them
#   create SIZE        makes a block, answers its name     unlink NAME      removes its name
#   list NAME          repr of a ShareableList             set NAME I EXPR  changes an element
#   format NAME        its format                          make EXPR        makes one
import ast
import struct
import sys
from multiprocessing import resource_tracker, shared_memory

kept = []


def keep(thing):
    """Attached, or made for the other side: none of this process's tracker's business."""
    block = thing if isinstance(thing, shared_memory.SharedMemory) else thing.shm
    resource_tracker.unregister("/" + block.name, "shared_memory")
    kept.append(thing)
    return thing


def block(name):
    return keep(shared_memory.SharedMemory(name))


def shared_list(name):
    return keep(shared_memory.ShareableList(name=name))


def answer(verb, rest):
    if verb == "read":
        return bytes(block(rest).buf).hex()
    if verb == "write":
        name, text = rest.split()
        data = bytes.fromhex(text)
        block(name).buf[:len(data)] = data
        return "ok"
    if verb == "create":
        return keep(shared_memory.SharedMemory(create=True, size=int(rest))).name
    if verb == "unlink":
        shared_memory.SharedMemory(rest).unlink()
        return "ok"
    if verb == "list":
        return repr(list(shared_list(rest)))
    if verb == "format":
        return shared_list(rest).format
    if verb == "set":
        name, position, value = rest.split(" ", 2)
        shared_list(name)[int(position)] = ast.literal_eval(value)
        return "ok"
    if verb == "make":
        return keep(shared_memory.ShareableList(ast.literal_eval(rest))).shm.name
    raise ValueError(verb)


def receive():
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(struct.unpack("<I", head)[0]).decode() if head else None


while (line := receive()) is not None:
    verb, _, rest = line.partition(" ")
    try:
        text = answer(verb, rest)
    except Exception as error:
        text = type(error).__name__
    reply = text.encode("utf-8", "surrogatepass")
    sys.stdout.buffer.write(struct.pack("<I", len(reply)) + reply)
    sys.stdout.buffer.flush()
