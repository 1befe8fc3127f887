"""Brings a database to the state that the hub needs: schema, the first workspace, the first administrator.

`python -m memoryhub.embedded.firststart` does it and ends with a JSON object on standard output. It is a process of
its own because Django would stay in the supervisor's memory for as long as the hub runs (85 MB, measured).
"""

import json
import secrets
import sys
from dataclasses import asdict, dataclass

from memoryhub.embedded.errors import HubError

FIRST_WORKSPACE = "default"
FIRST_ADMINISTRATOR = "admin"
# An index over a table that is being filled for years may take its time; a lock that others wait behind may not.
MIGRATION_STATEMENT_TIMEOUT = "15min"


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What a start has made. `password` is the administrator's, kept nowhere; None when there was one already.

    `warnings` are sentences about settings that do nothing as things stand.
    """

    migrations: int
    epochs_renewed: bool
    workspace: str | None
    administrator: str
    password: str | None
    warnings: list[str]


def prepare_database() -> FirstStart:
    """Migrates, and on an empty hub makes the first workspace and administrator. Django must be set up.

    Raises HubError when the database or Redis cannot be reached, or the database holds somebody else's tables or was
    migrated by a newer hub.
    """
    from django.db import connections
    from django.db.utils import OperationalError

    _refuse_silent_redis()
    try:
        _refuse_foreign_tables()
        migrations = _migrate()
        epochs_renewed = _notice_restored_database()
        workspace = _first_workspace()
        password = _first_administrator()
        warnings = _absent_workspaces() + _idle_settings()
        _clear_spool()
    except OperationalError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubError(f"The database cannot be used: {reason}") from error
    finally:
        # Nothing of this process may be shared with what it starts, and it needs the database no more.
        connections.close_all()
    return FirstStart(migrations, epochs_renewed, workspace, FIRST_ADMINISTRATOR, password, warnings)


def _refuse_silent_redis() -> None:
    """One that does not answer keeps the hub from ever being ready, and the worker writes of it without end."""
    from django.core.cache import cache
    from redis.exceptions import RedisError

    from memoryhub.settings.logs import redacted

    try:
        cache.get("start")
    except (RedisError, OSError, ValueError) as error:
        reason = redacted(str(error).strip().partition("\n")[0]) or type(error).__name__
        raise HubError(f"The Redis that REDIS_URL names cannot be used: {reason}") from error


def _refuse_foreign_tables() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if "django_migrations" in tables:
            cursor.execute("SELECT EXISTS (SELECT FROM django_migrations WHERE app = 'workspaces')")
            (is_hub,) = cursor.fetchone()
            if is_hub:
                return
        database = connection.settings_dict["NAME"]
    # A first start that was interrupted may have left some of our tables, and is simply gone on with.
    if foreign := tables - _known_tables():
        raise HubError(
            f"The database {database!r} holds no hub but other things, such as the table {min(foreign)!r}. Nothing was "
            "changed. Set DATABASE_URL to an empty database, or unset it to let the hub run its own."
        )


def _known_tables() -> set[str]:
    from django.apps import apps

    models = apps.get_models(include_auto_created=True)
    return {model._meta.db_table for model in models} | {"django_migrations"}


def _migrate() -> int:
    """Applies what is missing and gives its number. Does nothing costly when the schema is up to date."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    known = set(executor.loader.disk_migrations)
    ours = {app for app, _name in known}
    unknown = set(executor.loader.applied_migrations) - known
    newer = sorted(f"{app}.{name}" for app, name in unknown if app in ours)
    if newer:
        raise HubError(
            f"The database was migrated by a newer hub ({newer[-1]} is unknown here). Nothing was changed. "
            "Start that version, or restore a backup that was made before."
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [MIGRATION_STATEMENT_TIMEOUT])
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def _notice_restored_database() -> bool:
    from apps.files.epochs import notice_restored_database

    return notice_restored_database()


def _clear_spool() -> None:
    """Removes what killed web processes left of bodies: in the hub's own directory nobody is writing yet."""
    from apps.blobs.objects import clear_spool, spool_directory

    if spool_directory() is not None:
        clear_spool(older_than_s=0)


def _absent_workspaces() -> list[str]:
    """A warning for each workspace that a setting names and that is not there. It may be made later."""
    import structlog

    from apps.operations.queries import absent_workspaces

    absent = absent_workspaces()
    for one in absent:
        structlog.get_logger(__name__).warning("workspace_absent", setting=one.setting, slug=one.slug)
    return [one.sentence for one in absent]


def _idle_settings() -> list[str]:
    """A warning for each setting of the copies that does nothing, or not what was meant."""
    import structlog

    from apps.operations.checks import check_cloud_sync

    found = check_cloud_sync(None)
    for message in found:
        structlog.get_logger(__name__).warning("setting_idle", check=message.id)
    return [str(message.msg) for message in found]


def _first_workspace() -> str | None:
    from apps.accounts.actors import Actor
    from apps.workspaces.actions import create_workspace
    from apps.workspaces.models import Workspace

    if Workspace.objects.exists():
        return None
    create_workspace(FIRST_WORKSPACE, name="Default", actor=Actor.system())
    return FIRST_WORKSPACE


def _first_administrator() -> str | None:
    from apps.accounts.actions import create_user
    from apps.accounts.actors import Actor
    from apps.accounts.models import User

    if User.objects.exists():
        return None
    password = secrets.token_urlsafe(15)
    create_user(FIRST_ADMINISTRATOR, password=password, is_administrator=True, actor=Actor.system())
    return password


def main() -> None:
    """Waits for a line on standard input, prepares the database, prints what was made or `{"error": sentence}`."""
    import django

    django.setup()
    if not sys.stdin.readline():
        return
    answer: dict[str, object]
    try:
        answer = asdict(prepare_database())
    except HubError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
