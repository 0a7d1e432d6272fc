"""axe-core in the pages of a test: what keyboards and screen readers meet, and contrast."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

FOLDER = Path(__file__).parent / "axe"
SCRIPT = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    resultTypes: ["violations"],
  });
  const told = (node) => `${node.target} ${node.any[0]?.message ?? ""} ${node.html.slice(0, 120)}`;
  return found.violations.map((one) => `${one.id}: ${one.nodes.map(told).join(" | ")}`);
}"""
WIDE = "document.documentElement.scrollWidth - innerWidth"


async def script() -> str:
    """Return axe-core, installed as the lock says, once."""
    if not SCRIPT.exists():
        npm = shutil.which("npm")
        assert npm, "npm is needed to install axe-core"
        process = await asyncio.create_subprocess_exec(
            npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=FOLDER, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    return SCRIPT.read_text("utf-8")


async def complaints(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds wrong with a page, and whether it is wider than its window."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    found: list[str] = await page.evaluate(RUN)
    wide: int = await page.evaluate(WIDE)
    return [*found, *([f"{wide} px wider than the window"] if wide > 0 else [])]
