"""`memoryhub target`: where copies of snapshots go."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memoryhub.cli.hub import CANNOT, REFUSED, DataOption, JsonOption, complain, named_workspace, open_hub

if TYPE_CHECKING:
    from apps.snapshots.models import RemoteTarget

commands = typer.Typer(help="Where copies of snapshots go.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="TARGET", help="As `memoryhub target list` shows it.")]


@commands.command("add")
def add(
    name: Annotated[str, typer.Argument(help="A name for it: a-z, 0-9 and '-'.")],
    kind: Annotated[str, typer.Option(help="s3, directory, gcs, azure or sftp.")] = "s3",
    bucket: Annotated[str, typer.Option(help="The bucket.", show_default=False)] = "",
    prefix: Annotated[str, typer.Option(help="A folder in it.", show_default=False)] = "",
    region: Annotated[str, typer.Option(help="Its region.", show_default=False)] = "",
    endpoint: Annotated[str, typer.Option(help="Of a store that is not Amazon's.", show_default=False)] = "",
    preset: Annotated[str, typer.Option(help="A provider, which knows the endpoint.", show_default=False)] = "",
    access_key: Annotated[str, typer.Option(help="Without keys, boto3 finds its own.", show_default=False)] = "",
    secret_key_file: Annotated[Path | None, typer.Option(help="A file that holds the secret key.")] = None,
    path: Annotated[str, typer.Option(help="The directory, for that kind.", show_default=False)] = "",
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: any other option; those of django-storages for its kinds.")
    ] = None,
    encrypt: Annotated[bool, typer.Option("--encrypt", help="Encrypt before anything leaves the hub.")] = False,
    workspace: Annotated[str, typer.Option(help="Only for this one, without a folder of its own.")] = "",
    data: DataOption = None,
) -> None:
    """Make a target known. `memoryhub target test` tries it.

    memoryhub target add offsite --kind directory --path /mnt/offsite/hub
    """
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.models import TargetKind
        from apps.snapshots.names import SECRET_OPTION
        from apps.snapshots.places.presets import options_of
        from apps.snapshots.targets import add_target

        given: dict[str, str] = dict(_pair(text) for text in option or ())
        if kind == TargetKind.DIRECTORY:
            given["directory"] = path
        else:
            named = {"bucket": bucket, "prefix": prefix.strip("/"), "region": region, "endpoint_url": endpoint}
            known = options_of(preset, region=region, endpoint=endpoint) if preset else {}
            given = known | {name: value for name, value in named.items() if value} | given
        secrets = _secrets(access_key, secret_key_file)
        secrets |= {name: value for name, value in given.items() if SECRET_OPTION.search(name)}
        options = {name: value for name, value in given.items() if name not in secrets}
        owner = named_workspace(workspace) if workspace else None
        add_target(
            name, kind=kind, options=options, secrets=secrets, workspace=owner, is_encrypted=encrypt, actor=Actor.cli()
        )
        print(name)


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        complain(f"--option takes NAME=VALUE, not {text[:40]!r}.")
        raise typer.Exit(CANNOT)
    return name, value


def _secrets(access_key: str, secret_key_file: Path | None) -> dict[str, str]:
    if not access_key and secret_key_file is None:
        return {}
    if not access_key or secret_key_file is None:
        complain("Give both --access-key and --secret-key-file, or neither.")
        raise typer.Exit(CANNOT)
    try:
        return {"access_key": access_key, "secret_key": secret_key_file.read_text().strip()}
    except (OSError, UnicodeDecodeError) as error:
        complain(f"{secret_key_file} cannot be read ({type(error).__name__}).")
        raise typer.Exit(CANNOT) from None


@commands.command("list")
def list_all(as_json: JsonOption = False, data: DataOption = None) -> None:
    """List the targets, and what the last test of each found."""
    with open_hub(data):
        from apps.snapshots.models import RemoteTarget
        from apps.snapshots.targets import settings_target

        settings_target()
        rows = [_row(target) for target in RemoteTarget.objects.select_related("workspace").order_by("name")]
    if as_json:
        print(json.dumps(rows))
        return
    from memoryhub.cli.tables import print_table

    headings = ["target", "kind", "where", "encrypted", "only for", "tested", "problems"]
    print_table(headings, [[_cell(value) for value in row.values()] for row in rows])


def _row(target: "RemoteTarget") -> dict[str, object]:
    from apps.common.times import rfc3339_or_none

    options = target.options
    where = options.get("directory") or "/".join(filter(None, (options.get("bucket"), options.get("prefix"))))
    return {
        "name": target.name,
        "kind": target.kind,
        "where": where,
        "is_encrypted": target.is_encrypted,
        "workspace": target.workspace.slug if target.workspace else None,
        "checked_at": rfc3339_or_none(target.checked_at),
        "problems": (target.check_result or {}).get("problems", []),
    }


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "yes" if value is True else "" if value in (None, False) else str(value)


@commands.command("test")
def try_out(name: NameArgument, data: DataOption = None) -> None:
    """Try what a target can do: write, list, read, delete, and what else the hub would like to know.

    Exit code 1 when copies could not be kept there.
    """
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.targets import check_target, settings_target, target_named

        settings_target()
        found = check_target(target_named(name), actor=Actor.cli())
    words = {True: "yes", False: "no", None: "not known"}
    for label, answer in (
        ("write", found.can_write),
        ("read", found.can_read),
        ("list", found.can_list),
        ("delete", found.can_delete),
        ("conditional writes", found.conditional_writes),
        ("uploads in parts", found.multipart),
        ("refuses damaged bytes", found.checksums),
    ):
        print(f"{label:22} {words[answer]}")
    for problem in found.problems:
        print(problem)
    if not (found.can_write and found.can_read and found.can_list):
        raise typer.Exit(REFUSED)


@commands.command("remove")
def remove(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: DataOption = None,
) -> None:
    """Forget a target. What lies in it stays there."""
    with open_hub(data):
        from apps.accounts.actors import Actor
        from apps.snapshots.targets import remove_target, target_named

        target = target_named(name)
        if not yes and not typer.confirm(f"Forget {name}, with all that the hub knows of its copies?"):
            complain("Nothing was changed.")
            raise typer.Exit(CANNOT)
        remove_target(target, actor=Actor.cli())


@commands.command("rekey")
def rekey(data: DataOption = None) -> None:
    """Wrap the keys of all copies with the first key of MEMORYHUB_SNAPSHOT_KEY; then the older ones can go.

    The copies themselves are not touched.
    """
    with open_hub(data, patient=True):
        from apps.accounts.actors import Actor
        from apps.snapshots.targets import rewrap_keys

        print(f"{rewrap_keys(actor=Actor.cli())} keys wrapped anew.")
