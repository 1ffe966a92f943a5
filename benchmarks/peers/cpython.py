# SPDX-License-Identifier: BSL-1.0
"""CPython's multiprocessing, measured as the C++ programs measure: prints one number.

cpython.py queue BYTES MESSAGES     thousand messages a second, one producer, one consumer
cpython.py pipe BYTES MESSAGES      the same for Pipe, send and recv
cpython.py roundtrip BYTES COUNT    microseconds of put, echo and get
cpython.py listener COUNT [PATH]    microseconds of send_bytes and recv_bytes by a Client, to an echo
                                    of its own or to the one at PATH
cpython.py process COUNT METHOD     microseconds of start and join
cpython.py pool COUNT CALL          thousand tasks a second on two workers, by chunk1, chunks, imap or
                                    apply; large: GiB a second of COUNT results of 100 MiB
cpython.py pickler VALUE CALL       microseconds of pickle.dumps or pickle.loads
"""
import multiprocessing as mp
import multiprocessing.connection
import pickle
import sys
import time


def produce(q, message, count):
    for _ in range(count):
        q.put(message)


def send(connection, message, count):
    for _ in range(count):
        connection.send(message)


def echo(there, back, count):
    for _ in range(count):
        back.put(there.get())


def nothing():
    pass


def queue(size, count):
    q = mp.Queue(1024)
    p = mp.Process(target=produce, args=(q, b"x" * size, count))
    begin = time.perf_counter()
    p.start()
    for _ in range(count):
        q.get()
    elapsed = time.perf_counter() - begin
    p.join()
    return count / elapsed / 1e3


def pipe(size, count):
    reader, writer = mp.Pipe(False)
    p = mp.Process(target=send, args=(writer, b"x" * size, count))
    begin = time.perf_counter()
    p.start()
    for _ in range(count):
        reader.recv()
    elapsed = time.perf_counter() - begin
    p.join()
    return count / elapsed / 1e3


def roundtrip(size, count):
    there, back = mp.SimpleQueue(), mp.SimpleQueue()
    p = mp.Process(target=echo, args=(there, back, count))
    p.start()
    begin = time.perf_counter()
    for _ in range(count):
        there.put(b"x" * size)
        back.get()
    elapsed = time.perf_counter() - begin
    p.join()
    return elapsed / count * 1e6


def echo_all(listener):
    with listener.accept() as connection:
        try:
            while True:
                connection.send_bytes(connection.recv_bytes())
        except EOFError:
            pass


def listener(count):
    own = None
    if len(sys.argv) > 3:
        address = sys.argv[3]
    else:
        own = mp.connection.Listener(family="AF_UNIX")
        address = own.address
        p = mp.Process(target=echo_all, args=(own,))
        p.start()
    with mp.connection.Client(address) as connection:
        begin = time.perf_counter()
        for _ in range(count):
            connection.send_bytes(b"x" * 64)
            connection.recv_bytes()
        elapsed = time.perf_counter() - begin
    if own is not None:
        p.join()
    return elapsed / count * 1e6


def process(count):
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        p = mp.Process(target=nothing)
        p.start()
        p.join()
        times.append(time.perf_counter() - begin)
    return sorted(times)[count // 2] * 1e6


def square(x):
    return x * x


def large(_):
    return bytes(100 << 20)


def pool(count):
    call = sys.argv[3]
    with mp.Pool(2) as workers:
        workers.map(square, range(100))
        begin = time.perf_counter()
        if call == "chunk1":
            workers.map(square, range(count), 1)
        elif call == "chunks":
            workers.map(square, range(count))
        elif call == "imap":
            for _ in workers.imap_unordered(square, range(count)):
                pass
        elif call == "apply":
            for i in range(count):
                workers.apply(square, (i,))
        else:
            for _ in range(count):
                workers.apply(large, (0,))
        elapsed = time.perf_counter() - begin
    if call == "large":
        return count * (100 << 20) / (1 << 30) / elapsed
    return count / elapsed / 1e3


# The same as in pickle_benchmark.cpp.
VALUES = {
    "dicts": lambda: [{"id": i} for i in range(1000)],
    "records": lambda: [{"id": i, "name": "user %d" % i, "score": i * 0.5, "active": i % 2 == 0,
                         "tags": ["a", "b"]} for i in range(1000)],
    "numbers": lambda: [i * 7919 for i in range(10000)],
}


def pickler():
    value = VALUES[sys.argv[2]]()
    data = pickle.dumps(value)
    call = (lambda: pickle.dumps(value)) if sys.argv[3] == "dumps" else (lambda: pickle.loads(data))
    call()
    begin = time.perf_counter()
    for _ in range(200):
        call()
    return (time.perf_counter() - begin) / 200 * 1e6


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:] if word.isdigit()]
    mp.set_start_method(sys.argv[3] if sys.argv[1] == "process" else "fork")
    print(globals()[sys.argv[1]](*numbers))
