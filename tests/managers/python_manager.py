# SPDX-License-Identifier: BSL-1.0
# The Python side of python_test.cpp: messages by standard input and output, see python_peer.hpp.
#
#   python_manager.py PROTOCOL serve|serve_types
#   python_manager.py PROTOCOL use|read_nested|use_types|use_shared|wait_in_get|lose_a_hold PORT
import io
import os
import queue
import signal
import struct
import sys
import threading
from multiprocessing.managers import AcquirerProxy, BaseManager, ListProxy, SyncManager
from multiprocessing.reduction import ForkingPickler


def say(text):
    data = text.encode()
    sys.stdout.buffer.write(struct.pack("<I", len(data)) + data)
    sys.stdout.buffer.flush()


class Counter:
    def __init__(self, start=0):
        self.value = start

    def add(self, n, times=1):
        self.value += n * times
        return self.value

    def fail(self):
        raise KeyError("nothing")

    def fail_strangely(self):
        raise ZeroDivisionError("division by zero")


def serve():
    jobs, ages, numbers = queue.Queue(), {"ada": 36}, [1, 2, 3]

    class Manager(BaseManager):
        pass

    Manager.register("get_queue", callable=lambda: jobs)
    Manager.register("get_dict", callable=lambda: ages, exposed=[
        "__getitem__", "__setitem__", "__len__", "__contains__", "get", "keys", "items", "update",
        "pop", "__delitem__", "__str__"])
    Manager.register("get_list", callable=lambda: numbers, exposed=[
        "__getitem__", "__setitem__", "__len__", "append", "pop", "sort", "reverse", "index"])
    sorted_numbers = [2, 3, 1]
    Manager.register("get_list_of_a_sync_manager", callable=lambda: sorted_numbers,
                     proxytype=ListProxy)
    Manager.register("Counter", Counter)
    mutex = threading.Lock()
    Manager.register("get_lock", callable=lambda: mutex, proxytype=AcquirerProxy)
    server = Manager(address=("127.0.0.1", 0), authkey=b"secret").get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    say(str(server.address[1]))
    sys.stdin.buffer.read()


def serve_types():
    server = SyncManager(address=("127.0.0.1", 0), authkey=b"secret").get_server()
    say(str(server.address[1]))
    threading.Thread(target=end_with_input, daemon=True).start()
    server.serve_forever()


def end_with_input():
    while os.read(0, 1):
        pass
    os._exit(1)


def connected(port, *names, **of_proxytype):
    """A client of a server that registers these names."""
    class Manager(BaseManager):
        pass

    for name in names:
        Manager.register(name)
    for name, proxytype in of_proxytype.items():
        Manager.register(name, proxytype=proxytype)
    manager = Manager(address=("127.0.0.1", port), authkey=b"secret")
    manager.connect()
    return manager


def use(port):
    manager = connected(port, "get_queue", "get_dict", "get_list", "get_counter")
    jobs, ages, numbers = manager.get_queue(), manager.get_dict(), manager.get_list()
    jobs.put({"job": 1})
    got = [jobs.get(timeout=5), jobs.qsize()]
    try:
        jobs.get(False)
    except queue.Empty:
        got.append("Empty")
    try:
        jobs.get(block=True, timeout=0.01)
    except queue.Empty:
        got.append("Empty")
    ages.update({"bob": 40})
    ages.__setitem__("eve", 7)
    got += [ages.keys(), ages.get("nobody"), ages.pop("eve"), str(ages), ages.copy()]
    try:
        ages.pop("eve")
    except KeyError as error:
        got.append(error.args)
    try:
        jobs.put([complex(1, 2)])
    except TypeError as error:
        got.append("builtins.complex: an object of this class" in str(error))
    numbers.append(4)
    numbers.sort(reverse=True)
    got += [str(numbers), numbers.__getitem__(-1), numbers.__len__()]
    try:
        numbers.pop(99)
    except IndexError as error:
        got.append("IndexError: " + str(error))
    say(repr(got))


def read_nested(port):
    shared = connected(port, "shared").shared()
    got = [shared.get("plain")]
    try:
        shared.get("proxy")
    except TypeError as error:
        got.append(str(error).split(":")[0])
    say(repr(got + [shared.__len__()]))


