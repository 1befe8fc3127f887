"""Packs that a target has lost, or holds damaged: what is written down of them, and of the copies that need them."""

from collections.abc import Collection

from django.db.models import Count, Exists, OuterRef, Q

from apps.snapshots.models import CopyPack, CopyState, Pack, PackState, RemoteCopy, Repository

PACKS_LOST = "Packs of it are missing or damaged"
"""How the damage of a copy begins that is whole again when its packs are."""


def note_lost_packs(repository: Repository, pack_ids: Collection[int]) -> None:
    """Marks packs as lost, and the whole copies that need them as damaged. Call inside a transaction.

    What they held is sent again by the next upload, where `mend_packs` can not make them again.
    """
    if not pack_ids:
        return
    Pack.objects.filter(repository=repository, pk__in=pack_ids).update(state=PackState.LOST)
    needing = RemoteCopy.objects.filter(
        repository=repository, state=CopyState.SEALED, pack_links__pack__in=pack_ids, damage=""
    ).distinct()
    is_lost = Q(pack_links__pack__state=PackState.LOST)
    rows = RemoteCopy.objects.filter(pk__in=needing.values("pk"))
    counted = rows.annotate(lost=Count("pack_links", filter=is_lost), packs=Count("pack_links"))
    for copy in counted.order_by("pk"):
        damage = f"{PACKS_LOST}: {copy.lost} of {copy.packs}."
        RemoteCopy.objects.filter(pk=copy.pk, damage="").update(damage=damage)


def note_whole_packs(repository: Repository, pack_ids: Collection[int]) -> None:
    """Marks packs as stored that were lost, and copies as whole that lacked nothing else. Call inside a transaction."""
    Pack.objects.filter(repository=repository, pk__in=pack_ids, state=PackState.LOST).update(state=PackState.STORED)
    needed = CopyPack.objects.filter(copy=OuterRef("pk"))
    lacking = RemoteCopy.objects.filter(repository=repository, damage__startswith=PACKS_LOST)
    mended = lacking.filter(Exists(needed)).exclude(Exists(needed.filter(pack__state=PackState.LOST)))
    mended.update(damage="")
