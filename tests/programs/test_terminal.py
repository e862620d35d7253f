#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Ctrl-C, Ctrl-Z, fg, bg, kill and hang-up in a real interactive shell on a pseudo-terminal, with
# terminal_job as the job: who runs, who stops, who is gone?
#
# usage: test_terminal.py DIRECTORY-OF-THE-PROGRAM
import mmap
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time

PATIENCE = 20.0


def state(pid):
    """The letter in /proc/PID/stat; '-' when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
        return text[text.rindex(")") + 2]
    except OSError:
        return "-"


def eventually(condition, limit=PATIENCE):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Terminal:
    """An interactive bash with one job in it."""

    def __init__(self, program, kind, method, guarded=False):
        self.file = tempfile.NamedTemporaryFile(prefix="multiprocessing-terminal-")
        self.file.truncate(4096)
        self.board = mmap.mmap(self.file.fileno(), 4096)
        self.hosted = kind == "server" or method == "forkserver"
        self.all = []
        self.shell, self.fd = pty.fork()
        if self.shell == 0:
            os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
        self.type("set +o history\n")
        self.drain(0.3)
        words = [program, kind, method, self.file.name] + (["guard"] if guarded else [])
        self.type(" ".join(words) + "\n")
        if not eventually(lambda: all(self.pids()) and self.running()):
            raise RuntimeError(f"the job did not start: {self.drain(0.5)}")
        self.all = self.pids()

    def beats(self):
        return struct.unpack_from("2q", self.board, 0)

    def pids(self):
        parent, server, first, second = struct.unpack_from("4i", self.board, 16)
        return [parent, server, first, second] if self.hosted else [parent, first, second]

    def interrupts(self):
        return struct.unpack_from("i", self.board, 32)[0]

    def type(self, text):
        os.write(self.fd, text.encode())

    def drain(self, seconds):
        """Reads what the terminal shows: a full one would block the shell."""
        end, text = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            if self.fd is None:
                time.sleep(left)
            elif select.select([self.fd], [], [], left)[0]:
                try:
                    text += os.read(self.fd, 65536)
                except OSError:
                    break
        return text

    def running(self):
        before = self.beats()
        self.drain(0.1)
        return all(b > a for a, b in zip(before, self.beats()))

    def still(self):
        before = self.beats()
        self.drain(0.1)
        return self.beats() == before

    def stopped(self):
        # the fork server never stops: it continues the workers with the parent
        rest = [self.all[0]] + self.all[-2:]
        return all(state(pid) == "T" for pid in rest) and self.still()

    def gone(self):
        return all(state(pid) in "-ZX" for pid in self.all)

    def hang_up(self):
        os.close(self.fd)
        self.fd = None

    def close(self):
        for pid in self.all + [self.shell]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if self.fd is not None:
            os.close(self.fd)
        os.waitpid(self.shell, 0)


failures = []


def check(name, what, holds):
    if not holds:
        failures.append(f"{name}: {what}")
        print(f"FAILED {name}: {what}", flush=True)


def run(program, kind, method):
    name = f"{kind} {method}"

    # a Process is in the foreground group, as in Python: Ctrl-C reaches it; a worker it does not
    terminal = Terminal(program, kind, method, guarded=True)
    terminal.type("\x03")
    check(name, "the guard sees Ctrl-C", eventually(lambda: terminal.interrupts() == 1))
    if kind == "server":
        check(name, "children run on after Ctrl-C under a guard", eventually(terminal.running))
    else:
        check(name, "Ctrl-C ends the Processes",
              eventually(lambda: all(state(p) in "-ZX" for p in terminal.all[-2:])))
    check(name, "the parent lives on under a guard", state(terminal.all[0]) not in "-ZX")
    terminal.close()

    terminal = Terminal(program, kind, method)
    for turn in ("fg", "bg"):
        terminal.type("\x1a")
        check(name, "Ctrl-Z stops everything", eventually(terminal.stopped))
        terminal.drain(0.2)
        terminal.type(turn + "\n")
        check(name, f"{turn} continues everything", eventually(terminal.running))
        if turn == "bg":
            terminal.drain(0.2)
            check(name, "it keeps running in the background", eventually(terminal.running))
            terminal.type("fg\n")
            terminal.drain(0.3)
            check(name, "fg after bg", eventually(terminal.running))
    terminal.type("\x03")
    check(name, "Ctrl-C ends everything", eventually(terminal.gone))
    terminal.close()

    for what, act in (
        ("Ctrl-\\ ends everything", lambda t: t.type("\x1c")),
        ("a hang-up ends everything", lambda t: t.hang_up()),
        ("SIGTERM to the parent ends everything", lambda t: os.kill(t.all[0], signal.SIGTERM)),
        ("SIGKILL to the parent ends everything", lambda t: os.kill(t.all[0], signal.SIGKILL)),
    ):
        terminal = Terminal(program, kind, method)
        act(terminal)
        check(name, what, eventually(terminal.gone))
        terminal.close()

    terminal = Terminal(program, kind, method)
    terminal.type("\x1a")
    check(name, "Ctrl-Z stops everything", eventually(terminal.stopped))
    os.kill(terminal.all[0], signal.SIGKILL)
    check(name, "a stopped job whose parent is killed ends", eventually(terminal.gone))
    terminal.close()


def main():
    found = subprocess.run(
        ["find", sys.argv[1], "-name", "terminal_job", "-type", "f", "-perm", "-u+x"],
        stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    if not found:
        sys.exit(f"no terminal_job in {sys.argv[1]}")
    signal.alarm(300)
    for kind in ("server", "process"):
        for method in ("fork", "spawn", "forkserver"):
            run(os.path.abspath(found[0]), kind, method)
    print("test_terminal: passed" if not failures else f"test_terminal: {len(failures)} failed")
    sys.exit(1 if failures else 0)


main()
