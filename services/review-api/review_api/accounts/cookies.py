"""The cookies: the session, and the mark of a browser that is away at a provider of sign-ins."""

from typing import Literal

from fastapi import Request, Response

from review_api.settings import ReviewSettings


class Cookie:
    """A cookie that scripts cannot read, for this host alone.

    Over HTTPS its name begins with `__Host-`: then browsers take it only from this very host, over HTTPS and
    for all its paths, so that no neighbouring subdomain can plant one.
    """

    def __init__(
        self, name: str, same_site: Literal["strict", "lax"], seconds: float, settings: ReviewSettings
    ) -> None:
        self.name = f"__Host-{name}" if settings.cookie_secure else name
        self._same_site = same_site
        self._seconds = int(seconds)
        self._secure = settings.cookie_secure

    def of(self, request: Request) -> str:
        """Return the cookie's value in a request; empty if there is none."""
        return request.cookies.get(self.name, "")

    def set(self, response: Response, value: str) -> None:
        response.set_cookie(
            self.name,
            value,
            max_age=self._seconds,
            httponly=True,
            samesite=self._same_site,
            secure=self._secure,
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self.name, httponly=True, samesite=self._same_site, secure=self._secure)


def session_cookie(settings: ReviewSettings) -> Cookie:
    """Return the cookie of a session: no request that another site has a browser make carries it."""
    return Cookie("labelmill_session", "strict", settings.session_hours * 3600, settings)
