"""Frames that are compressed with a dictionary."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from streams.errors import ConfigurationError
from streams.sources.bluesky.inflate import MOST_BYTES, Inflate, load_dictionary

zstandard = pytest.importorskip("zstandard")
MESSAGES = [
    json.dumps({"did": f"did:plc:{n * 7919}", "time_us": n, "kind": "identity", "x": f"abc{n % 97}"}).encode()
    for n in range(2000)
]
DICTIONARY = zstandard.train_dictionary(4096, MESSAGES, dict_id=77)
PACKER = zstandard.ZstdCompressor(dict_data=DICTIONARY)


def test_messages_come_back_as_they_were() -> None:
    inflate = Inflate(DICTIONARY.as_bytes())
    assert inflate.dictionary_id == 77
    assert [inflate(PACKER.compress(message)) for message in MESSAGES[:50]] == MESSAGES[:50]


@pytest.mark.parametrize("frame", [b"", b"not zstd", PACKER.compress(MESSAGES[0])[:-3], PACKER.compress(b"x" * (MOST_BYTES + 1))])
def test_a_frame_that_is_none_or_would_fill_the_memory_stays_as_it_is(frame: bytes) -> None:
    assert Inflate(DICTIONARY.as_bytes())(frame) == frame


def test_what_is_no_dictionary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("words")
    for file in (None, tmp_path / "none", tmp_path / "words"):
        with pytest.raises(ConfigurationError, match="dictionary"):
            load_dictionary(file)


def test_without_zstandard_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ConfigurationError, match=r"needs zstandard; run in a checkout: pip install '\.\[zstd\]'"):
        Inflate(DICTIONARY.as_bytes())
