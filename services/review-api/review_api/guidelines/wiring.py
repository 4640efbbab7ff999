"""What the room of guidelines is made of."""

from fastapi import APIRouter
from labelmill.embedding import load_embedder
from labelmill.runtime.postgres import Database
from labelmill.runtime.publisher import Publisher
from labelmill.runtime.service import Context

from review_api.accounts.access import Access
from review_api.gold.desk import GoldDesk
from review_api.guidelines import api, campaign_api, edge_case_api
from review_api.guidelines.campaign_store import Campaigns
from review_api.guidelines.campaign_work import CampaignWork
from review_api.guidelines.campaigning import Campaigning
from review_api.guidelines.choosing import Choosing
from review_api.guidelines.edge_cases import EdgeCases
from review_api.guidelines.editor import Editor
from review_api.guidelines.planning import Planner
from review_api.guidelines.store import Guidelines
from review_api.projects.in_force import InForce
from review_api.projects.publishing import ProjectPublisher
from review_api.projects.store import ProjectStore


def campaigning(context: Context, database: Database, publisher: Publisher) -> Campaigning:
    """Return the component that sends campaigns' items."""
    work, projects = CampaignWork(database), ProjectStore(database)
    return Campaigning(context, work, Planner(work, projects, load_embedder), projects, publisher)


def routers(
    database: Database, projects: ProjectStore, publishing: ProjectPublisher, desk: GoldDesk, access: Access
) -> list[APIRouter]:
    """Return the routes about guidelines, campaigns and edge cases."""
    guidelines, edge_cases, campaigns = Guidelines(database), EdgeCases(database), Campaigns(database)
    editor = Editor(guidelines, edge_cases, projects, publishing)
    choosing = Choosing(campaigns, guidelines, edge_cases, projects)
    return [
        api.router(editor, access),
        campaign_api.router(choosing, campaigns, access),
        edge_case_api.router(desk, edge_cases, InForce(projects), access),
    ]
