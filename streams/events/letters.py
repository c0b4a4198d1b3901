"""Dead letters as they are written: refused bytes under where they came from, with the reason and the time.

How long a record of the input may be is the broker's to say, and a compressed batch holds longer ones than it lets through
uncompressed. A letter must always fit into its topic, or the partition it is of would stand still for ever; so of a record that
is too long the beginning is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.kafka.range import Range

if TYPE_CHECKING:
    from streams.events.decode import Refused

KEPT_BYTES = 1_000_000  # with key and headers less than a topic takes that nobody configured, 1 MiB
REASON_CHARS = 1000  # a reason quotes the record: a kind of 60,000 characters is as long there
LENGTH_HEADER = "bytes"  # how long the record was; only where not all of it is kept


Letter = tuple[bytes, bytes, list[tuple[str, bytes]]]  # key, value, headers


def letter_of(content: Range, refused: Refused) -> Letter:
    """Return the dead letter of a record of a range; a null one is kept as empty bytes."""
    i = refused.index
    topic, value = content.topic.encode(), content.values[i] or b""
    headers = [
        ("reason", refused.reason[:REASON_CHARS].encode(errors="replace")),
        ("topic", topic),
        ("partition", b"%d" % content.partition),
        ("offset", b"%d" % content.offsets[i]),
        ("at_ms", b"%d" % content.timestamps_ms[i]),
    ]
    if len(value) > KEPT_BYTES:
        headers.append((LENGTH_HEADER, b"%d" % len(value)))
    return b"%b[%d]@%d" % (topic, content.partition, content.offsets[i]), value[:KEPT_BYTES], headers
