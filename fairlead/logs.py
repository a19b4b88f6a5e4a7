"""Log lines of both programs: a constant event and its fields, one line each, for the journal.

log.info("session began", extra={"node": "node-1", "epoch": 3})
INFO control.dispatcher: session began node=node-1 epoch=3
"""

from __future__ import annotations

import json
import logging
import sys

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Levels as syslog priorities, which journald reads off the front of a line: see sd-daemon(3).
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class FieldFormatter(logging.Formatter):
    """Formats a record as level, logger, event and its extra fields as key=value."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        fields = [f"{key}={_value(value)}" for key, value in vars(record).items() if key not in _STANDARD]
        priority = f"<{_PRIORITIES.get(record.levelname, 6)}>" if self._journal else ""
        line = f"{priority}{record.levelname} {record.name}: {' '.join([record.getMessage(), *fields])}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def configure(level: str, *, journal: bool) -> None:
    """Send logs of a level and above to standard error; with `journal` each line carries its priority."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldFormatter(journal=journal))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _value(value: object) -> str:
    """Return a field's value, quoted where it would not read as one word."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(c in text for c in ' "=\n') else text
