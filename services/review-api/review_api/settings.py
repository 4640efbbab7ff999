"""Environment variables of review-api, as typed values."""

from labelmill.runtime.settings import DatabaseSettings, ServiceSettings
from pydantic import Field, SecretStr, model_validator


class ReviewSettings(ServiceSettings, DatabaseSettings):
    """What review-api reads besides the settings that every service has."""

    database_pool_size: int = 16

    admin_name: str = ""
    """Account that is made, or given the two secrets that follow, at every start; empty makes none."""
    admin_password: SecretStr = SecretStr("")
    """Its password for the page; empty leaves it as it is."""
    admin_token: SecretStr = SecretStr("")
    """Its API token; empty leaves it as it is."""
    session_hours: float = 12.0
    """How long a sign-in on the page holds."""
    session_idle_hours: float = Field(default=4.0, gt=0)
    """How long it holds while nobody uses it."""
    cookie_secure: bool = False
    """Send cookies over HTTPS only, under names that begin with `__Host-`; set it wherever the page is served
    over HTTPS."""
    login_attempts: int = 5
    """Wrong passwords a minute, per account name and per address, before signing in has to wait."""
    principal_cache_seconds: float = 5.0
    """How long another process's change to accounts, tokens and sessions may go unnoticed."""

    public_url: str = ""
    """Address at which browsers reach the page, such as https://label.example.org; a provider needs it."""
    oidc_issuer: str = ""
    """Provider for signing in with OpenID Connect: its issuer, to the letter; empty: none."""
    oidc_client_id: str = ""
    """What the provider calls this installation."""
    oidc_client_secret: SecretStr = SecretStr("")
    """The client's secret at the provider; empty for a public client."""
    oidc_name: str = "single sign-on"
    """What the page calls the provider."""
    oidc_scope: str = "openid profile"
    """Scopes that are asked for."""
    oidc_roles_claim: str = ""
    """Claim of the id token that names roles (reviewer, manager, admin): at each sign-in they take the place
    of the roles that the account has in all projects. Empty: the provider has no say in roles."""
    oidc_provision: bool = False
    """Make an account for anybody whom the provider lets in; without roles, unless `OIDC_ROLES_CLAIM` gives
    them. Otherwise only who was invited, or has linked an account, comes in."""

    account_requests_per_s: float = Field(default=500.0, ge=0)
    """Requests a second of one account, with all its sessions and tokens, in each process; 0: no limit."""
    account_requests_burst: float = Field(default=2000.0, ge=1)
    """Requests of one account that may come at once, after a pause."""
    address_requests_per_s: float = Field(default=50.0, ge=0)
    """Requests a second from one address that no account answers for (sign-ins, files of the page, refused
    tokens), in each process; 0: no limit."""
    address_requests_burst: float = Field(default=1000.0, ge=1)
    """Requests from one address that no account answers for and that may come at once, after a pause."""

    lease_seconds: float = Field(default=300.0, gt=0)
    """How long a claimed task is held without a heartbeat."""
    claim_most: int = Field(default=20, ge=1)
    """Most tasks that one claim hands out."""
    skip_seconds: float = 3600.0
    """How long a skipped task is not offered to the same reviewer."""
    undo_seconds: float = 10.0
    """How long a decision made on the page can be taken back; decisions with an API token leave at once."""
    most_seconds_per_decision: float = 600.0
    """Longest active time counted for one decision: more means that the reviewer went away."""

    prices_file: str = ""
    """YAML file of models' prices that takes the place of the packaged list prices; empty: those."""

    ingest_concurrency: int = Field(default=4, ge=1)
    """Ingestion requests handled at once; further ones get 429."""
    ingest_most_lag: int = 1_000_000
    """Records the ledger may lag behind before ingestion answers 429."""
    ingest_most_outbox: int = 100_000
    """Decisions that may wait in the outbox before ingestion answers 429."""
    ingest_idle_seconds: float = 30.0
    """Silence in the middle of an ingestion request after which it is given up."""

    ledger_batch_records: int = 4000
    """Most records written to the ledger in one transaction."""
    relay_batch_records: int = 500
    """Most decisions published in one go."""
    relay_poll_seconds: float = 0.1
    """Pause of the relay when nothing is waiting."""
    watch_seconds: float = 5.0
    """Time between two looks at lag, queue and outbox."""

    @model_validator(mode="after")
    def _provider_is_whole(self) -> "ReviewSettings":
        if self.oidc_issuer and not (self.oidc_client_id and self.public_url):
            raise ValueError("OIDC_ISSUER needs OIDC_CLIENT_ID and PUBLIC_URL")
        return self
