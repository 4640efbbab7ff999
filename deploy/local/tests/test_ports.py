"""Ports that are chosen one after the other."""

import socket

import pytest
from labelmill_local import ports


class Socket(socket.socket):
    """Draws the ports that are told, in turn."""

    drawn: list[int]

    def bind(self, address: object) -> None:
        """Bind nothing."""

    def getsockname(self) -> tuple[str, int]:
        return (ports.HOST, Socket.drawn.pop(0))


def test_a_port_that_was_chosen_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Socket.drawn = [4001, 4001, 4002]
    monkeypatch.setattr(ports.socket, "socket", Socket)
    first = ports.free_port()
    assert (first, ports.free_port(but=[first])) == (4001, 4002)
    assert Socket.drawn == []
