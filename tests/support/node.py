"""Libraries from npm, installed as their lock says, and scripts that use them."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


async def install(folder: Path) -> None:
    """Install what the lock of a folder names, once; without npm the test fails."""
    if (folder / "node_modules" / ".package-lock.json").exists():
        return
    npm = shutil.which("npm")
    assert npm, "npm is needed for implementations that are not ours"
    process = await asyncio.create_subprocess_exec(
        npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


async def play(folder: Path, script: str, task: dict[str, Any]) -> dict[str, Any]:
    """Run a script of a folder on a task and return what it learned."""
    node = shutil.which("node")
    assert node, "Node.js is needed for implementations that are not ours"
    process = await asyncio.create_subprocess_exec(
        node,
        script,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(json.dumps(task).encode())
    assert process.returncode == 0, errors.decode()
    learned: dict[str, Any] = json.loads(out)
    return learned
