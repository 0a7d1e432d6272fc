"""Every code is read back from paper by a reader that shares nothing with its writer.

zxing-cpp writes the codes and zbar reads them: printed at 150 dots an inch in the size they have on a
licence, turned by up to five degrees, blurred, photographed at twice as many dots.
"""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFilter

from licence_vault.qr import symbol
from tests.verification.test_qr import CLAIMS, code_text
from verification.qr import read_code

if TYPE_CHECKING:
    from pathlib import Path

SIDE_MILLIMETRES = 33
PRINT_DPI, CAMERA_DPI = 150, 300
DEGREES = 5.0
BLUR_PIXELS = 1.0
PAPER = 255


def licences(count: int) -> list[str]:
    """Return the texts of so many codes: persons with one or two names, enterprises with long ones."""
    found = []
    for number in range(count):
        licence: dict[int, Any] = dict(CLAIMS[-65537])
        licence[3] = [["陈伟"], ["陈伟", "欧阳王芳"], ["演示市高新技术产业开发区第一食品贸易有限公司"]][number % 3]
        licence[4], licence[8] = f"{number:04}", number * 7919
        found.append(code_text({**CLAIMS, -65537: licence}))
    return found


def printed(text: str, chance: random.Random) -> Image.Image:
    """Return a code as a camera sees it on paper."""
    code = symbol(text)
    picture = Image.frombytes("L", (code.side, code.side), code.modules)
    dots = round(SIDE_MILLIMETRES / 25.4 * PRINT_DPI)
    # A printer puts down dots or none.
    paper = picture.resize((dots, dots), Image.Resampling.BOX).point(lambda grey: PAPER if grey > PAPER // 2 else 0)
    page = Image.new("L", (dots + 60, dots + 60), PAPER)
    page.paste(paper, (30, 30))
    seen = page.resize([side * CAMERA_DPI // PRINT_DPI for side in page.size], Image.Resampling.BICUBIC)
    turned = seen.rotate(chance.uniform(-DEGREES, DEGREES), Image.Resampling.BICUBIC, fillcolor=PAPER)
    return turned.filter(ImageFilter.GaussianBlur(BLUR_PIXELS))


def test_every_printed_code_is_read_back_by_an_independent_reader(tmp_path: Path) -> None:
    count = int(os.environ.get("HUFU_TEST_PRINTS", "100"))
    texts, chance = licences(count), random.Random(20260302)  # noqa: S311 - angles, no secrets
    files = []
    for number, text in enumerate(texts):
        files.append(str(tmp_path / f"{number:03}.png"))
        printed(text, chance).save(files[-1])
    run = subprocess.run(  # noqa: S603 - the peer as installed
        ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", *files],  # noqa: S607 - as above
        capture_output=True,
        check=False,
    )
    assert run.stdout.decode("ascii").splitlines() == texts
    assert {read_code(text).contents.service_id for text in texts} == {"CN-5000"}
