"""Peers: other coordinators that a workspace exchanges with. Shown to members, kept by admins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from apps.common.errors import AlreadyExists, DomainError, UrlBlocked
from apps.common.secrets import SecretUnreadable
from apps.federation import peers, queries
from apps.federation.admin.forms import PeerForm
from apps.federation.admin.pages import MANAGE, PEERS, Pages
from apps.federation.models import Peer
from apps.files.errors import BadPath
from apps.jobs.models import OPEN_STATES, Job
from apps.jobs.working import Work
from apps.workspaces.console import Question, actor_of, add_refusal, refusal_text
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, choice_of_workspace, given, workspace_for

MOST_TOPICS, MOST_LABELS = 200, 100
"""Of the view that a peer gave so many are shown."""
FIELDS: dict[type[DomainError], str] = {UrlBlocked: "url", AlreadyExists: "name", BadPath: "folder"}
"""What a refusal that names no field is about."""


@dataclass(frozen=True, slots=True)
class PeerRow:
    peer: Peer
    address: str
    place: str
    does: str


def by_name(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The peers of a workspace; without a workspace, the choice of one."""
    if "workspace" not in request.GET:
        return choice_of_workspace(pages, request, page=PEERS, title="Peers")
    workspace = workspace_for(request, pages.read_scope)
    return _of_peers(
        pages,
        request,
        "peers.html",
        workspace,
        title=workspace.slug,
        subtitle="Peers",
        rows=[_row(workspace, each) for each in queries.peers_of(workspace.pk)],
        new=_page(workspace, "new"),
    )


def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One peer, how the exchange with it goes, and the merged view that it gave."""
    workspace = workspace_for(request, pages.read_scope)
    peer = queries.peer_of(workspace.pk, given(request, "name"))
    view = peer.view or {}
    topics = sorted(view.get("merged_topic_counts", {}).items(), key=lambda entry: (-entry[1], entry[0]))
    labels = view.get("unique_fact_hashes", [])
    return _of_peers(
        pages,
        request,
        "peer.html",
        workspace,
        title=peer.name,
        subtitle=workspace.slug,
        row=_row(workspace, peer),
        peer=peer,
        view=view,
        topics=topics[:MOST_TOPICS],
        more_topics=len(topics) - MOST_TOPICS,
        labels=labels[:MOST_LABELS],
        labels_number=len(labels),
        more_labels=len(labels) - MOST_LABELS,
        exchange=_page(workspace, "exchange", peer.name),
        edit=_page(workspace, "edit", peer.name),
        remove=_page(workspace, "remove", peer.name),
        all_peers=address(PEERS, workspace=workspace.slug),
    )


def _of_peers(
    pages: Pages, request: HttpRequest, template: str, workspace: Workspace, **context: Any
) -> HttpResponseBase:
    """A page with the exchanges that wait or run above it."""
    return pages.of_workspace(request, template, workspace, tab=PEERS, work=_work_in(workspace), **context)


def _work_in(workspace: Workspace) -> list[Work]:
    """Oldest first. One query when nothing is at work, else two."""
    found = Job.objects.filter(workspace_id=workspace.pk, kind=peers.EXCHANGE, state__in=OPEN_STATES)
    jobs = list(found.order_by("id"))
    known = queries.peers_of(workspace.pk).filter(public_id__in=[job.subject for job in jobs]) if jobs else []
    names = {str(peer.public_id): peer.name for peer in known}
    return [Work(job, job.subject, f"Exchanging with {names.get(job.subject, 'a peer')}", "sync_alt") for job in jobs]


def _page(workspace: Workspace, page: str, name: str = "") -> str:
    return address(f"federation_peer_{page}", workspace=workspace.slug, name=name)


def _row(workspace: Workspace, peer: Peer) -> PeerRow:
    does = " and ".join(words for words, is_so in (("told", peer.pushes), ("asked", peer.pulls)) if is_so)
    return PeerRow(peer, _page(workspace, "page", peer.name), _place(peer), does)


def _place(peer: Peer) -> str:
    try:
        return peers.shown_url(peer)
    except SecretUnreadable:
        return "unreadable: its key is gone"


def add(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """A new peer, by a POST of an admin."""
    workspace = workspace_for(request, MANAGE)
    form = PeerForm(request.POST if request.method == "POST" else None)

    def do() -> str:
        made = peers.create_peer(workspace, form.cleaned_data["name"], form.values, actor=actor_of(request))
        return f"{made.name} is known now. Next: exchange with it."

    if form.is_valid() and _done(pages, request, form, do):
        return HttpResponseRedirect(_page(workspace, "page", form.cleaned_data["name"]))
    return _form_page(
        pages, request, workspace, form, title="Add a peer", button="Add the peer", back=_page(workspace, "changelist")
    )


def change(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """Another choice for a peer; what is left empty of its secrets stays."""
    workspace = workspace_for(request, MANAGE)
    peer = queries.peer_of(workspace.pk, given(request, "name"))
    form = PeerForm(request.POST if request.method == "POST" else None, peer=peer)

    def do() -> str:
        peers.change_peer(workspace, peer.name, form.values, actor=actor_of(request))
        return f"{peer.name} is changed."

    back = _page(workspace, "page", peer.name)
    if form.is_valid() and _done(pages, request, form, do):
        return HttpResponseRedirect(back)
    return _form_page(pages, request, workspace, form, title=f"Change {peer.name}", button="Save the peer", back=back)


def _form_page(
    pages: Pages, request: HttpRequest, workspace: Workspace, form: PeerForm, **context: Any
) -> HttpResponseBase:
    return pages.of_workspace(
        request, "peer_form.html", workspace, tab=PEERS, form=form, subtitle=workspace.slug, **context
    )


def _done(pages: Pages, request: HttpRequest, form: PeerForm, do: Callable[[], str]) -> bool:
    """Whether it was done; else the form says why not."""
    try:
        text = do()
    except DomainError as refusal:
        if type(refusal) in FIELDS:
            form.add_error(FIELDS[type(refusal)], refusal_text(refusal))
        else:
            add_refusal(form, refusal)
        return False
    pages.message_user(request, text, messages.SUCCESS)
    return True


def exchange(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Tells and asks the peer now; its page follows that."""
    workspace = workspace_for(request, MANAGE)
    peer = queries.peer_of(workspace.pk, given(request, "name"))

    def do() -> str:
        peers.request_exchange(workspace, peer.name, actor=actor_of(request))
        return f"An exchange with {peer.name} is on its way."

    return pages.pressed(request, _page(workspace, "page", peer.name), do)


def remove(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks, and then forgets a peer."""
    workspace = workspace_for(request, MANAGE)
    peer = queries.peer_of(workspace.pk, given(request, "name"))
    question = Question(
        title=f"Remove {peer.name}",
        text="The hub forgets its address, its token and the merged view that it gave. What it was told stays there.",
        button="Remove the peer",
        back=_page(workspace, "page", peer.name),
        icon="delete",
    )
    answer = pages.step(request, question, lambda: _removed(request, workspace, peer))
    if not queries.peers_of(workspace.pk).filter(pk=peer.pk).exists():
        return HttpResponseRedirect(address(PEERS, workspace=workspace.slug))
    return answer


def _removed(request: HttpRequest, workspace: Workspace, peer: Peer) -> str:
    peers.delete_peer(workspace, peer.name, actor=actor_of(request))
    return f"{peer.name} is removed."
