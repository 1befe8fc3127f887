"""Other coordinators that a workspace exchanges summaries with."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import idempotent
from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.common.forms import parse
from apps.common.paging import PAGE_PARAMETERS, page_of
from apps.federation import peers, queries
from apps.federation.api import schemas, shapes
from apps.federation.api.forms import NewPeerForm, PeerForm
from apps.workspaces.views import WorkspaceView, no_content


class PeersView(WorkspaceView):
    required_scope = {"GET": "federation:read", "POST": WORKSPACE_ADMIN}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_PEERS)
    def get(self, request: Request) -> Response:
        """Whom the workspace tells what it is about, and asks. Of the addresses only the beginning."""
        rows = queries.peers_of(self.workspace.id)
        return Response(page_of(rows, request.query_params, key="name", render=shapes.peer_json))

    @extend_schema(**schemas.CREATE_PEER)
    @idempotent
    def post(self, request: Request) -> Response:
        """Add one. Its token and the path of its address are kept encrypted, and not shown again."""
        values = parse(NewPeerForm, request)
        peer = peers.create_peer(self.workspace, values.pop("name"), values, actor=self.workspace.actor)
        return Response(shapes.peer_json(peer), status=201)


class PeerView(WorkspaceView):
    required_scope = {"GET": "federation:read", "PATCH": WORKSPACE_ADMIN, "DELETE": WORKSPACE_ADMIN}

    @extend_schema(**schemas.READ_PEER)
    def get(self, request: Request, name: str) -> Response:
        """One peer, how the exchange goes, and the merged view that it gave last."""
        return Response(shapes.answering_peer_json(queries.peer_of(self.workspace.id, name)))

    @extend_schema(**schemas.CHANGE_PEER)
    def patch(self, request: Request, name: str) -> Response:
        """Change what the body names. At another address the exchange begins anew."""
        changes = parse(PeerForm, request, partial=True)
        return Response(shapes.peer_json(peers.change_peer(self.workspace, name, changes, actor=self.workspace.actor)))

    @extend_schema(**schemas.DELETE_PEER)
    def delete(self, request: Request, name: str) -> HttpResponse:
        """Forget the peer and the view that it gave. What it was told stays with it."""
        peers.delete_peer(self.workspace, name, actor=self.workspace.actor)
        return no_content()


class ExchangeView(WorkspaceView):
    required_scope = {"POST": WORKSPACE_ADMIN}

    @extend_schema(**schemas.EXCHANGE)
    def post(self, request: Request, name: str) -> Response:
        """Tell the peer what is new and ask it, now. Again while the job is open is the same job."""
        job = peers.request_exchange(self.workspace, name, actor=self.workspace.actor)
        return Response({"job": str(job.public_id)}, status=202)
