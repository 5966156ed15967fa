"""How much an account may send to the world outside on one day (UTC)."""

from datetime import UTC, datetime, time, timedelta


def day_of(now: datetime) -> str:
    """Return the day as it is counted under: `20261123`."""
    return now.astimezone(UTC).strftime("%Y%m%d")


def next_day(now: datetime) -> datetime:
    """Return when the next day begins."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def granted(asked: int, sent: int, cap: int) -> int:
    """Return how many of so many copies may leave now."""
    return max(0, min(asked, cap - sent))


def words(cap: int) -> str:
    """Return what a copy that waits is told to wait for."""
    return f"today's {cap} copies of the account are out; it goes on at 00:00 UTC"