def use_types(port):
    manager = SyncManager(address=("127.0.0.1", port), authkey=b"secret")
    manager.connect()
    d = manager.dict({"a": 1})
    d["b"] = [1, 2]
    lst = manager.list([1, 2, 3])
    lst.append("x")
    cut = manager.list([0, 1, 2, 3, 4])
    cut[1:3] = ["a", "b", "c"]
    del cut[4:]
    added, doubled = cut + [5], 2 * manager.list([1])
    cut *= 2
    del cut[0]
    operators = [added, doubled, list(cut), d._callmethod("__or__", ({"b": 0},))]
    lock, event, value = manager.Lock(), manager.Event(), manager.Value("i", 5)
    with lock:
        locked = not lock.acquire(False)
    event.set()
    value.value += 1
    keys = iter(d)
    d["c"] = 3
    iterated = [list(keys), [key for key in d], next(keys, "the end"), dict(d)]
    names = manager.Namespace(x=1)
    names.y = "two"
    jobs = manager.JoinableQueue(1)
    jobs.put(1)
    jobs.get()
    jobs.task_done()
    jobs.join()
    bounded, semaphore = manager.Queue(maxsize=1), manager.Semaphore(value=2)
    bounded.put(1)
    named = manager.dict(b=2)
    named.update(x=1)
    named.update({"y": 2}, x=3)
    named.update([("z", 4)], y=5)
    keywords = [bounded.full(), [semaphore.acquire(False) for _ in range(3)], dict(named)]
    for misuse in (lambda: lst.append(1, times=2), lambda: manager.list(of=3)):
        try:
            keywords.append(misuse())
        except Exception as error:
            keywords.append("takes no keyword argument" in str(error))
    say(repr([d["b"], len(d), "a" in d, lst[0], list(lst), lst[-1], lst[1:3], lst[:-2], locked, event.wait(1), value.value,
              names.x, names.y, str(names), str(d), iterated, keywords, operators]))


def use_shared(port):
    """What callables return that gives handles to shared objects of the program."""
    manager = connected(port, "get_event", "get_value", "get_array",
                        get_lock=AcquirerProxy, get_rlock=AcquirerProxy)
    lock, rlock, event = manager.get_lock(), manager.get_rlock(), manager.get_event()
    got = [lock.acquire(False), rlock.acquire(), rlock.acquire()]
    rlock.release()
    lock.release()
    rlock.release()
    try:
        rlock.release()
    except RuntimeError:
        got.append("RuntimeError")
    event.set()
    value, array = manager.get_value(), manager.get_array()
    value.set(value.get() + 1)
    array.__setitem__(0, 10)
    got += [event.wait(1), value.get(), [array.__getitem__(i) for i in range(array.__len__())]]
    lock.acquire()
    say(repr(got))
    sys.stdin.buffer.read(1)


def wait_in_get(port):
    jobs = connected(port, "get_queue").get_queue()
    jobs.qsize()
    say("connected")
    jobs.get()


def lose_a_hold(port):
    """One thread waits on a condition when who holds it is killed. It releases the hold that it
    lost when another thread has acquired the condition."""
    manager = SyncManager(address=("127.0.0.1", port), authkey=b"secret")
    manager.connect()
    condition = manager.Condition()
    held, lost, taken_over = (threading.Event() for _ in range(3))
    got = []

    def wait():
        condition.acquire()
        held.set()
        try:
            condition.wait()
        except Exception as error:
            got.append("OwnerDiedError" in str(error))
        lost.set()
        taken_over.wait()
        condition.release()

    waiting = threading.Thread(target=wait)
    waiting.start()
    held.wait()
    readable, writable = os.pipe()
    holder = os.fork()
    if holder == 0:
        condition._tls.__dict__.clear()  # the connections are its parent's
        condition.acquire()
        os.write(writable, b"1")
        signal.pause()
    os.read(readable, 1)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    lost.wait()
    condition._callmethod("make_consistent")
    condition.acquire()
    taken_over.set()
    waiting.join()
    got.append(condition._callmethod("locked"))
    condition.release()
    got.append(condition._callmethod("locked"))
    say(repr(got))


def send_pickles_of(protocol):
    def dumps(cls, obj, _=None):
        buffer = io.BytesIO()
        cls(buffer, protocol).dump(obj)
        return buffer.getbuffer()

    ForkingPickler.dumps = classmethod(dumps)


send_pickles_of(int(sys.argv[1]))
tasks = (serve, serve_types, use, read_nested, use_types, use_shared, wait_in_get, lose_a_hold)
{task.__name__: task for task in tasks}[sys.argv[2]](*map(int, sys.argv[3:]))
