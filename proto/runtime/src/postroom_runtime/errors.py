"""Errors by whose fault it is, and whether trying again helps."""


class PostroomError(Exception):
    """Base of ours; the text is fit for a log, not for a peer."""


class UnavailableError(PostroomError):
    """Something of ours (broker, database) does not answer; trying again later helps."""


class DatabaseDownError(UnavailableError):
    """The database does not answer; the text names the login and is for logs."""


class RefusedError(PostroomError):
    """This message can never be handled as it is; it is set aside at once."""


class NotYetError(PostroomError):
    """Not now; the message comes again after `delay` seconds."""

    def __init__(self, reason: str, delay: float) -> None:
        super().__init__(reason)
        self.delay = delay


class DroppedError(PostroomError):
    """The message may be somebody else's by now: the broker hears nothing from us about it."""


class OperatorError(PostroomError):
    """The installation is wrong (setting, stream, permission); the process says so and ends."""
