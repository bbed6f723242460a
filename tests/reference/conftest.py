"""Tests here are written once and run for the twin of every framework that is installed."""

from __future__ import annotations

import pytest

from reference import FRAMEWORKS, Twin, missing, twin_class


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> type[Twin]:
    """The framework's twin class; skipped where the framework is not installed."""
    if reason := missing(request.param):
        pytest.skip(reason)
    return twin_class(request.param)
