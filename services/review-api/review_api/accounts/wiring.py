"""What the room of accounts is made of."""

from dataclasses import dataclass

from fastapi import APIRouter
from labelmill.runtime.postgres import Database

from review_api.accounts import administration, api, audit_api, invitations_api, members_api, oidc_api
from review_api.accounts.access import Access
from review_api.accounts.arrivals import Arrivals
from review_api.accounts.audit import AuditLog
from review_api.accounts.cookies import session_cookie
from review_api.accounts.door import Door
from review_api.accounts.first_admin import FirstAdmin
from review_api.accounts.identities import IdentityStore
from review_api.accounts.invitations import InvitationStore
from review_api.accounts.members import MemberStore
from review_api.accounts.oidc import Provider
from review_api.accounts.secrecy import Passwords
from review_api.accounts.store import AccountStore
from review_api.accounts.throttle import Throttle
from review_api.projects.store import ProjectStore
from review_api.settings import ReviewSettings


@dataclass(frozen=True)
class Accounts:
    """What others need of the room: who may do what, what makes the first account, and the routes."""

    access: Access
    first_admin: FirstAdmin
    routers: tuple[APIRouter, ...]


def build(
    database: Database, projects: ProjectStore, throttle: Throttle, settings: ReviewSettings
) -> Accounts:
    """Return the room."""
    accounts, passwords = AccountStore(database, settings.session_idle_hours * 3600), Passwords()
    invitations, identities = InvitationStore(database), IdentityStore(database)
    cookie = session_cookie(settings)
    access = Access(accounts, cookie, throttle, cache_seconds=settings.principal_cache_seconds)
    door = Door(accounts, access, cookie, settings)
    away = oidc_api.AwayDesk(Provider(settings), identities, settings)
    arrivals = Arrivals(identities, invitations, access, settings)
    routers = (
        api.router(accounts, access, passwords, door),
        api.token_router(accounts, access),
        administration.router(accounts, access, passwords),
        audit_api.router(AuditLog(database), access),
        members_api.router(MemberStore(database), projects, access),
        invitations_api.router(invitations, projects, access),
        invitations_api.invited_router(invitations, access, passwords, door),
        oidc_api.router(away, access, settings),
        oidc_api.return_router(away, arrivals, access, door),
    )
    return Accounts(access, FirstAdmin(accounts, passwords, settings), routers)
