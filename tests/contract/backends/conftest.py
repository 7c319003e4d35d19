from collections.abc import Generator

import pytest

from tests.support.backends import OFFERS, Stage, is_run, started


@pytest.fixture(scope="module", params=[name for name in OFFERS if is_run(name)])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """Each backend in turn; one that cannot be started here is skipped, and the summary says so."""
    name = str(request.param)
    yield from started(name, tmp_path_factory.mktemp(name.replace(", ", "-")))
