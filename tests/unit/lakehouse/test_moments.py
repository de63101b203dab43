"""Cut-off moments of maintenance."""

import pytest

from dataos.core.errors import DataOSError
from dataos.lakehouse.operations import moments

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("millis", "timestamp", "wanted"),
    [
        (None, None, None),
        (1744999999999, None, 1744999999999),
        ("1744999999999", None, 1744999999999),
        (None, "2025-04-19 00:00:00.000", 1745020800000),
        (None, "2024-12-01T00:00:00Z", 1733011200000),
        (None, "2024-12-01T02:00:00+02:00", 1733011200000),
        (None, "7d", NOW - 7 * 86_400_000),
        (None, "90 s", NOW - 90_000),
        ("", "7d", NOW - 7 * 86_400_000),
    ],
)
def test_moments(millis, timestamp, wanted):
    assert moments.cut_off(millis, timestamp, NOW) == wanted


@pytest.mark.parametrize(("millis", "timestamp"), [(1, "7d"), (None, "yesterday"), (None, "7x"), ("12.5", None)])
def test_what_is_refused(millis, timestamp):
    with pytest.raises(DataOSError) as raised:
        moments.cut_off(millis, timestamp, NOW)
    assert raised.value.problem.code == "dataset.moment"
