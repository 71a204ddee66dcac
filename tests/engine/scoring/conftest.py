"""One scorer for the tests of a file."""

import pytest

from tests.engine.scoring.running import serving


@pytest.fixture(scope="module")
def scorer(tmp_path_factory, trained_model):
    with serving(tmp_path_factory.mktemp("scorer"), ("helpfulness", 1, trained_model)) as running:
        yield running
