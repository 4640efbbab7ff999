"""Hostile requests to every operation of the OpenAPI document: the server answers as it says."""

import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from labelmill_local.system import System
from review_api.app import build
from review_api.settings import ReviewSettings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

EXAMPLES = 12
PROJECT = "hostile"
DEFINITION = f"""
project: {PROJECT}
title: Hostile
labels: [{{name: positive}}, {{name: negative}}]
guideline: Say which.
voters: [{{name: llm, type: llm, model: m}}]
"""


@schemathesis.serializer("application/x-ndjson")
def ndjson(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """Lines of JSON: one that was generated, and one that fits."""
    return b"\n".join([msgspec.json.encode(str(value)), b'{"item_id": "i", "content": "text"}'])


def _schema() -> OpenApiSchema:
    app = build(ReviewSettings()).app
    assert isinstance(app, FastAPI)
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.config.generation.modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    return schema


SCHEMA = _schema()
OPERATIONS = {result.ok().label: result.ok() for result in SCHEMA.get_all_operations()}
ENDS_THE_SIGN_IN = {"POST /v1/logout"}
SAYS_MORE_THAN_A_SCHEMA = {"POST /v1/projects/{project}/items"}
"""Bodies of which the document cannot say what is taken: lines, packed or not."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    async with System(tmp_path_factory.mktemp("hostile")) as running:
        await running.add("review-api")
        async with running.review_client() as admin:
            (await admin.put(f"/v1/projects/{PROJECT}", content=DEFINITION)).raise_for_status()
        yield running


@pytest.mark.parametrize("label", sorted(set(OPERATIONS) - ENDS_THE_SIGN_IN))
def test_an_operation_answers_as_its_document_says(system: System, label: str) -> None:
    operation = OPERATIONS[label]
    headers = {"Authorization": f"Bearer {system.admin_token}"}
    excluded = [positive_data_acceptance] if label in SAYS_MORE_THAN_A_SCHEMA else []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def attack(case: schemathesis.Case) -> None:
        if "project" in case.path_parameters and len(str(case.path_parameters["project"])) % 2:
            case.path_parameters["project"] = PROJECT  # else nothing but 404 would be seen
        case.call_and_validate(base_url=system.services[0].url, headers=headers, excluded_checks=excluded)

    attack()


def test_the_document_names_every_operation_once() -> None:
    ids = [operation.definition.raw["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids) >= 60
    assert all(
        re.fullmatch(r"[A-Z]+ /v1/.*|GET /(health|ready|live|metrics).*", label) for label in OPERATIONS
    )
