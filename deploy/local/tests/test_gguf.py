"""Re-encoding a model's weights: the same numbers, in another form."""

import struct
from pathlib import Path

import numpy as np
import pytest
from labelmill_local.errors import StackError
from labelmill_local.gguf import reencode

NAME = b"weights"


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def model(kind: int, body: bytes, extra: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A GGUF file with some metadata, a tensor of 2 x 32 weights of `kind`, and one plain number."""
    metadata = text(b"name") + struct.pack("<I", 8) + text(b"tiny")
    metadata += text(b"list") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 7, 9)
    metadata += text(b"flag") + struct.pack("<IB", 7, 1)
    tensors = text(NAME) + struct.pack("<IQQIQ", 2, 32, 2, kind, 0)
    tensors += text(b"one") + struct.pack("<IQIQ", 1, 1, 0, -(-len(body) // 32) * 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 3) + metadata + tensors
    return b"".join(part.ljust(-(-len(part) // 32) * 32, b"\0") for part in (head, body, extra))


def test_weights_stay_within_half_a_percent(tmp_path: Path) -> None:
    packed = np.arange(32, dtype=np.uint8).reshape(2, 16) * 7
    blocks = [struct.pack("<ee", 0.25, -1.5) + packed[0].tobytes(), struct.pack("<ee", 0.0, 0.0) + bytes(16)]
    (tmp_path / "in.gguf").write_bytes(model(3, b"".join(blocks)))
    reencode(tmp_path / "in.gguf", tmp_path / "out.gguf")
    out = (tmp_path / "out.gguf").read_bytes()
    expected_head = model(8, bytes(68))
    head_size = len(expected_head) - 96 - 32
    assert out[:head_size] == expected_head[:head_size]
    scale, *values = struct.unpack("<e32b", out[head_size : head_size + 34])
    wanted = 0.25 * np.concatenate([packed[0] & 15, packed[0] >> 4]) - 1.5
    assert np.abs(scale * np.array(values) - wanted).max() <= 0.005 * np.abs(wanted).max()
    assert out[head_size + 34 : head_size + 68] == bytes(34)
    assert out[-32:-28] == b"\x01\x02\x03\x04"


@pytest.mark.parametrize("content", [b"GGUF\x02\0\0\0" + bytes(40), b"nothing like it"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in").write_bytes(content)
    with pytest.raises(StackError, match="no GGUF file of version 3"):
        reencode(tmp_path / "in", tmp_path / "out")


def test_other_kinds_of_tensor_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(model(2, bytes(36)))
    with pytest.raises(StackError, match=r"kinds \[2\]"):
        reencode(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
