"""Closes the network to every Python process that finds this folder on its PYTHONPATH.

Python imports a module of this name at start-up, before any code of the notebook or test. The root
conftest.py puts the folder on the path, so that the kernels of executed notebooks, which are
processes of their own, are closed as well. Connections within this machine stay open: a kernel
needs them. Works without special rights on Linux, macOS and Windows.
"""

import socket
import sys

LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
CONNECTIONS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def within_this_machine(host: object) -> bool:
    """Whether a host, as given to a socket call, names this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "::1", "0.0.0.0", "::"):
        return True
    return str(name).startswith("127.") or name == socket.gethostname()


def refuse_outside(event: str, arguments: tuple) -> None:
    """Audit hook: raise ConnectionRefusedError where a connection or lookup leaves this machine."""
    if event in LOOKUPS:
        host = arguments[0]
    elif event in CONNECTIONS and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if not within_this_machine(host):
        raise ConnectionRefusedError(
            f"the network is closed while the course is tested: {host!r} was asked for. "
            "A chapter's data comes from an installed package or a generator."
        )


sys.addaudithook(refuse_outside)
