"""What all tests share: the rule about skipping, and Hypothesis' settings."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "txpusher",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("txpusher")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be missing, as in CI, a skipped test is a failed one."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TXPUSHER_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, which TXPUSHER_NO_SKIP forbids: {report.longrepr}"
        )
    return report
