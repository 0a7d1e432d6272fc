"""Batches of verifications: how far one is."""

from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from api.schemas.common import Answer

ROW_FIELDS = {
    "identifier": {"type": "string", "maxLength": 300, "description": "GB/T 36904 identifier as typed; or `qr`."},
    "qr": {"type": "string", "maxLength": 8000, "description": "Text of an HF1 code; or `identifier`."},
    "ref": {
        "type": "string",
        "maxLength": 100,
        "description": "Your own name for the row; comes back with the result.",
    },
    "holder_name": {"type": "string", "maxLength": 200, "description": "Compared; beside an identifier only."},
    "holder_code": {"type": "string", "maxLength": 40, "description": "Compared; beside an identifier only."},
    "at": {"type": "string", "format": "date-time", "description": "Was it valid at this moment?"},
    "known_at": {"type": "string", "format": "date-time", "description": "… as the records knew it then."},
}
_ROW = {"type": "object", "additionalProperties": False, "properties": ROW_FIELDS}
_TEXT = {"type": "string"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "At most 10,000 rows: JSON, one object a line, or a table whose first line names the columns.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["rows"],
                    "additionalProperties": False,
                    "properties": {"rows": {"type": "array", "minItems": 1, "maxItems": 10_000, "items": _ROW}},
                }
            },
            "application/x-ndjson": {"schema": _TEXT},
            "text/csv": {"schema": _TEXT},
        },
    }
}
RESULTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One line a judged row, in the order of the rows; a row still waiting is left out.",
        "content": {"application/x-ndjson": {"schema": _TEXT}, "text/csv": {"schema": _TEXT}},
    }
}


class BatchAnswer(Answer):
    """How far a batch is; rows without a verdict broke a rule and say so in the results."""

    batch_id: str
    total: int
    done: Annotated[int, Field(description="Rows with a verdict.")]
    failed: Annotated[int, Field(description="Rows that could not be judged.")]
    verdicts: Annotated[dict[str, int], Field(description="Rows by VALID, INVALID and UNDETERMINED.")]
    finished: bool
    created_at: AwareDatetime
    expires_at: Annotated[AwareDatetime, Field(description="The batch and all it holds are deleted then.")]
