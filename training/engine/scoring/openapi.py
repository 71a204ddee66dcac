"""The scorer's API as an OpenAPI document, for clients and for tests that try everything it allows."""

from __future__ import annotations

import functools
from typing import Any

from training.engine.scoring.bodies import MAX_COMPLETIONS

Json = dict[str, Any]
_TEXT: Json = {"type": "string"}
_NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
_PROBLEMS = {
    "400": "The body is not what its content type says.",
    "401": "The scorer asks for a token.",
    "404": "No such model is served.",
    "405": "Another method.",
    "408": "The body took too long to come.",
    "413": "Too large, or too many completions.",
    "422": "Something in the body is off; the message names it.",
    "429": "The queue is full; Retry-After says for how long.",
    "500": "The model could not compute it.",
    "503": "The scorer is going down.",
    "504": "The deadline passed.",
}


def _object(properties: Json, required: tuple[str, ...] = (), **more: Any) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _list(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _one_or_many(text: str) -> Json:
    return {"description": text, "anyOf": [_TEXT, _list(_TEXT, minItems=1, maxItems=MAX_COMPLETIONS)]}


_MESSAGE = _object({"role": _TEXT, "content": _TEXT}, ("role", "content"))
_OPTIONS: Json = {
    "too_long": {
        "type": "string",
        "enum": ["truncate", "refuse"],
        "description": "What becomes of a text that the model cannot read whole: cut on the left of its prompt, and "
        "said so, or refused. Left out: the server's own setting.",
    },
    "deadline_ms": {
        "type": "number",
        "minimum": 1,
        "maximum": 3_600_000,
        "description": "Give up after this long; what has not been scored then never is.",
    },
}
_MODEL: Json = {
    "type": "string",
    "description": 'A name (its newest promoted version), "name@version", or several joined by +. '
    "Trainers' bodies may leave it out where one model is served.",
}
_SCHEMAS: Json = {
    "Ask": _object(
        {
            "model": _MODEL,
            "items": _list(
                _object(
                    {
                        "messages": _list(_MESSAGE, minItems=1),
                        "completions": _list({"type": "string", "minLength": 1}, minItems=1),
                        "is_safety_prompt": {"type": "boolean"},
                    },
                    ("messages", "completions"),
                ),
                minItems=1,
            ),
            **_OPTIONS,
            "distances": {
                "type": "boolean",
                "description": "Whether to say how far each completion lies from the texts that the model was trained "
                "on. Several models joined by + say nothing.",
            },
        },
        ("model", "items"),
    ),
    "Scores": _object(
        {
            "model": _TEXT,
            "version": _or_null({"type": "integer"}),
            "models": _list(_object({"name": _TEXT, "version": {"type": "integer"}, "n_members": {"type": "integer"}})),
            "items": _list(
                {
                    "anyOf": [
                        _object(
                            {
                                "rewards": _NUMBERS,
                                "n_tokens": _list({"type": "integer"}),
                                "truncated": _list({"type": "boolean"}),
                                "members": _or_null(_list(_NUMBERS)),
                                "uncertainty": _or_null(_NUMBERS),
                                "calibrated": _or_null(_NUMBERS),
                                "distances": {
                                    **_NUMBERS,
                                    "description": "Where asked for: the share of training texts that lie nearer to "
                                    "their middle, in the features that the reward is read from.",
                                },
                                "by_model": {
                                    "type": "object",
                                    "additionalProperties": _object({"rewards": _NUMBERS}, ("rewards",)),
                                },
                            },
                            ("rewards", "n_tokens", "truncated", "members", "uncertainty", "calibrated"),
                        ),
                        {"$ref": "#/components/schemas/Problem"},
                    ]
                }
            ),
        },
        ("model", "version", "models", "items"),
    ),
    "Problem": _object({"error": _object({"code": _TEXT, "message": _TEXT}, ("code", "message"))}, ("error",)),
    "Query": _object(
        {
            "model": _MODEL,
            "query": _list({"type": "string", "minLength": 1}, minItems=1, maxItems=MAX_COMPLETIONS),
            "prompts": _list(_TEXT),
            "labels": {},
            **_OPTIONS,
        },
        ("query",),
    ),
    "Rewards": _object(
        {"rewards": _NUMBERS, "scores": _NUMBERS, "extra_logs": {"type": "object"}, "model": _TEXT},
        ("rewards", "scores", "extra_logs"),
    ),
    "Classify": _object(
        {
            "model": _MODEL,
            "input": _one_or_many("Conversations that a chat template has made."),
            "messages": _list(_MESSAGE, minItems=2),
            "use_activation": {"type": "boolean", "description": "false: the reward itself, not its sigmoid."},
            **_OPTIONS,
        },
        anyOf=[{"required": ["input"]}, {"required": ["messages"]}],
    ),
    "Score": _object(
        {
            "model": _MODEL,
            "text_1": _one_or_many("A prompt, or one for each completion."),
            "text_2": _one_or_many("Completions."),
            "use_activation": {"type": "boolean"},
            **_OPTIONS,
        },
        ("text_1", "text_2"),
    ),
    "List": _object(
        {
            "id": _TEXT,
            "object": _TEXT,
            "created": {"type": "integer"},
            "model": _TEXT,
            "data": _list({"type": "object"}),
            "usage": {"type": "object"},
        },
        ("id", "object", "created", "model", "data", "usage"),
    ),
    "Models": _object(
        {
            "models": _list(
                _object(
                    {
                        "name": _TEXT,
                        "version": {"type": "integer"},
                        "axis": _TEXT,
                        "base_model": _TEXT,
                        "max_length": {"type": "integer"},
                        "reward_mean": _or_null({"type": "number"}),
                        "reward_std": _or_null({"type": "number"}),
                        "n_members": {"type": "integer"},
                        "has_calibration": {"type": "boolean"},
                        "has_distances": {"type": "boolean"},
                    }
                )
            )
        },
        ("models",),
    ),
    "Ready": _object(
        {"status": _TEXT, "models": _list(_TEXT), "problem": _TEXT},
        ("status", "models", "problem"),
    ),
}


@functools.cache
def document() -> Json:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Touchstone scorer", "version": "1", "description": "Rewards of completions."},
        "paths": {
            "/v1/score": _post("score", "Rewards of completions of prompts.", "Ask", "Scores"),
            "/get_reward": _post("reward_url", "OpenRLHF's remote_rm_url.", "Query", "Rewards"),
            "/reward": _post("reward_url_too", "The same as /get_reward.", "Query", "Rewards"),
            "/classify": _post("classify", "vLLM's /classify.", "Classify", "List"),
            "/score": _post("text_pairs", "vLLM's /score.", "Score", "List"),
            "/v1/models": _get("models", "What is served.", "Models"),
            "/readyz": _get("readyz", "Whether every model in the registry is served.", "Ready", "503"),
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _post(operation: str, summary: str, asked: str, answered: str) -> Json:
    answers = {"200": _answer("The rewards.", answered)}
    answers |= {status: _answer(text, "Problem") for status, text in _PROBLEMS.items()}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{asked}"}}}}
    return {
        "post": {
            "operationId": operation,
            "summary": summary,
            "requestBody": body,
            "responses": answers,
            "security": [{}, {"token": []}],
        }
    }


def _get(operation: str, summary: str, answered: str, *also: str) -> Json:
    answers = {status: _answer(summary, answered) for status in ("200", *also)}
    answers["401"] = _answer(_PROBLEMS["401"], "Problem")
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "responses": answers,
            "security": [{}, {"token": []}],
        }
    }


def _answer(text: str, schema: str) -> Json:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
