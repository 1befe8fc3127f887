"""Signing in to the console, with wrong passwords counted by name and address."""

import math
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from unfold.forms import AuthenticationForm

from apps.accounts.limits import count_failed_login, login_wait_s


class LimitedBackend(ModelBackend):
    """Django's own backend, which after too many wrong passwords listens to that address no more for a while.

    The same name from elsewhere is not touched, so nobody is locked out by somebody else's guesses.
    """

    def authenticate(  # type: ignore[override] # The stubs' two superclasses contradict each other.
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> AbstractBaseUser | None:
        """The user, or None for a wrong password. Raises PermissionDenied, asking nobody else, while too many were."""
        if request is None or username is None:
            return super().authenticate(request, username, password, **kwargs)
        if login_wait_s(username, request.META):
            raise PermissionDenied
        user = super().authenticate(request, username, password, **kwargs)
        if user is None:
            count_failed_login(username, request.META)
        return user


class LoginForm(AuthenticationForm):
    """The console's form; says how long to wait instead of calling a right password wrong."""

    def get_invalid_login_error(self) -> ValidationError:
        wait_s = login_wait_s(self.cleaned_data.get("username", ""), self.request.META) if self.request else 0.0
        if not wait_s:
            return super().get_invalid_login_error()
        seconds = math.ceil(wait_s)
        return ValidationError(f"Too many wrong passwords. Try again in {seconds} seconds.", code="rate_limited")
