"""Workspaces, who may enter them, and the audit trail in the console: every change goes through an action."""

from django.contrib import admin

from apps.accounts.models import ApiToken, AuditEvent
from apps.workspaces.admin.audit import AuditEventAdmin
from apps.workspaces.admin.members import ExternalIdentityAdmin, MembershipAdmin
from apps.workspaces.admin.tokens import ApiTokenAdmin
from apps.workspaces.admin.workspaces import WorkspaceAdmin
from apps.workspaces.models import ExternalIdentity, Membership, Workspace

admin.site.register(Workspace, WorkspaceAdmin)
admin.site.register(Membership, MembershipAdmin)
admin.site.register(ExternalIdentity, ExternalIdentityAdmin)
admin.site.register(ApiToken, ApiTokenAdmin)
admin.site.register(AuditEvent, AuditEventAdmin)
