# SPDX-License-Identifier: Apache-2.0
"""The socket that Incus and LXD give a container (/dev/incus/sock), as far as keys are concerned: list, values, and events by websocket."""
import base64
import hashlib
import os
import socket
import struct
import threading
import urllib.parse

import json

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class GuestSocket:
    """Serves keys at FOLDER/sock to root of the container only. set() tells who listens; chunked: values come in chunks, as long ones do in life;
    knows_states: "PATCH /1.0" is understood (what was said is in states)."""

    def __init__(self, folder, root, keys=None, chunked=False, opened=True, knows_states=True):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o755)
        self.path = os.path.join(folder, "sock")
        self.root, self.keys, self.chunked = root, dict(keys or {}), chunked
        self.requests, self.pongs, self.listeners, self.connections = [], [], [], []
        self.states, self.knows_states = [], knows_states
        self.lock = threading.Lock()
        if opened:
            self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.listen(16)
        self.thread = threading.Thread(target=self.accept, args=(self.socket,), daemon=True)
        self.thread.start()

    def accept(self, listening):
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def close(self):
        """As a manager that is restarted does it: every connection ends, and the socket goes."""
        if not os.path.exists(self.path):
            return
        os.unlink(self.path)
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)
        with self.lock:
            self.listeners = []
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.connections = []

    # --- one connection ---------------------------------------------------------------------------

    def serve(self, connection):
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        stream = connection.makefile("rb")
        try:
            while True:
                head = self.read_head(stream)
                if head is None:
                    return
                if uid != self.root:
                    self.answer(connection, 401, b"Access denied for non-root user")
                elif head[0].startswith("PATCH "):
                    self.take_state(connection, head, stream)
                elif not self.route(connection, head):
                    self.read_frames(stream)
                    return
        except OSError:
            pass

    @staticmethod
    def read_head(stream):
        lines = []
        while True:
            line = stream.readline()
            if not line:
                return None
            if line == b"\r\n":
                return lines
            lines.append(line.decode().rstrip("\r\n"))

    def take_state(self, connection, head, stream):
        fields = dict(line.split(": ", 1) for line in head[1:])
        said = json.loads(stream.read(int(fields["Content-Length"])))
        known = self.knows_states and head[0].split()[1] == "/1.0" and said in ({"state": "Started"}, {"state": "Ready"})
        self.states.append(said["state"] if known else head[0])
        self.answer(connection, 200 if known else 405, b"" if known else b"Method not allowed")

    def route(self, connection, head):
        """False: from here on it is a websocket, which begins with a ping behind the answer's last byte."""
        path = head[0].split()[1]
        self.requests.append(path)
        with self.lock:
            keys = dict(self.keys)
        if path == "/1.0/config":
            self.answer(connection, 200, json.dumps(["/1.0/config/" + key for key in keys]).encode(), chunked=False)
        elif path.startswith("/1.0/config/"):
            value = keys.get(urllib.parse.unquote(path[len("/1.0/config/"):]))
            self.answer(connection, 404 if value is None else 200, b"not found" if value is None else value.encode())
        elif path == "/1.0/events?type=config":
            fields = dict(line.split(": ", 1) for line in head[1:])
            accept = base64.b64encode(hashlib.sha1(fields["Sec-WebSocket-Key"].encode() + ACCEPT).digest())
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"\x89\x05early")
            with self.lock:
                self.listeners.append(connection)
            return False
        else:
            self.answer(connection, 404, b"not found")
        return True

    def answer(self, connection, code, body, chunked=None):
        head = b"HTTP/1.1 %d X\r\nContent-Type: application/octet-stream\r\n" % code
        if self.chunked if chunked is None else chunked:
            parts = [body[i:i + 1000] for i in range(0, len(body), 1000)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + body)
        else:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def read_frames(self, stream):
        """Those of the client: pongs, masked."""
        while True:
            head = stream.read(2)
            if len(head) < 2:
                return
            assert head[1] & 0x80, "a client's frame is masked"
            mask, payload = stream.read(4), stream.read(head[1] & 0x7f)
            if head[0] == 0x8a:
                self.pongs.append(bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)))

    # --- what the test does -----------------------------------------------------------------------

    def send(self, opcode, payload):
        length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + struct.pack(">H", len(payload))
        with self.lock:
            for listener in list(self.listeners):
                try:
                    listener.sendall(bytes([0x80 | opcode]) + length + payload)
                except OSError:  # of an engine that has become another one
                    self.listeners.remove(listener)

    def set(self, key, value):
        with self.lock:
            if value is None:
                self.keys.pop(key, None)
            else:
                self.keys[key] = value
        self.send(1, json.dumps({"type": "config", "metadata": {"key": key, "value": value or "", "old_value": ""}}).encode())
