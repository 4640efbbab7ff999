"""What the OpenAPI document says about answers."""

from typing import Any

from pydantic import BaseModel

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """Every refusal: a short stable code, and a sentence."""

    error: str
    detail: str


_MEANINGS = {
    401: "No valid sign-in or token.",
    403: "The account lacks the role, or the CSRF token is missing.",
    404: "No such project, item, task, account or token.",
    408: "The request stopped in the middle.",
    409: "The lease is lost, or it is too late.",
    413: "The body is too long.",
    415: "The content encoding is not known.",
    422: "The input cannot be used; `detail` says what is wrong with it.",
    429: "Too much at once; the Retry-After header says how many seconds to wait.",
    503: "Kafka or the database is away; the Retry-After header says how many seconds to wait.",
}


def documented(model: type[BaseModel] | None, *errors: int, status: int = 200) -> Responses:
    """Return the `responses` of a route: the model of its success, and the errors it may answer."""
    success: dict[str, Any] = {"description": "Done."}
    if model is not None:
        success["model"] = model
    refusals: Responses = {code: {"model": Problem, "description": _MEANINGS[code]} for code in errors}
    return {status: success, **refusals}
