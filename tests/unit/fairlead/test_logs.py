"""Log lines."""

from __future__ import annotations

import logging

from fairlead import logs


def make_record(**fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "control.x", "levelname": "INFO", "msg": "session began", **fields})


def test_fields_follow_the_event_as_key_value() -> None:
    """A value that is not one word is quoted."""
    record = make_record(node="node-1", reason="it is gone")

    got = logs.FieldFormatter(journal=False).format(record)

    assert got == 'INFO control.x: session began node=node-1 reason="it is gone"'


def test_lines_for_the_journal_begin_with_their_priority() -> None:
    """journald takes the priority off."""
    assert logs.FieldFormatter(journal=True).format(make_record()) == "<6>INFO control.x: session began"
