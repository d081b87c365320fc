# SPDX-License-Identifier: Apache-2.0
"""What lies behind the proxy in test_proxy.py: proxy_target.py, in a network namespace of its own. Prints the ports, ends with stdin.

echo: gives everything back; source: sends SIZE bytes, then ends; sink: reads to the end, answers with the digest of what came;
flood: writes as fast as it can and prints nothing; the number of bytes written is what count answers.
"""
import hashlib
import socket
import sys
import threading

SIZE = 32 * 1024 * 1024
written = [0]


def pattern():
    block = bytes(range(256)) * 256
    for i in range(SIZE // len(block)):
        yield block[i % 256:] + block[:i % 256]


def echo(s):
    while True:
        data = s.recv(65536)
        if not data:
            break
        s.sendall(data)


def source(s):
    for block in pattern():
        s.sendall(block)


def sink(s):
    digest = hashlib.sha256()
    while True:
        data = s.recv(65536)
        if not data:
            break
        digest.update(data)
    s.sendall(digest.hexdigest().encode())


def flood(s):
    block = b"x" * 65536
    while True:
        written[0] += s.send(block)


def count(s):
    s.sendall(b"%d" % written[0])


def one(handler, s):
    try:
        handler(s)
        s.shutdown(socket.SHUT_WR)
        while s.recv(65536):
            pass
    except OSError:
        pass  # the other end has gone
    s.close()


def serve(handler, listener):
    while True:
        s, _ = listener.accept()
        threading.Thread(target=one, args=(handler, s), daemon=True).start()


def main():
    ports = []
    for handler in (echo, source, sink, flood, count):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        ports.append("%s=%d" % (handler.__name__, listener.getsockname()[1]))
        threading.Thread(target=serve, args=(handler, listener), daemon=True).start()
    print(" ".join(ports), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
