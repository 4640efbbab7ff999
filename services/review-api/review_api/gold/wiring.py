"""What the room of gold is made of."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from labelmill.runtime.postgres import Database
from labelmill.runtime.service import Context

from review_api.accounts.access import Access
from review_api.gold import api, items_api
from review_api.gold.checks import CheckStore
from review_api.gold.desk import GoldDesk
from review_api.gold.draw import Draw
from review_api.gold.hands import Hands
from review_api.gold.judge import Judge
from review_api.gold.pauses import PauseGate, PauseStore
from review_api.gold.people import People
from review_api.gold.store import GoldStore
from review_api.projects.in_force import InForce
from review_api.settings import ReviewSettings
from review_api.tasks.desk import Desk
from review_api.tasks.gates import Gate, Sensitivity
from review_api.tasks.rereviews import Rereviews
from review_api.tasks.skills import Entrance, SkillStore
from review_api.tasks.store import TaskStore


@dataclass(frozen=True)
class Gold:
    """The desk that reviewers come to, what judges them, and what the routes about gold need."""

    desk: GoldDesk
    hands: Hands
    judge: Judge
    store: GoldStore
    checks: CheckStore
    pauses: PauseStore
    gate: PauseGate
    people: People
    skills: SkillStore
    in_force: InForce

    @classmethod
    def of(
        cls,
        context: Context,
        database: Database,
        in_force: InForce,
        *,
        sensitivity: Sensitivity,
        gates: Sequence[Gate],
        settings: ReviewSettings,
    ) -> "Gold":
        """Put it together, behind the pause and the other `gates`."""
        store, checks, pauses = GoldStore(database), CheckStore(database), PauseStore(database)
        gate, people, skills = (
            PauseGate(pauses),
            People(database, store, checks, pauses),
            SkillStore(database),
        )
        entrance = Entrance(skills, sensitivity, [gate, *gates])
        judge = Judge(
            database,
            people=people,
            gate=gate,
            pauses=pauses,
            skills=skills,
            rereviews=Rereviews(database),
            in_force=in_force,
            metrics=context.metrics,
            health=context.health,
            undo_seconds=settings.undo_seconds,
        )
        tasks, draw = TaskStore(database), Draw(secrets.token_bytes(32))
        desk = GoldDesk(
            Desk(tasks, in_force, entrance, context.metrics, settings),
            checks=checks,
            people=people,
            judge=judge,
            draw=draw,
            in_force=in_force,
            entrance=entrance,
            metrics=context.metrics,
            settings=settings,
        )
        hands = Hands(
            database,
            tasks,
            in_force=in_force,
            entrance=entrance,
            lease_seconds=settings.lease_seconds,
        )
        return cls(desk, hands, judge, store, checks, pauses, gate, people, skills, in_force)

    def routers(self, access: Access, claim_most: int) -> list[APIRouter]:
        """Return the routes about gold."""
        return [
            items_api.router(self.store, self.people, self.in_force, access),
            api.router(
                self.desk,
                self.hands,
                self.checks,
                pauses=self.pauses,
                gate=self.gate,
                people=self.people,
                skills=self.skills,
                in_force=self.in_force,
                access=access,
                claim_most=claim_most,
            ),
        ]
