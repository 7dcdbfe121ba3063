"""What went wrong at an S3 server, as an error that names the setting to change, or says to try again."""

import ssl

from minio.error import InvalidResponseError, S3Error
from urllib3.exceptions import HTTPError, MaxRetryError

from stockpipe.common.errors import PipelineError
from stockpipe.common.lake.s3_bucket import Bucket
from stockpipe.common.lake.store import StoreRefused, StoreUnavailable

MAYBE_WRITTEN = {"InvalidPart", "NoSuchUpload", "PreconditionFailed"}
"""What a write is told, too, if an earlier try of it did the work and its answer was lost."""
_HEALS = {"BadDigest", "IncompleteBody", "RequestTimeout", "XAmzContentSHA256Mismatch", *MAYBE_WRITTEN}
_REMEDIES = {
    "AccessDenied": "give the user of MINIO_ACCESS_KEY the right to list the bucket, to read and to write",
    "AuthorizationHeaderMalformed": "check MINIO_REGION",
    "InvalidAccessKeyId": "check MINIO_ACCESS_KEY",
    "InvalidRegion": "check MINIO_REGION",
    "NoSuchBucket": "check LAKE_URL, or create the bucket",
    "PermanentRedirect": "check MINIO_REGION",
    "RequestTimeTooSkewed": "set this machine's clock",
    "SignatureDoesNotMatch": "check MINIO_SECRET_KEY, and that it belongs to MINIO_ACCESS_KEY",
}


def translated(error: Exception, bucket: Bucket) -> PipelineError:
    """Return the error to raise for one of the client's, of S3Error, MinioException or urllib3's HTTPError."""
    at = f"bucket {bucket.name} at {bucket.endpoint}"
    if isinstance(error, S3Error):
        code = error.code or "no code"
        said = f"{code}: {(error.message or 'no message').rstrip('.')}"
        if code in _HEALS:
            return StoreUnavailable(f"{at}: {said}; try again")
        return StoreRefused(f"{at}: {said}; {_REMEDIES.get(code, 'check LAKE_URL and MINIO_ENDPOINT')}")
    if isinstance(error, InvalidResponseError):
        return StoreRefused(f"{at}: the answer is not S3's ({error}); check MINIO_ENDPOINT, http:// or https:// too")
    # "max retries exceeded" is only the envelope
    cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
    return _tls_refusal(cause, at) or StoreUnavailable(f"{at} can't be reached: {_told(cause)}")


def _tls_refusal(error: Exception, at: str) -> StoreRefused | None:
    for cause in error.args:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return StoreRefused(
                f"{at}: its certificate is refused, {cause.verify_message}; check MINIO_CA_FILE and MINIO_ENDPOINT"
            )
        if isinstance(cause, ssl.SSLError) and cause.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return StoreRefused(f"{at} doesn't speak TLS; check whether MINIO_ENDPOINT is http:// instead of https://")
    return None


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, HTTPError) else f"{type(error).__name__}: {error}"
