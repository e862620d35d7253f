#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# Connections between C++ and Python: Listener and Client of either, with and without a key, at
# addresses of every kind; messages arrive whole, and a wrong key opens nothing.
#
# usage: test_python_connections.py BUILD-DIRECTORY
import hmac
import os
import signal
import subprocess
import sys
import tempfile
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener

PATIENCE = 60
PEER = os.path.join(sys.argv[1], "tests", "programs", "connection_peer")
LENGTHS = (0, 1, 4096, 70_000, 3_000_000)
REFUSED = 3  # the peer's status after an AuthenticationError


def start_peer(*words):
    return subprocess.Popen([PEER, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def finish(peer, expected):
    try:
        _, errors = peer.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        peer.kill()
        raise
    assert peer.returncode == expected, f"status {peer.returncode}, not {expected}: {errors}"


def python_address(text):
    """What Python calls an address that the peer printed."""
    if text.startswith("@"):
        return "\0" + text[1:]
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else text


def peer_address(address):
    """And the other way round."""
    if isinstance(address, tuple):
        return f":{address[1]}"
    return os.fsdecode(address).replace("\0", "@")


def converse(connection):
    for length in LENGTHS:
        message = os.urandom(length)
        connection.send_bytes(message)
        assert connection.recv_bytes() == message[::-1], f"{length} bytes were changed"


def python_client(address, peers_key, key):
    """Returns whether Python was let in."""
    words = [peers_key] if peers_key is not None else []
    peer = start_peer("listen", address, *words)
    place = python_address(peer.stdout.readline().rstrip("\n"))
    try:
        with Client(place, authkey=key and key.encode()) as connection:
            converse(connection)
        finish(peer, 0)
        return True
    except AuthenticationError:
        finish(peer, REFUSED)
        return False


def python_listener(address, peers_key, key):
    """Returns whether Python let the peer in."""
    words = [peers_key] if peers_key is not None else []
    with Listener(address, authkey=key and key.encode()) as listener:
        peer = start_peer("connect", peer_address(listener.address), *words)
        try:
            with listener.accept() as connection:
                try:
                    while True:
                        connection.send_bytes(connection.recv_bytes()[::-1])
                except EOFError:
                    pass
            finish(peer, 0)
            return True
        except AuthenticationError:
            finish(peer, REFUSED)
            return False


def answer_as_later_python_does(connection, key, digest):
    """The handshake since 3.12: the message and the answer begin with the digest's name."""
    message = connection.recv_bytes(256)
    assert message.startswith(b"#CHALLENGE#{sha256}")
    message = message[len(b"#CHALLENGE#"):]
    connection.send_bytes(b"{sha256}" + hmac.digest(key, message, "sha256"))
    assert connection.recv_bytes(256) == b"#WELCOME#"
    challenge = b"{%s}" % digest + os.urandom(40)
    connection.send_bytes(b"#CHALLENGE#" + challenge)
    expected = b"{%s}" % digest + hmac.digest(key, challenge, digest.decode())
    assert connection.recv_bytes(256) == expected
    connection.send_bytes(b"#WELCOME#")


def later_python_client(digest):
    peer = start_peer("listen", ":0", "key")
    with Client(python_address(peer.stdout.readline().rstrip("\n"))) as connection:
        answer_as_later_python_does(connection, b"key", digest)
        converse(connection)
    finish(peer, 0)


def main():
    signal.alarm(4 * PATIENCE)
    with tempfile.TemporaryDirectory(prefix="multiprocessing-python-") as folder:
        name = f"multiprocessing-python-{os.getpid()}"
        for kind, ours, theirs in (
            ("path", f"{folder}/ours", f"{folder}/theirs"),
            ("abstract", f"@{name}-ours", f"\0{name}-theirs"),
            ("tcp", ":0", ("127.0.0.1", 0)),
        ):
            for key in (None, "secret", "k" * 200):
                assert python_client(ours, key, key), (kind, key)
                assert python_listener(theirs, key, key), (kind, key)
            assert not python_client(ours, "secret", "other"), kind
            assert not python_listener(theirs, "secret", "other"), kind
            print(f"{kind}: right keys, wrong keys, no keys")
    for digest in (b"sha256", b"sha384", b"sha3_256", b"md5"):
        later_python_client(digest)
    print("the handshake of later Pythons")


main()
