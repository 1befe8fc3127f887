"""What is known of providers of S3-speaking storage. Pure."""

from dataclasses import dataclass

from apps.common.errors import Invalid


@dataclass(frozen=True, slots=True)
class Preset:
    """How a provider wants to be spoken to.

    `endpoint` holds `{region}` where the region belongs; it is empty where boto3 knows the address by itself, or
    where it is one's own and `needs_endpoint`; `example` is then what it looks like. `addressing_style` and
    `checksum_mode` are those of `S3Options`.
    """

    title: str
    region: str
    endpoint: str = ""
    example: str = ""
    addressing_style: str = "path"
    checksum_mode: str = "when_required"
    needs_endpoint: bool = False
    is_plain_http_usual: bool = False


PRESETS = {
    "aws": Preset("Amazon S3", "us-east-1", addressing_style="virtual", checksum_mode="when_supported"),
    "backblaze-b2": Preset("Backblaze B2", "us-west-004", "https://s3.{region}.backblazeb2.com"),
    "minio": Preset("MinIO", "us-east-1", example="http://minio:9000", needs_endpoint=True, is_plain_http_usual=True),
    "digitalocean-spaces": Preset(
        "DigitalOcean Spaces", "nyc3", "https://{region}.digitaloceanspaces.com", addressing_style="virtual"
    ),
    "wasabi": Preset("Wasabi", "us-east-1", "https://s3.{region}.wasabisys.com"),
    "cloudflare-r2": Preset(
        "Cloudflare R2", "auto", example="https://ACCOUNT_ID.r2.cloudflarestorage.com", needs_endpoint=True
    ),
}


def endpoint_of(preset: str, region: str) -> str:
    """A provider's address in a region, or in its first one for an empty text. Raises KeyError for no preset.

    Empty where boto3 finds it, and where the preset `needs_endpoint`.
    """
    known = PRESETS[preset]
    return known.endpoint.format(region=region or known.region)


def options_of(preset: str, *, region: str, endpoint: str) -> dict[str, str]:
    """The options of a bucket at a provider, in a region or its first one. Raises `Invalid`."""
    known = PRESETS.get(preset)
    if known is None:
        raise Invalid.of("preset", "preset", f"One of {', '.join(PRESETS)}.")
    if known.needs_endpoint and not endpoint:
        raise Invalid.of("endpoint_url", "required", f"{known.title} is at an address of its own: {known.example}")
    return {
        "region": region or known.region,
        "endpoint_url": endpoint or endpoint_of(preset, region),
        "addressing_style": known.addressing_style,
        "checksum_mode": known.checksum_mode,
    }
