"""What keeps a step of a pod worker from being done: the reason that the pod's status shows, the news it makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class News:
    """A warning Event."""

    reason: str
    message: str


class StepFault(Exception):
    """A step failed; it is tried again later. `reason` and `message` are a waiting container's."""

    def __init__(self, reason: str, message: str, *news: News) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.news = news
