"""A fork server, and a worker with a link, that do what their specification says, also wrongly.

Its own specification: {"serve": HOW, "say": [PACKETS]}. HOW: "well", "refuse", "swallow" (takes an order and keeps it),
"drop" (takes an order and forgets it), "stranger" (says B itself), "own" (forks a child that stays its own), "mute"
(forks a child that dies before its B), "skip" (keeps the first order, and answers the others), "busy" (computes for
four seconds before it answers the first), "leaf" (puts its child into the leaf that comes with the order), "not" (does not
say R). What is forked does the "then" of the specification it gets with its go, and so does a program without "serve".
With "wait" a program says B, after that many seconds, and does the "then" of what is in its specification after its go.
"""

import json
import os
import signal
import socket
import struct
import sys
import time


def main():
    specification = read_specification(os.dup(5))
    link = socket.socket(fileno=3)
    if "wait" in specification:
        wait(link, specification["wait"])
    if "serve" not in specification:
        run(link, specification)
    say(link, b"S" + now())
    if specification["serve"] != "not":
        say(link, b"R")
    for packet in specification.get("say", []):
        say(link, bytes.fromhex(packet))
    serve(link, specification["serve"])


def wait(link, seconds):
    say(link, b"S" + now())
    print("loaded", flush=True)
    time.sleep(seconds)
    say(link, b"B" + now() + now())
    packet, fds, _, _ = socket.recv_fds(link, 512, 8)
    if packet != b"G" or fds:
        os._exit(3)
    run(link, read_specification(5))


def now():
    return struct.pack("<Q", time.monotonic_ns())


def say(link, packet):
    try:
        link.send(packet)
    except OSError:
        pass


def read_specification(fd):
    data = os.pread(fd, 4 << 20, 0)
    (length,) = struct.unpack_from("<I", data)
    os.close(fd)
    return json.loads(data[4 : 4 + length])


def serve(link, how):
    kept = []
    while True:
        packet, fds, _, _ = socket.recv_fds(link, 512, 8)
        if not packet:
            os._exit(0)
        asked = now()
        if packet[:1] == b"U":
            say(link, b"N")
            continue
        order, fd, leaf = packet[1:17], fds[0], fds[1:]
        if how == "refuse":
            say(link, b"X" + order + struct.pack("<I", 16) + b"Thread-7, Thread-8")
        elif how == "stranger":
            say(socket.socket(fileno=os.dup(fd)), b"B" + asked + now())
        elif how == "swallow" or (how == "skip" and not kept):
            kept.append(os.dup(fd))
        elif how == "own":
            if os.fork() == 0:
                be_born(order, fd, asked)
        elif how == "mute":
            fork(lambda: os._exit(3))
        elif how == "leaf":
            fork(lambda: (enter(leaf[0]), be_born(order, fd, asked)))
        elif how == "busy" and not kept:
            kept.append(compute(4))
            fork(lambda: be_born(order, fd, asked))
        elif how != "drop":
            fork(lambda: be_born(order, fd, asked))
        for each in fds:
            os.close(each)


def compute(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return end


def fork(child):
    """The child of a child, which the subreaper inherits when that is gone."""
    middle = os.fork()
    if middle == 0:
        own = os.getpid()
        if os.fork() != 0:
            os._exit(0)
        while os.getppid() == own:
            time.sleep(0)
        child()
    os.waitpid(middle, 0)


def enter(leaf):
    procs = os.open("cgroup.procs", os.O_WRONLY, dir_fd=leaf)
    os.write(procs, b"0")
    os.close(procs)


def be_born(order, fd, asked):
    forked = now()
    os.setsid()
    write_own_id(order.hex())
    os.dup2(fd, 3)
    link = socket.socket(fileno=3)
    say(link, b"B" + asked + forked)
    try:
        packet, fds, _, _ = socket.recv_fds(link, 512, 8)
    except ConnectionError:
        os._exit(0)
    if packet != b"G":
        os._exit(0)
    for number, given in enumerate(fds[2:5]):
        os.dup2(given, number)
    os.dup2(fds[1], 4, False)
    run(link, read_specification(fds[0]))


def write_own_id(own):
    """Over the inherited one in the environment block, where others look for it."""
    fields = open("/proc/self/stat").read().rpartition(")")[2].split()
    begin, end = int(fields[47]), int(fields[48])
    with open("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(begin)
        at = memory.read(end - begin).index(b"FORKBUS_PROCESS_ID=")
        memory.seek(begin + at + 19)
        memory.write(own.encode())


def run(link, specification):
    os.environ.update(specification.get("env", {}))
    for step in specification.get("then", []):
        (verb, value), = step.items()
        if verb == "say":
            say(link, bytes.fromhex(value))
        elif verb == "now":
            say(link, value.encode() + now())
        elif verb == "error":
            say(link, b"E" + struct.pack("<II", *value))
        elif verb == "print":
            print(value, flush=True)
        elif verb == "pids":
            print(os.getpid(), os.getppid(), os.getsid(0), flush=True)
        elif verb == "files":
            print(json.dumps({n: os.readlink(f"/proc/self/fd/{n}") for n in range(6) if os.path.exists(f"/proc/self/fd/{n}")}), flush=True)
        elif verb == "copy":
            os.write(1, sys.stdin.buffer.read())
        elif verb == "result":
            os.write(4, value.encode())
        elif verb == "give":
            socket.send_fds(link, [b"R"], [0, 1])
        elif verb == "escape":
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    print(os.getpid(), flush=True)
                    time.sleep(60)
                os._exit(0)
            os.wait()
        elif verb == "threads":
            import threading

            for _ in range(value):
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            print("threads", flush=True)
        elif verb == "close":
            link.close()
        elif verb == "serve":
            say(link, b"R")
            packet = link.recv(512)
            print(packet.decode(), flush=True)
            say(link, b"N")
        elif verb == "sleep":
            time.sleep(value)
        elif verb == "signal":
            os.kill(os.getpid(), value)
            signal.pause()
        elif verb == "exit":
            os._exit(value)
    os._exit(0)


main()
