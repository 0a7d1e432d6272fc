"""One whole service, started as `make run` starts it, for the tests that need all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hufu.demo.play import play
from hufu.launcher_place import free_port
from hufu.stack import stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hufu.stack import Stack


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield the running service with its demo city."""
    directory = tmp_path_factory.mktemp("city")
    directory.chmod(0o711)
    with stack(port=free_port(), portal_port=free_port(), data_directory=directory) as running:
        yield running


@pytest.fixture(scope="session")
def results(service: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Play the main job once and return the folder with what it left."""
    folder = tmp_path_factory.mktemp("demo")
    play(service.settings.issuer, service.settings.data_directory, folder)
    return folder
