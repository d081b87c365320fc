# SPDX-License-Identifier: Apache-2.0
"""What a person sees: a terminal of a test's own at the end of a program, and what its bytes have drawn on it."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from appliance import BOUND_SEC

SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b([^[])", re.S)


class Picture:
    """As much of a terminal as the screen uses: the cursor, a region that scrolls, clearing. unknown: sequences that it should not have."""

    def __init__(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.top, self.bottom = 0, rows - 1
        self.history, self.unknown, self.rest = [], [], ""

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = SEQUENCE.match(text, at)
                if not found:
                    self.rest = text[at:]  # its end has not come yet
                    return
                self.obey(found)
                at = found.end()
            else:
                self.show(text[at])
                at += 1

    def show(self, letter):
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self.scroll()
        elif letter >= " ":
            self.lines[self.row][min(self.column, self.columns - 1)] = letter
            self.column += 1
        else:
            self.unknown.append(letter)

    def scroll(self):
        if self.row == self.bottom:
            self.history.append("".join(self.lines.pop(self.top)).rstrip())
            self.lines.insert(self.bottom, [" "] * self.columns)
        else:
            self.row = min(self.row + 1, self.rows - 1)

    def obey(self, found):
        numbers = [int(n) if n.isdigit() else 0 for n in (found.group(1) or "").split(";")]
        kind = found.group(2)
        if kind == "H":
            self.row = min(max(numbers[0], 1), self.rows) - 1
            self.column = max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif kind == "K":
            self.lines[self.row][self.column:] = [" "] * max(self.columns - self.column, 0)
        elif kind == "J" and numbers == [0]:
            self.lines[self.row][self.column:] = [" "] * max(self.columns - self.column, 0)
            for row in range(self.row + 1, self.rows):
                self.lines[row] = [" "] * self.columns
        elif kind == "r":
            whole = not found.group(1)
            self.top, self.bottom = (0, self.rows - 1) if whole else (numbers[0] - 1, numbers[1] - 1)
            self.row = self.column = 0
        elif not (kind == "m" or (kind in ("h", "l") and found.group(1) in ("?25", "?7"))):
            self.unknown.append(found.group(0))

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip()


class Terminal:
    """A program (words) on a terminal of so many rows and columns. With no words: the terminal alone; its name is .name."""

    def __init__(self, words=None, rows=30, columns=100):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.name = os.ttyname(slave)
        self.picture = Picture(rows, columns)
        self.bytes = b""
        self.process = None
        self.slave = slave
        if words:
            self.process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(slave)
            self.slave = None

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds=0.0):
        """Takes what is there, and waits for the first of it at most so long."""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                return
            self.bytes += data
            self.picture.feed(data.decode(errors="replace"))
            seconds = 0

    def text(self):
        self.read()
        return self.picture.text()

    def wait(self, pattern, seconds=BOUND_SEC):
        """Until what is to be seen has the pattern; the match."""
        end = time.monotonic() + seconds
        while True:
            self.read(0.1)
            found = re.search(pattern, self.picture.text(), re.M)
            if found:
                return found
            assert time.monotonic() < end, "%r is not to be seen:\n%s\nscrolled away:\n%s" % (pattern, self.picture.text(), "\n".join(self.picture.history))

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(10)
        os.close(self.master)
        if self.slave is not None:
            os.close(self.slave)
