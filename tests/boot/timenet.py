# SPDX-License-Identifier: Apache-2.0
"""A network of one machine of QEMU's and of one time server, by Ethernet frames on a connection (-netdev socket): no rights, no real network."""
import socket
import struct
import threading
import time

SERVER = "192.0.2.1"
MAC = "52:54:00:00:00:7b"  # of the machine's end
OURS = bytes.fromhex("525400000001")
NTP_EPOCH = 2208988800  # of 1970, in seconds since 1900


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class TimeNetwork:
    """SERVER tells the time of this machine plus ahead seconds; asked is how often."""

    def __init__(self, ahead):
        self.ahead, self.asked = ahead, 0
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.listening.listen(1)
        self.arguments = ["-netdev", "socket,id=time,connect=127.0.0.1:%d" % self.listening.getsockname()[1],
                          "-device", "virtio-net-pci,netdev=time,romfile=,mac=" + MAC]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listening.accept()
        with connection, connection.makefile("rb") as stream:
            while True:
                head = stream.read(4)
                if len(head) < 4:
                    return
                frame = stream.read(struct.unpack(">I", head)[0])
                answer = self.answer(frame)
                if answer:
                    connection.sendall(struct.pack(">I", len(answer)) + answer)

    def answer(self, frame):
        sender, kind, packet = frame[6:12], frame[12:14], frame[14:]
        if kind == b"\x08\x06" and packet[6:8] == b"\0\1" and packet[24:28] == socket.inet_aton(SERVER):
            return sender + OURS + kind + packet[:6] + b"\0\2" + OURS + packet[24:28] + packet[8:18]
        if kind == b"\x08\x00" and packet[0] == 0x45 and packet[9] == 17 and packet[22:24] == struct.pack(">H", 123):
            return sender + OURS + kind + self.datagram(packet)
        return None

    def datagram(self, packet):
        """The answer to one: server, stratum 1; the time of asking is given back as it came (RFC 5905)."""
        asked = packet[28:]
        now = time.time() + self.ahead + NTP_EPOCH
        stamp = struct.pack(">II", int(now), int(now % 1 * 2**32))
        ntp = struct.pack(">BBbb", asked[0] & 0x38 | 4, 1, asked[2], -20) + struct.pack(">II", 0, 0x10) + b"TEST" + stamp + asked[40:48] + stamp + stamp
        udp = packet[22:24] + packet[20:22] + struct.pack(">HH", 8 + len(ntp), 0) + ntp  # IPv4 lets the sum be 0: none
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + packet[16:20] + packet[12:16]
        self.asked += 1
        return ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:] + udp
