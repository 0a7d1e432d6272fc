"""Make the vectors anew: `python -m tests.vectors`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.verification.attack_classes import CLASSES, HOSTILE
from tests.verification.pki import NOW, Pki
from tests.verification.samples import good_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def vectors(pkis: dict[str, Pki]) -> Iterator[tuple[str, str, str, bytes, bool]]:
    """Yield class, name, authority, file and whether it is to be VALID; the class of ordinary files is `good`."""
    for authority, pki in pkis.items():
        for name, document in good_documents(pki).items():
            yield "good", name, authority, document, True
    for kind, samples in CLASSES.items():
        for name, document in samples(pkis["ec"]):
            yield kind.replace(" ", "-"), name, "ec", document, False
    for kind, judged in HOSTILE.items():
        for name, document, valid in judged(pkis["ec"]):
            yield kind, name, "ec", document, valid


def main() -> None:
    pkis = {kind: Pki(key_kind=kind) for kind in ("ec", "rsa")}
    for folder in HERE.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    listed = []
    for kind, name, authority, document, valid in vectors(pkis):
        file = HERE / kind / (f"{name}-{authority}.pdf" if kind == "good" else f"{name}.pdf")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(document)
        path = file.relative_to(HERE).as_posix()
        listed.append({"file": path, "class": kind, "authority": authority, "valid": valid})
    for authority, pki in pkis.items():
        folder = HERE / f"authority-{authority}"
        folder.mkdir()
        (folder / "root.cer").write_bytes(pki.root.der)
        (folder / "issuing.cer").write_bytes(pki.issuing.der)
        for name, crl in zip(("root", "issuing"), pki.crls(), strict=True):
            (folder / f"{name}.crl").write_bytes(crl)
    index = {"at": NOW.isoformat(), "vectors": listed}
    (HERE / "vectors.json").write_text(json.dumps(index, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
