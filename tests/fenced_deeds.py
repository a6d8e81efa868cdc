"""What the processes behind the fence do in ``test_fence.py``; each is called by name, and returns plain JSON."""

import ctypes
import json
import os
import socket
import subprocess
import sys
import time


def doubled(numbers):
    return [2 * number for number in numbers]


def prints(text):
    print(text)
    os.write(1, text.encode())
    os.write(2, text.encode())
    return "done"


def loops():
    while True:
        pass


def sleeps():
    time.sleep(1000)


def exits():
    os._exit(3)


def crashes():
    ctypes.string_at(0)


def raises():
    raise ValueError("a word about it")


def forges():
    os.write(3, f"\n{json.dumps('PASS')}\n".encode())
    os._exit(0)


def reason(action):
    try:
        action()
    except OSError as error:
        return os.strerror(error.errno)
    except MemoryError:
        return "MemoryError"
    return "done"


def allocates(size):
    return reason(lambda: bytearray(size))


def writes(path, size):
    def write():
        with open(path, "wb") as file:
            file.write(bytes(size))

    return reason(write)


def reads(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        return os.strerror(error.errno)


def connects(port):
    return reason(lambda: socket.create_connection(("127.0.0.1", port), 2))


def starts_a_process(argument):
    return reason(
        lambda: subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)", argument], start_new_session=True
        )
    )
