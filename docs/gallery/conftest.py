"""The examples of the gallery save their pictures, in a test where nobody keeps them."""

import pytest


@pytest.fixture(autouse=True)
def _away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
