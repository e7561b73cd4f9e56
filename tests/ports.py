"""Ports that stay a test's own while nobody listens at them."""

import socket


def held_port() -> socket.socket:
    """A port of this machine nobody else is given until the socket is closed; a server that asks for it by number may listen at it.

    Linux lets two sockets share an address that both are ready to share as long as one of them at most listens, and never hands such
    an address out by itself. Asking for a free number and letting go of it, in a suite of hundreds of servers, is a race.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
