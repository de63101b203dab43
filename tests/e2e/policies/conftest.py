from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.retail import READERS, Lake, lake_in


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with lake_in(tmp_path_factory.mktemp("policies")) as made:
        yield made


@pytest.fixture
def readers(lake: Lake) -> Iterator[None]:
    lake.apply(READERS)
    yield
    lake.delete("policy", "readers")
