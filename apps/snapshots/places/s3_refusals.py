"""What an S3-speaking server answered, in our words. Names codes and never messages: those can hold credentials."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error, S3UploadFailedError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    SSLError,
    TokenRetrievalError,
    ValidationError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from apps.common.errors import DomainError
from apps.snapshots.places.errors import (
    DeleteRefused,
    ObjectExists,
    ObjectMissing,
    TargetDenied,
    TargetFull,
    TargetUnavailable,
)

_PASSING = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "ConditionalRequestConflict"})
_FULL = frozenset({"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientCapacity"})
_UNKNOWN_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidClientTokenId", "401"}
)
_WRONG_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301"}
)
_ABSENT_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, TokenRetrievalError)
_CODE = re.compile(r"[A-Za-z0-9.]{1,60}")
UNKNOWN_CONDITION = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "NotSupported"})
"""How servers refuse a header that they do not know, such as `If-None-Match` of a write."""


def code_of(error: ClientError) -> str:
    """The server's code of a refusal, or the status where there is none, as for HEAD."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else str(status_of(error))


def status_of(error: ClientError) -> int:
    """The HTTP status of a refusal."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def refusal(error: ClientError, step: str) -> DomainError:
    """What a caller is told of a server's answer to a step: `write`, `read`, `list` or `delete`."""
    code, status = code_of(error), status_of(error)
    if code in _FULL or status == 507:
        return TargetFull()
    if code in _PASSING or status in (408, 429) or (status >= 500 and status != 501):
        return TargetUnavailable(f"The target failed to {step} ({code}).")
    if status == 412:
        return ObjectExists()
    if status == 404 and code != "NoSuchBucket" and step == "read":
        return ObjectMissing()
    return _denial(code, status, step)


def _denial(code: str, status: int, step: str) -> TargetDenied:
    if code == "NoSuchBucket":
        return TargetDenied("The bucket does not exist.")
    if code in _UNKNOWN_CREDENTIALS:
        return TargetDenied(f"The target does not know these credentials ({code}).")
    if code in _WRONG_REGION:
        return TargetDenied(f"The bucket lies in another region than was given ({code}).")
    if code == "RequestTimeTooSkewed":
        return TargetDenied("The clock of this machine differs too much from the target's (RequestTimeTooSkewed).")
    if status == 403:
        kind = DeleteRefused if step == "delete" else TargetDenied
        return kind(f"The credentials may not {step} there ({code}).")
    return TargetDenied(f"The target refused to {step} ({code}).")


@contextmanager
def told(step: str) -> Iterator[None]:
    """Tells the failures of boto3 inside in these words."""
    try:
        yield
    except ClientError as error:
        raise refusal(error, step) from error
    except S3UploadFailedError as error:
        # boto3's word for an upload in parts; the server's answer is what it was made of.
        if isinstance(error.__context__, ClientError):
            raise refusal(error.__context__, step) from error
        raise TargetUnavailable(f"The target failed to {step}.") from error
    except _ABSENT_CREDENTIALS as error:
        raise TargetDenied("There are no credentials for the target.") from error
    except (ParamValidationError, ValidationError) as error:
        raise TargetDenied(f"The target's settings do not let anything {step}: no such bucket or region.") from error
    except SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise TargetDenied("The target's TLS certificate cannot be trusted.") from error
        raise TargetUnavailable(f"The connection to the target failed to {step}.") from error
    except ResponseParserError as error:
        raise TargetUnavailable("The target answered with something that S3 does not say.") from error
    except (BotoCoreError, Boto3Error, HTTPError) as error:
        # The last where a refusal breaks off: boto3 reads its text without expecting that.
        raise TargetUnavailable(f"The target did not answer to {step} ({type(error).__name__}).") from error
