"""Puts the vault together; `hufu/wiring.py` calls it for server, worker and command alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.notices import Notices
from keys.jws import TokenSigner
from keys.model import KeyPurpose
from licence_vault.abandoned import Abandoned
from licence_vault.authorised import AuthorisedReader
from licence_vault.backfill import Backfill
from licence_vault.catalogue import Catalogue
from licence_vault.changing import LicenceChanger
from licence_vault.checking import RequestChecker
from licence_vault.copies import CopyService
from licence_vault.fresh_faces import FreshFaces
from licence_vault.issuing import LicenceIssuer
from licence_vault.late_faces import LateFaces
from licence_vault.mandated import MandatedReader
from licence_vault.published import CataloguePublisher
from licence_vault.qr import QrWriter
from licence_vault.quota import ReadQuota
from licence_vault.reading import LicenceReader
from licence_vault.records import LicenceRecords
from licence_vault.reminders import Reminders
from licence_vault.rendering import FaceRenderer
from licence_vault.rendition import FaceMaker
from licence_vault.service import LicenceService
from licence_vault.shows import ShowService
from licence_vault.statistics import StatisticsService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from foundation.audit import Audit
    from foundation.blobs import BlobStore
    from foundation.clock import Clock
    from foundation.database import Database
    from foundation.directory import Directory
    from foundation.encryption import FieldCipher
    from foundation.jobs import PeriodicJob
    from foundation.settings import Settings
    from keys.service import KeyService
    from licence_vault.ports import AllowedActs, EnterpriseRoles, HolderIndexes, IssuingOfficers, Mandates
    from signing.sealing import SealingService
    from signing.seals import SealService


@dataclass(frozen=True, slots=True)
class Vault:
    """Everything the vault offers; `close` ends its rendering processes."""

    catalogue: Catalogue
    published: CataloguePublisher
    licences: LicenceService
    authorised: AuthorisedReader
    mandated: MandatedReader
    shows: ShowService
    copies: CopyService
    backfill: Backfill
    statistics: StatisticsService
    reminders: Reminders
    abandoned: Abandoned
    records: LicenceRecords
    fresh_faces: FreshFaces
    renderer: FaceRenderer

    def periodic_jobs(self) -> Mapping[str, PeriodicJob]:
        """Return what a worker repeats for this package."""
        return {**self.reminders.periodic_jobs(), **self.abandoned.periodic_jobs()}

    def close(self) -> None:
        """End the rendering processes."""
        self.renderer.close()


def assemble_vault(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    audit: Audit,
    cipher: FieldCipher,
    blobs: BlobStore,
    directory: Directory,
    keys: KeyService,
    seals: SealService,
    sealing: SealingService,
    holders: HolderIndexes,
    officers: IssuingOfficers,
    roles: EnterpriseRoles,
    mandates: Mandates,
    acts: AllowedActs,
    renderer: FaceRenderer | None = None,
) -> Vault:
    """Build the vault; opens nothing."""
    catalogue = Catalogue(database, clock, audit)
    renderer = renderer or FaceRenderer()
    codes = QrWriter(keys, service_id=settings.service_id, verify_page=settings.verify_page)
    faces = FaceMaker(clock=clock, renderer=renderer, codes=codes, sealing=sealing)
    checker = RequestChecker(
        clock=clock,
        cipher=cipher,
        directory=directory,
        catalogue=catalogue,
        seals=seals,
        fonts=lambda: faces.fonts,
    )
    changer = LicenceChanger(database, clock=clock, audit=audit, cipher=cipher, officers=officers)
    issuer = LicenceIssuer(
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        checker=checker,
        faces=faces,
        officers=officers,
        changer=changer,
    )
    reader = LicenceReader(
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        blobs=blobs,
        directory=directory,
        catalogue=catalogue,
        holders=holders,
        roles=roles,
        quota=ReadQuota(database, clock, audit),
        notices=Notices(cipher, clock),
        late_faces=LateFaces(
            database, clock=clock, audit=audit, cipher=cipher, catalogue=catalogue, seals=seals, faces=faces
        ),
    )
    licences = LicenceService(database, issuer=issuer, reader=reader, changer=changer)
    shows = ShowService(
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        directory=directory,
        catalogue=catalogue,
        mandates=mandates,
        reader=reader,
        receipts=TokenSigner(keys, KeyPurpose.RECEIPT),
        issuer=settings.issuer,
    )
    backfill = Backfill(database, clock=clock, audit=audit, cipher=cipher, directory=directory, catalogue=catalogue)
    copies = CopyService(
        database,
        clock=clock,
        audit=audit,
        cipher=cipher,
        catalogue=catalogue,
        reader=reader,
        seals=seals,
        faces=faces,
    )
    return Vault(
        catalogue=catalogue,
        published=CataloguePublisher(catalogue, keys, clock, service_id=settings.service_id),
        licences=licences,
        authorised=AuthorisedReader(
            database, clock=clock, audit=audit, cipher=cipher, holders=holders, reader=reader, acts=acts
        ),
        mandated=MandatedReader(database, clock=clock, audit=audit, cipher=cipher, mandates=mandates, reader=reader),
        shows=shows,
        copies=copies,
        backfill=backfill,
        statistics=StatisticsService(database, clock, catalogue),
        reminders=Reminders(database, clock, cipher, Notices(cipher, clock), holders),
        abandoned=Abandoned(database, clock, audit, cipher),
        records=LicenceRecords(database, cipher, clock, catalogue),
        fresh_faces=FreshFaces(cipher, catalogue, faces),
        renderer=renderer,
    )
