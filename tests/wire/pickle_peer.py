# SPDX-License-Identifier: BSL-1.0
# The other side of pickle_python_test.cpp.
#
#   pickle_peer.py echo             answers each pickle with what is in it, as canonical text, and
#                                   with a pickle of it, by all protocols in turn
#   pickle_peer.py generate SEED N  sends N pickles, each with its canonical text, takes a pickle of
#                                   the same value back and answers "equal", or what is different
import pickle
import random
import struct
import sys

PROTOCOLS = (2, 3, 4, 5)


def receive():
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(struct.unpack("<I", head)[0]) if head else None


def send(message):
    sys.stdout.buffer.write(struct.pack("<I", len(message)) + message)
    sys.stdout.buffer.flush()


def canonical(x):
    """Text that is the same for what is the same in every bit, and nothing else."""
    if x is None:
        return "N"
    if x is True or x is False:
        return "T" if x else "F"
    if isinstance(x, int):
        return "i%d" % x
    if isinstance(x, float):
        return "f" + struct.pack(">d", x).hex()
    if isinstance(x, str):
        return "s" + x.encode("utf-8", "surrogatepass").hex()
    if isinstance(x, (bytes, bytearray)):
        return "y" + bytes(x).hex()
    if isinstance(x, list):
        return "[" + ",".join(map(canonical, x)) + "]"
    if isinstance(x, tuple):
        return "(" + ",".join(map(canonical, x)) + ")"
    if isinstance(x, dict):
        return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in x.items()) + "}"
    kind = "^" if isinstance(x, frozenset) else ""
    return kind + "<" + ",".join(sorted(map(canonical, x))) + ">"


INTS = [0, 1, -1, 255, 256, 65535, 65536, -128, -129, 2**31 - 1, 2**31, -2**31, -2**31 - 1,
        2**53, 2**63 - 1, -2**63, 2**62, 127, 128, 2**39 - 1, 2**39]
FLOATS = [0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308]
TEXTS = ["", "a", "ä", "€" * 5, "\U0001f600", "\ud800", "\udfff\ud800", "\0", "x" * 14, "x" * 15,
         "y" * 255, "y" * 256, "é" * 128]


def text(rng):
    if rng.random() < 0.0005:
        return "z" * 70000
    if rng.random() < 0.3:
        return rng.choice(TEXTS)
    return "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0x3000), rng.randrange(0x110000))))
                   for _ in range(rng.randrange(20)))


def atom(rng):
    kind = rng.randrange(7)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind in (1, 2):
        return rng.choice(INTS) if rng.random() < 0.5 else rng.getrandbits(64) - 2**63
    if kind == 3:
        return rng.choice(FLOATS) if rng.random() < 0.5 else rng.uniform(-1e9, 1e9)
    if kind in (4, 5):
        return text(rng)
    return rng.randbytes(rng.choice((0, 1, 14, 15, 255, 256, rng.randrange(40))))


def key(rng, depth):
    kind = rng.randrange(8)
    if kind == 0 and depth > 0:
        return tuple(key(rng, depth - 1) for _ in range(rng.randrange(5)))
    if kind == 1 and depth > 0:
        return frozenset(key(rng, depth - 1) for _ in range(rng.randrange(5)))
    return atom(rng)


def value(rng, depth, seen):
    if seen and rng.random() < 0.1:
        return rng.choice(seen)
    kind = rng.randrange(12)
    n = rng.choice((0, 1, 2, 3, 4, 9)) if depth > 0 else 0
    if kind == 0:
        made = [value(rng, depth - 1, seen) for _ in range(n)]
    elif kind == 1:
        made = tuple(value(rng, depth - 1, seen) for _ in range(n))
    elif kind in (2, 3):
        made = {key(rng, 2): value(rng, depth - 1, seen) for _ in range(n)}
    elif kind == 4:
        made = {key(rng, 2) for _ in range(n)}
    elif kind == 5:
        made = frozenset(key(rng, 2) for _ in range(n))
    elif kind == 6:
        made = bytearray(rng.randbytes(rng.randrange(300)))
    else:
        return atom(rng)
    seen.append(made)
    return made


def echo():
    number = 0
    while (message := receive()) is not None:
        x = pickle.loads(message)
        send(canonical(x).encode())
        protocol = PROTOCOLS[number % len(PROTOCOLS)]
        send(pickle.dumps(x, protocol))
        number += 1


def generate(seed, count):
    rng = random.Random(seed)
    for number in range(count):
        x = value(rng, 3, [])
        protocol = PROTOCOLS[number % len(PROTOCOLS)]
        send(pickle.dumps(x, protocol))
        send(canonical(x).encode())
        back = canonical(pickle.loads(receive()))
        send(b"equal" if back == canonical(x) else ("%r became %s" % (x, back)).encode())


if sys.argv[1] == "echo":
    echo()
else:
    generate(int(sys.argv[2]), int(sys.argv[3]))
