"""The first account: without it nobody could make the others."""

import structlog

from review_api.accounts import secrecy
from review_api.accounts.store import AccountStore
from review_api.settings import ReviewSettings

log = structlog.get_logger(__name__)

_LABEL = "settings"


class FirstAdmin:
    """A component that makes the admin named in the settings, or brings it up to date, at the start."""

    def __init__(self, store: AccountStore, passwords: secrecy.Passwords, settings: ReviewSettings) -> None:
        self._store = store
        self._passwords = passwords
        self._settings = settings

    async def start(self) -> None:
        name = self._settings.admin_name
        if not name:
            return
        password = self._settings.admin_password.get_secret_value()
        token = self._settings.admin_token.get_secret_value()
        await self._store.put_first(name, await self._passwords.hash(password) if password else None)
        if token:
            await self._store.set_first_token(name, _LABEL, secrecy.token_hash(token))
        log.info("admin account ready", account=name, password=bool(password), token=bool(token))

    async def stop(self) -> None:
        """Nothing to stop."""
