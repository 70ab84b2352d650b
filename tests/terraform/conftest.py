"""One installation that Terraform has made on an emulator, for all who look at it."""

from collections.abc import Iterator

import pytest

from tests.terraform.applied import Applied, applied


@pytest.fixture(scope="package")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    with applied(tmp_path_factory.mktemp("applied")) as stands:
        yield stands
