"""The part of the settings that says how people log in."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from dataos.core.settingareas import Area

_RSA, _CURVES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("ES256", "ES384", "ES512", "Ed25519", "EdDSA")
OIDC_ALGORITHMS = (*_RSA, *_CURVES)
"""Signatures by public keys. Those by a shared secret, and none at all, are no choice."""


class OidcSettings(Area):
    """Login at an OpenID Connect provider: docs/howto/sign-in.md."""

    issuer: str | None = Field(
        default=None,
        description="The provider's issuer, as it stands in its tokens: https://login.example/realms/data. "
        "Default: nobody logs in at a provider.",
    )
    client_id: str = Field(default="dataos", min_length=1, description="What the provider calls this installation.")
    client_secret: SecretStr | None = Field(
        default=None, description="Its secret there; give it as DATAOS_AUTH__OIDC__CLIENT_SECRET."
    )
    client_secret_file: str | None = Field(
        default=None, description="File that holds the secret instead (its last line break does not count)."
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"), description="What is asked for; `openid` is always among it."
    )
    connector: str = Field(
        default="oidc",
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Name of this provider in the records of persons (`federated_connector_id`).",
    )
    user_claim: str = Field(
        default="preferred_username",
        description="Claim that a person's id is made of (of an e-mail address, what stands before the @).",
    )
    create_persons: bool = Field(
        default=False, description="Whoever the provider lets in becomes a person here at the first login."
    )
    link_persons: bool = Field(
        default=False,
        description="A person who is here already, without a provider, is taken for the one of the same id there. Only "
        "where nobody can choose that claim freely. Never the built-in administrator.",
    )
    groups_claim: str = Field(default="groups", description="Claim that lists a person's groups.")
    groups_as_roles: bool = Field(
        default=True, description="A group gives the role of the same name, where there is one: `roles:id:<group>`."
    )
    group_tags: dict[str, tuple[str, ...]] = Field(
        default={}, description="Tags that groups give beside that: {people-of-data: [roles:id:data-dev]}."
    )
    algorithms: tuple[str, ...] = Field(
        default=("RS256", "ES256", "PS256"), min_length=1, description="Signatures that are accepted."
    )
    timeout_s: float = Field(default=10.0, gt=0, description="Seconds that the provider may take to answer.")

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, text: str | None) -> str | None:
        if text is None:
            return None
        parts = urlsplit(text)
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not here):
            raise ValueError("write https://HOST/...; http is for a provider on this machine only")
        return text

    @field_validator("algorithms")
    @classmethod
    def _are_signatures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        weak = [name for name in names if name not in OIDC_ALGORITHMS]
        if weak:
            raise ValueError(f"not {', '.join(weak)}; allowed: {', '.join(OIDC_ALGORITHMS)}")
        return names


class AuthSettings(Area):
    """How people log in: docs/howto/sign-in.md."""

    passwords: bool = Field(default=True, description="Persons may log in with a password that they set here.")
    session_h: float = Field(default=12.0, gt=0, description="Hours that a login lasts.")
    invitation_min: float = Field(
        default=10.0, gt=0, description="Minutes in which the link of `dataos user invite` can be used."
    )
    tries: int = Field(
        default=5,
        ge=1,
        description="Wrong passwords for one user from one address, after which each next try must wait longer. Four "
        "times as many from one address, ten times as many for one user from anywhere.",
    )
    wait_most_s: float = Field(default=900.0, ge=1, description="The longest such wait (seconds).")
    wrong_tokens: int = Field(
        default=300,
        ge=1,
        description="Unknown tokens from one address in a minute, beyond which the answer is 429. A right one always "
        "passes.",
    )
    password_memory_mib: int = Field(
        default=64, ge=19, le=1024, description="Memory (MiB) that one guess at a password costs (Argon2id)."
    )
    password_passes: int = Field(default=3, ge=1, le=20, description="Passes over it that a guess costs.")
    public_url: str | None = Field(
        default=None,
        description="This installation's address as people's browsers reach it, for links and for the provider: "
        "https://dataos.example. Default: the address that it listens at.",
    )
    oidc: OidcSettings = Field(default=OidcSettings(), description="Login at an OpenID Connect provider.")

    @field_validator("public_url")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        parts = urlsplit(text or "http://localhost")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write https://HOST, with a path where the server stands below one")
        return text.rstrip("/") if text else None
