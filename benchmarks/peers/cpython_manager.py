# SPDX-License-Identifier: BSL-1.0
# Thousand reads of a dict of CPython's Manager a second, by one process.
import time
from multiprocessing import Manager

if __name__ == "__main__":
    with Manager() as manager:
        d = manager.dict({"key": 1})
        for _ in range(200):
            d["key"]
        calls, begin = 3000, time.perf_counter()
        for _ in range(calls):
            d["key"]
        print(calls / (time.perf_counter() - begin) / 1000)
