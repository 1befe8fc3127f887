"""Every setting, once. `env` reads by this table; `.env.example` and `docs/configuration.md` are made from it."""

from dataclasses import dataclass
from typing import Any

from memoryhub.settings import kinds
from memoryhub.settings.kinds import Kind

GROUPS = {
    "keys": "Keys. The embedded profile makes its own and keeps them in the data directory.",
    "services": "Services. What is not named here, `memoryhub up` starts itself.",
    "storage": "Object storage. Without a bucket, bytes lie in a local directory.",
    "web": "Web server and addresses.",
    "limits": "Limits and time-outs.",
    "access": "Ways in, beside the hub's own tokens.",
    "dialects": "Older clients.",
    "logs": "Logs and metrics.",
    "embedded": "The embedded profile.",
    "client": "Read by the command-line client only.",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """`default` is text, as it would stand in the environment; empty means not set. So are `least` and `most`.

    Values beyond these two cannot work. A secret can also be given as the file `NAME_FILE` holds the name of.
    `required` ones stop the web server and the worker when they are missing.
    """

    name: str
    kind: Kind
    default: str
    group: str
    help: str
    secret: bool = False
    required: bool = False
    least: str = ""
    most: str = ""

    @property
    def bounds(self) -> str:
        """What a value must be beside of its kind, for people: `at least 1`. Empty where every one works."""
        if self.least and self.most:
            return f"between {self.least} and {self.most}"
        return f"at least {self.least}" if self.least else f"at most {self.most}" if self.most else ""

    def allows(self, value: Any) -> bool:
        """Whether a parsed value is within the bounds."""
        if self.least and value < self.kind.parse(self.least):
            return False
        return not (self.most and value > self.kind.parse(self.most))


SETTINGS = (
    Setting(
        "MEMORYHUB_SECRET_KEY",
        kinds.DJANGO_KEY,
        "",
        "keys",
        "Signs console sessions. A new one signs everybody out of the console, and nothing else.",
        secret=True,
        required=True,
    ),
    Setting(
        "MEMORYHUB_TOKEN_KEY",
        kinds.TOKEN_KEYS,
        "",
        "keys",
        "Keys of the token digests, `keyid:hex[,keyid:hex...]`. The first signs new tokens, all verify; a token "
        "ends with the key that made it.",
        secret=True,
        required=True,
    ),
    Setting(
        "MEMORYHUB_SECRETS_KEY",
        kinds.FERNET_KEYS,
        "",
        "keys",
        "Fernet keys for secrets at rest (webhooks, connectors). The first encrypts, all decrypt.",
        secret=True,
        required=True,
    ),
    Setting(
        "DATABASE_URL",
        kinds.DATABASE_ADDRESS,
        "",
        "services",
        "PostgreSQL 15 or newer. Without it `memoryhub up` runs its own.",
        secret=True,
        required=True,
    ),
    Setting(
        "REDIS_URL",
        kinds.REDIS_ADDRESS,
        "",
        "services",
        "A Redis-protocol server: the job bell and the rate counters. Nothing is lost with it.",
        secret=True,
        required=True,
    ),
    Setting("S3_BUCKET", kinds.TEXT, "", "storage", "The bucket. Empty keeps bytes in MEMORYHUB_BLOB_DIR."),
    Setting("S3_PREFIX", kinds.TEXT, "memory", "storage", "Keys in the bucket begin with this folder; `/` means none."),
    Setting("S3_ENDPOINT_URL", kinds.WEB_ADDRESS, "", "storage", "Of a store that is not Amazon's."),
    Setting(
        "S3_SERVER_SIDE_ENCRYPTION",
        kinds.TEXT,
        "",
        "storage",
        "What the store encrypts with, such as AES256 or aws:kms. Empty asks for nothing.",
    ),
    Setting(
        "AWS_ACCESS_KEY_ID",
        kinds.TEXT,
        "",
        "storage",
        "Empty leaves finding credentials to boto3's own chain (profile, instance role).",
        secret=True,
    ),
    Setting("AWS_SECRET_ACCESS_KEY", kinds.TEXT, "", "storage", "Belongs to AWS_ACCESS_KEY_ID.", secret=True),
    Setting("AWS_SESSION_TOKEN", kinds.TEXT, "", "storage", "With temporary keys.", secret=True),
    Setting("AWS_REGION", kinds.TEXT, "us-east-1", "storage", "Region of the bucket."),
    Setting(
        "MEMORYHUB_BLOB_DIR",
        kinds.PATH,
        "",
        "storage",
        "Local directory for bytes when there is no bucket. Empty means `blobs` in MEMORYHUB_DATA.",
    ),
    Setting(
        "MEMORYHUB_DATABASE_DIR",
        kinds.PATH,
        "",
        "storage",
        "Directory of the database where it lies on this machine: its disk is watched. `up` knows that of its own.",
    ),
    Setting(
        "MEMORYHUB_DISK_RESERVE",
        kinds.SIZE,
        "64MiB",
        "storage",
        "Files are refused with 507 while a disk of this machine that they go to has less room than this.",
    ),
    Setting(
        "MEMORYHUB_BLOB_INLINE_MAX",
        kinds.SIZE,
        "65536",
        "storage",
        "Files up to this size travel inside their database row.",
        most="1MiB",
    ),
    Setting(
        "MEMORYHUB_STORAGE_TIMEOUT_S",
        kinds.SECONDS,
        "60",
        "storage",
        "Longest silence of the object store before a call fails.",
        least="1",
        most="3600",
    ),
    Setting(
        "MEMORYHUB_PUBLIC_URL",
        kinds.WEB_ADDRESS,
        "",
        "web",
        "Where people reach the hub, for links in messages and in the API description.",
    ),
    Setting(
        "MEMORYHUB_ALLOWED_HOSTS",
        kinds.WORDS,
        "*",
        "web",
        "Host names that requests may carry; `.example.org` stands for its subdomains too. /health, /healthz and "
        "/readyz answer under any.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        kinds.NETWORKS,
        "",
        "web",
        "Networks whose X-Forwarded-For, -Proto and -Host are believed. `unix` trusts peers on a unix socket. The "
        "proxy must set or drop these headers, also where they are spelt with underscores (nginx drops those).",
    ),
    Setting(
        "MEMORYHUB_HTTPS_REQUIRED",
        kinds.FLAG,
        "false",
        "web",
        "Pages redirect to https; API and dialect requests over plain http are refused with 403, since a client "
        "that follows a redirect may lose its request. Behind a proxy set TRUSTED_PROXIES too.",
    ),
    Setting(
        "MEMORYHUB_OUTBOUND_ALLOW",
        kinds.WORDS,
        "",
        "web",
        "Hosts or networks inside your own network that the hub may call (webhooks, connectors).",
    ),
    Setting("MEMORYHUB_MAX_FILE_BYTES", kinds.SIZE, "5GiB", "limits", "Largest file.", least="1KiB", most="5TiB"),
    Setting("MEMORYHUB_RATE_LIMIT_TOKEN", kinds.RATE, "100000/m", "limits", "Requests of one token."),
    Setting(
        "MEMORYHUB_RATE_LIMIT_ADDRESS",
        kinds.RATE,
        "300/m",
        "limits",
        "Failed authentications from one address. A right token is never locked out.",
    ),
    Setting(
        "MEMORYHUB_RATE_LIMIT_LOGIN",
        kinds.RATE,
        "10/m",
        "limits",
        "Failed console sign-ins of one name from one address.",
    ),
    Setting(
        "MEMORYHUB_TOKEN_CACHE_S",
        kinds.SECONDS,
        "3.0",
        "limits",
        "How long a process may go on believing a token after it was revoked.",
        most="3600",
    ),
    Setting(
        "MEMORYHUB_REQUEST_TIMEOUT_S",
        kinds.SECONDS,
        "300",
        "limits",
        "Longest time for a request to send its body, and a second more for each 64 KiB of it. A client that is "
        "silent for 30 seconds meanwhile (or for this time, if that is shorter) is cut.",
        least="1",
        most="86400",
    ),
    Setting(
        "MEMORYHUB_STATEMENT_TIMEOUT_S",
        kinds.SECONDS_OR_NONE,
        "30",
        "limits",
        "Longest database statement; 0 sets no limit.",
        most="86400",
    ),
    Setting(
        "MEMORYHUB_LOCK_TIMEOUT_S",
        kinds.SECONDS_OR_NONE,
        "5",
        "limits",
        "Longest wait for a database lock; then the answer is 503 busy. 0 sets no limit.",
        most="86400",
    ),
    Setting(
        "API_KEY",
        kinds.STATIC_TOKEN,
        "",
        "access",
        "A static token of one workspace, as Bearer or X-API-Key. Never an administrator. Empty turns it off.",
        secret=True,
    ),
    Setting("API_KEY_WORKSPACE", kinds.SLUG, "default", "access", "The workspace that API_KEY opens."),
    Setting(
        "HEARE_AUTH_URL",
        kinds.WEB_ADDRESS,
        "",
        "access",
        "Address of a heare-auth token checker. Only identities listed in a workspace pass. Empty turns it off.",
    ),
    Setting("HEARE_AUTH_APP_ID", kinds.TEXT, "", "access", "Sent to the checker with each token, where it wants one."),
    Setting(
        "ROOT_DIALECT",
        kinds.TEXT,
        "",
        "dialects",
        "`dialect:workspace` serves one dialect at the root of every host, such as memory-proxy:default.",
    ),
    Setting(
        "DIALECT_HOSTS",
        kinds.WORDS,
        "",
        "dialects",
        "`host=dialect:workspace,...` serves a dialect at the root of one host name.",
    ),
    Setting(
        "MEMORYHUB_CORS_DIALECTS",
        kinds.DIALECT_ORIGINS,
        "",
        "dialects",
        "`dialect=origin,...`: web pages that may call a dialect. Workspaces have their own list.",
    ),
    Setting(
        "LOG_LEVEL", kinds.choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "logs", "Least level that is written."
    ),
    Setting("LOG_FORMAT", kinds.choice("json", "text"), "json", "logs", "One JSON object a line, or text for people."),
    Setting(
        "MEMORYHUB_METRICS_LOCAL",
        kinds.FLAG,
        "true",
        "logs",
        "/metrics answers a loopback peer without a token. Turn it off when a proxy on the same machine forwards "
        "strangers without X-Forwarded-For.",
    ),
    Setting(
        "MEMORYHUB_METRICS_DIR",
        kinds.PATH,
        "",
        "logs",
        "Where the processes of one web server share their counters. Empty means `metrics` in MEMORYHUB_DATA.",
    ),
    Setting(
        "MEMORYHUB_DATA",
        kinds.PATH,
        "~/.local/share/memoryhub",
        "embedded",
        "The data directory; XDG_DATA_HOME moves the default.",
    ),
    Setting(
        "MEMORYHUB_PG_BINDIR",
        kinds.PATH,
        "",
        "embedded",
        "Directory of the PostgreSQL programs to use instead of the bundled ones.",
    ),
    Setting(
        "MEMORYHUB_VALKEY_SERVER",
        kinds.PATH,
        "",
        "embedded",
        "The Valkey or Redis server program to use instead of the bundled one.",
    ),
    Setting(
        "MEMORYHUB_ENV_FILE",
        kinds.PATH,
        ".env",
        "embedded",
        "File read beside the environment, which wins over it; `none` reads no file. Not taken from the file.",
    ),
    Setting("MEMORYHUB_URL", kinds.WEB_ADDRESS, "", "client", "The hub that the client talks to."),
    Setting("MEMORYHUB_TOKEN", kinds.TEXT, "", "client", "The client's token.", secret=True),
    Setting("MEMORYHUB_WORKSPACE", kinds.SLUG, "default", "client", "The client's workspace."),
)

BY_NAME = {setting.name: setting for setting in SETTINGS}
