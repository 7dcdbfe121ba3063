"""The credentials of an IAM role, by the token of a Kubernetes service account (IRSA), renewed before they expire."""

from minio.credentials.credentials import Credentials
from minio.credentials.providers import WebIdentityProvider
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from stockpipe.common.errors import ConfigError
from stockpipe.common.lake.s3_bucket import Role
from stockpipe.common.lake.store import StoreRefused, StoreUnavailable


class RoleCredentials(WebIdentityProvider):
    """Asks the token service for the role's credentials. Its own errors tell the token, so they are replaced."""

    def __init__(self, role: Role, http_client: PoolManager) -> None:
        super().__init__(
            jwt_provider_func=lambda: {"access_token": role.token_file.read_text()},
            sts_endpoint=role.token_service,
            role_arn=role.arn,
            http_client=http_client,
        )
        self._role = role

    def retrieve(self) -> Credentials:
        """Return credentials that are valid.

        Raises:
            ConfigError: the token's file can't be read.
            StoreRefused: the token service refuses role or token.
            StoreUnavailable: it can't be reached.
        """
        role = self._role
        try:
            return super().retrieve()
        except OSError as error:
            raise ConfigError(
                f"AWS_WEB_IDENTITY_TOKEN_FILE={str(role.token_file)!r} can't be read: {error.strerror}"
            ) from None
        except ValueError:
            raise StoreRefused(
                f"{role.token_service} refuses the role {role.arn}; check AWS_ROLE_ARN, and that the role's trust "
                "policy names this service account"
            ) from None
        except HTTPError:
            raise StoreUnavailable(f"the token service {role.token_service} can't be reached; try again") from None
