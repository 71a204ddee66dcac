"""People at work: a browser against web server, workers and scorer, the demo in the database."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.cast import cast
from training.demo import seed as demo

__all__ = ["cast"]


@pytest.fixture
def seeded(live_web: str) -> str:
    """Address of the application with the demo in it."""
    demo.seed()
    return live_web


@pytest.fixture
def sign_in(browser_page: Any) -> Callable[[str, str], Any]:
    """Sign a demo account in, as a person does; returns the page."""

    def act(url: str, role: str) -> Any:
        accounts = json.loads((Path(settings.VAR_DIR) / "demo.json").read_text())
        account = next(account for account in accounts if account["role"] == role)
        page = browser_page
        page.goto(url)
        page.get_by_label("E-mail").fill(account["email"])
        page.get_by_role("textbox", name="Password").fill(account["password"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Projects").wait_for()
        return page

    return act
