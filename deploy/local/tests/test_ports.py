"""Ports that are chosen one after the other."""

import socket

import pytest
from labelmill_local import ports
from labelmill_local.errors import StackError


def test_a_port_that_was_chosen_is_not_drawn_again() -> None:
    drawn = [ports.free_port() for _ in range(20)]
    assert len(set(drawn)) == 20, "though nobody listens there yet"
    assert all(port < 32_768 for port in drawn), "none that an outgoing connection gets"


def test_what_is_taken_is_stepped_over() -> None:
    first = ports.free_port()
    with socket.socket() as listening:
        listening.bind((ports.HOST, first + 1))
        listening.listen()
        assert ports.free_port(but=[first + 2]) not in {first, first + 1, first + 2}


def test_no_port_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    with pytest.raises(StackError, match="are taken"):
        ports.free_port()
