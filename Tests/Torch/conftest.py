from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import smollm2 as real  # noqa: E402


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct, made on first use."""
    try:
        return real.make()
    except real.Unavailable as reason:
        pytest.skip(str(reason))
