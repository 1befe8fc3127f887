"""Workspaces, and who may enter them."""

from typing import Any, cast

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.idempotency import idempotent, refuse_key
from apps.accounts.queries import audit_events
from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.common.errors import ConfirmRequired
from apps.common.forms import parse
from apps.common.paging import PAGE_PARAMETERS, page_of
from apps.workspaces import actions, queries
from apps.workspaces.api import schemas, shapes
from apps.workspaces.api.forms import IdentityForm, MemberForm, TokenForm
from apps.workspaces.views import HubView, WorkspaceView, no_content


class MeView(HubView):
    @extend_schema(**schemas.ME)
    def get(self, request: Request) -> Response:
        """Who the token belongs to and what it may do."""
        token = queries.token_of(self.caller)
        return Response(shapes.caller_json(self.caller, token, queries.reach_of(self.caller)))


class WorkspacesView(HubView):
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_WORKSPACES)
    def get(self, request: Request) -> Response:
        """The workspaces that the token reaches, by slug."""
        page, following = queries.reach_page(self.caller, request.query_params)
        return Response({"items": [shapes.reach_json(each) for each in page], "next_cursor": following})


class WorkspaceDetailView(WorkspaceView):
    required_scope = {"GET": "files:read", "PATCH": WORKSPACE_ADMIN, "DELETE": WORKSPACE_ADMIN}
    query_parameters = {"DELETE": frozenset({"confirm"})}

    @extend_schema(**schemas.READ_WORKSPACE)
    def get(self, request: Request) -> Response:
        """One workspace: its options and how much it holds."""
        return Response(shapes.workspace_json(queries.workspace_with_usage(self.workspace.id)))

    @extend_schema(**schemas.UPDATE_WORKSPACE)
    def patch(self, request: Request) -> Response:
        """Change options; those not named stay."""
        changes = cast(dict[str, Any], request.data)
        actions.update_workspace_settings(self.workspace, changes, actor=self.workspace.actor)
        return self.get(request)

    @extend_schema(**schemas.ARCHIVE_WORKSPACE)
    def delete(self, request: Request) -> HttpResponse:
        """Archive the workspace, as an owner: it is gone for everybody at once and purged after 30 days."""
        if request.query_params.get("confirm") != self.workspace.slug:
            raise ConfirmRequired("Repeat the slug as ?confirm= to archive the workspace.")
        actions.archive_workspace(self.workspace, actor=self.workspace.actor, acting_role=self.workspace.acting_role)
        return no_content()


class TokensView(WorkspaceView):
    required_scope = {"GET": WORKSPACE_ADMIN, "POST": WORKSPACE_ADMIN}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_TOKENS)
    def get(self, request: Request) -> Response:
        """Tokens with a grant here. Never their text."""
        return Response(page_of(queries.tokens_of(self.workspace.id), request.query_params, render=shapes.token_json))

    @extend_schema(**schemas.ISSUE_TOKEN)
    def post(self, request: Request) -> Response:
        """Issue a token that can do no more, and lives no longer, than the one that asks.

        Whatever `expires_days` says, it ends with that one at the latest; null asks for nothing sooner. Outside
        identities issue none. An Idempotency-Key is refused, because no secret is kept.
        """
        refuse_key(request)
        token, text = actions.issue_token_as_caller(self.workspace, **parse(TokenForm, request))
        body: dict[str, Any] = shapes.token_json(token) | {"token": text}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class TokenView(WorkspaceView):
    required_scope = {"DELETE": WORKSPACE_ADMIN}

    @extend_schema(**schemas.REVOKE_TOKEN)
    def delete(self, request: Request, token_id: str) -> HttpResponse:
        """End a token. Other processes may believe it for a few seconds more."""
        actions.revoke_workspace_token(self.workspace, token_id, actor=self.workspace.actor)
        return no_content()


class MembersView(WorkspaceView):
    required_scope = {"GET": WORKSPACE_ADMIN}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_MEMBERS)
    def get(self, request: Request) -> Response:
        """Users and their roles."""
        members = queries.members_of(self.workspace.id)
        return Response(page_of(members, request.query_params, key="id", render=shapes.member_json))


class MemberView(WorkspaceView):
    required_scope = {"PUT": WORKSPACE_ADMIN, "DELETE": WORKSPACE_ADMIN}

    @extend_schema(**schemas.SET_MEMBER)
    def put(self, request: Request, username: str) -> Response:
        """Give a user a role here, with at most the scopes of the token that asks. Owners make and change owners."""
        role = parse(MemberForm, request)["role"]
        member = actions.set_member(
            self.workspace,
            queries.user_named(username),
            role,
            actor=self.workspace.actor,
            acting_role=self.workspace.acting_role,
            issuer_scopes=self.workspace.scopes,
        )
        return Response(shapes.member_json(member))

    @extend_schema(**schemas.REMOVE_MEMBER)
    def delete(self, request: Request, username: str) -> HttpResponse:
        """Take a user out; the user's tokens stop working here."""
        actions.remove_member(
            self.workspace, username, actor=self.workspace.actor, acting_role=self.workspace.acting_role
        )
        return no_content()


class IdentitiesView(WorkspaceView):
    required_scope = {"GET": WORKSPACE_ADMIN, "POST": WORKSPACE_ADMIN}
    query_parameters = {"GET": PAGE_PARAMETERS}

    @extend_schema(**schemas.LIST_IDENTITIES)
    def get(self, request: Request) -> Response:
        """Whom outside checkers may vouch for."""
        identities = queries.identities_of(self.workspace.id)
        return Response(page_of(identities, request.query_params, key="id", render=shapes.identity_json))

    @extend_schema(**schemas.ADD_IDENTITY)
    @idempotent
    def post(self, request: Request) -> Response:
        """Let somebody in whom an outside checker vouches for, with at most the scopes of the token that asks."""
        identity = actions.add_identity(
            self.workspace,
            **parse(IdentityForm, request),
            actor=self.workspace.actor,
            issuer_scopes=self.workspace.scopes,
        )
        return Response(shapes.identity_json(identity), status=201)


class IdentityView(WorkspaceView):
    required_scope = {"DELETE": WORKSPACE_ADMIN}

    @extend_schema(**schemas.REMOVE_IDENTITY)
    def delete(self, request: Request, provider: str, subject: str) -> HttpResponse:
        """Let an outside identity in no more."""
        actions.remove_identity(self.workspace, provider=provider, subject=subject, actor=self.workspace.actor)
        return no_content()


class AuditView(WorkspaceView):
    required_scope = {"GET": "audit:read"}
    query_parameters = {"GET": PAGE_PARAMETERS | {"action"}}

    @extend_schema(**schemas.LIST_AUDIT)
    def get(self, request: Request) -> Response:
        """Changes of members, tokens, identities and options. Files have their own history."""
        events = audit_events(self.workspace.id, action=request.query_params.get("action", ""))
        return Response(page_of(events, request.query_params, render=shapes.audit_json))
