"""Who may do what: bearer tokens (JWT), and the company that they speak for.

Which algorithms are accepted follows from the settings alone, never from the token: HS256 with JWT_SECRET, or RS256 and ES256 with
the keys of API_JWKS_FILE. So no public key can be taken for a secret, and `none` for a signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import Request

from serving.errors import ApiError, brief, invalid
from serving.jwks import KeyFile
from serving.requests import LONGEST_ID, query_fields
from serving.settings import Settings

if TYPE_CHECKING:
    from jwt import PyJWK

LEEWAY_SECONDS = 30
READ, WRITE, OPERATOR = "company:read", "company:write", "platform:admin"


class Keys:
    """What signatures are checked with. Raises SettingsError where the file of keys cannot be read at the start."""

    def __init__(self, settings: Settings) -> None:
        self._secret, self._audience = settings.jwt_secret, settings.audience or None
        self._file = KeyFile(settings.jwks_file) if settings.jwks_file else None

    def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature, `exp` and `nbf` hold. Raises ApiError 401."""
        # a tenth of a second to import, which a process that checks no token need not spend
        import jwt

        try:
            key, algorithms = self._key(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub", *(["aud"] if self._audience else [])]},
            )
        except jwt.ExpiredSignatureError:
            _unknown_caller("The token has expired.")
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # the reason is of use to who forges alone
            _unknown_caller("The token is not valid here.")
        return claims

    def _key(self, token: str) -> tuple[str | PyJWK, list[str]]:
        if self._file is not None:
            key = self._file.find(token)
            return key, [key.algorithm_name]
        if not self._secret:
            _unknown_caller("No token is accepted here: neither JWT_SECRET nor API_JWKS_FILE is set.")
        return self._secret, ["HS256"]


def authorized(request: Request, scope: str) -> str:
    """The company that the caller acts for, with a token of that scope or an operator's.

    An operator names the company by `?companyId=`; anyone else may, as long as it is the token's own. Each scope stands by itself:
    writing does not imply reading. Raises ApiError 401, 403, 404 for another company, 400 where an operator names none, 429.
    """
    claims, scopes = _told(request)
    own = claims.get("companyId")
    asked = query_fields(request.scope["query_string"].decode("latin-1")).get("companyId")
    if OPERATOR in scopes:
        if not asked:
            raise invalid("companyId", "is required of an operator.")
        company = asked
    else:
        if not isinstance(own, str) or not 0 < len(own) <= LONGEST_ID or "\0" in own:
            _unknown_caller("The token names no company.")
        if scope not in scopes:
            raise ApiError(403, "Not allowed", f"The token's scopes do not include {scope}.")
        if asked and asked != own:
            raise ApiError(404, "Unknown company", f"The token does not speak for the company {brief(asked)}.")
        company = own
    request.state.company, request.state.subject = company, claims["sub"]
    request.state.guards.admit_named(company, request.state.admitted)
    return company


def operator(request: Request) -> None:
    """Let an operator alone by, for what belongs to no company. Raises ApiError 401, 403."""
    claims, scopes = _told(request)
    if OPERATOR not in scopes:
        raise ApiError(403, "Not allowed", f"The token's scopes do not include {OPERATOR}.")
    request.state.subject = claims["sub"]


def _told(request: Request) -> tuple[Mapping[str, Any], list[Any]]:
    """The claims of the request's token, and its scopes."""
    claims = request.state.keys.claims(_bearer(request))
    scopes = claims.get("scope")
    if not isinstance(scopes, list):
        _unknown_caller("The token has no list of scopes.")
    return claims, scopes


def _bearer(request: Request) -> str:
    given = request.headers.getlist("authorization")
    scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        _unknown_caller("Send one Authorization header: Bearer and a token.", "")
    return token.strip()


def _unknown_caller(detail: str, problem: str = ', error="invalid_token"') -> NoReturn:
    raise ApiError(401, "Not authorized", detail, headers={"www-authenticate": f'Bearer realm="upsell"{problem}'})
