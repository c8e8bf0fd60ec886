"""The examples of the gallery save pictures, which a test leaves to be cleared away."""

import pytest


@pytest.fixture(autouse=True)
def _away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
