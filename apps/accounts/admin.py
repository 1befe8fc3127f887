"""Users in the console, and how they sign in. For superusers: who may edit a user may become one."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.actions import create_user
from apps.accounts.actors import Actor
from apps.accounts.login import LoginForm
from apps.accounts.models import User

admin.site.login_form = LoginForm
# What a user may do is a membership with a role; a second system of groups would only contradict it.
admin.site.unregister(Group)

FIELD_TEXTS = {
    "username": "The name to sign in with, which memberships and the audit trail show too.",
    "is_active": "Switch off instead of deleting: the person cannot sign in, and their tokens keep their rows.",
    "is_staff": "May sign in to this console and see the workspaces that they are a member of.",
    "is_superuser": "May do everything, in every workspace. Give it to few.",
}


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "shown_standing", "email", "memberships_link", "last_login"]
    list_filter = ["is_active", "is_staff", "is_superuser"]
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    compressed_fields = True
    search_help_text = "A part of the user name, the name or the email"
    filter_horizontal = ()
    readonly_fields = ["last_login", "date_joined", "memberships_link"]
    fieldsets = [
        (None, {"fields": ["username", "password", "memberships_link"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Console", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    empty_icon = "person"
    empty_text = "Users sign in to the console; what they may do is a role in each workspace."
    add_text = "Add a user"

    @display(
        description="standing",
        ordering="is_superuser",
        label={"superuser": "danger", "staff": "info", "no console": "default", "inactive": "warning"},
    )
    def shown_standing(self, user: User) -> str:
        if not user.is_active:
            return "inactive"
        if user.is_superuser and user.is_staff:
            return "superuser"
        return "staff" if user.is_staff else "no console"

    @admin.display(description="workspaces")
    def memberships_link(self, user: User) -> SafeString:
        address = reverse("admin:workspaces_membership_changelist")
        return format_html('<a class="hub-link" href="{}?q={}">Memberships</a>', address, user.username)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in FIELD_TEXTS:
            field.help_text = FIELD_TEXTS[db_field.name]
        return field

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False, "subtitle": None}
        context["title"] = kwargs["obj"].username if kwargs.get("obj") is not None else self.add_text
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        made = create_user(
            obj.username,
            password=form.cleaned_data["password1"],
            actor=Actor(f"user:{request.user.get_username()}", user_pk=request.user.pk),
        )
        obj.pk = made.pk
        obj._state.adding = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: a user who goes is made inactive, so that no workspace loses its last owner on the way."""
        return False
