"""Imports: files from other systems, how far they are and how their rows ended; and the systems themselves."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.domain.importing.mapping import LARGEST
from app.models.imports import ImportState
from app.schemas.common import FilledLine, Line, left_out

SourceKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$"),
    Field(description="By which a feeding system is known: small letters, digits, - and _.", examples=["sales"]),
]
MappingText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LARGEST),
    Field(description="Which column is what, in TOML, as docs/importing.md explains it."),
]
_MAPPING: Final = '[columns]\nid = "客户编号"\nname = "姓名"\nphone = ["手机", "电话"]\n'


class ImportCreate(BaseModel):
    """An import to be begun; its file is sent next, to `/imports/{id}/content`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"source": "sales", "file_name": "customers.csv", "mapping": _MAPPING}]},
    )

    source: SourceKey
    file_name: FilledLine
    mapping: MappingText | None = Field(default=None, description="Without it one is guessed, to be looked at first.")
    dry_run: bool = Field(default=False, description="Say how the rows would end, and write nothing.")


class ImportMapping(BaseModel):
    """Which column is what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"mapping": _MAPPING}]})

    mapping: MappingText


class ImportRead(BaseModel):
    """An import as it stands."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source: str
    file_name: str
    file_size: int | None = Field(description="Bytes; null until the file was sent.")
    is_dry_run: bool
    state: ImportState
    progress: float = Field(description="The part of the file that is done, from 0 to 1.")
    row_no: int = Field(description="The last row of the file that is done.")
    created: int
    updated: int
    unchanged: int
    rejected: int = Field(description="Rows that were not taken; `/imports/{id}/rejects` has them.")
    reasons: dict[str, int] = Field(description="How many were not taken for which reason.")
    error_code: str | None = Field(description="Why the file as a whole could not be read on.")
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class GuessedRow(BaseModel):
    """A row of the file as the guessed mapping would read it."""

    row_no: int
    said: dict[str, str]
    reject: str | None = Field(description="Why it would not be taken.")


class ImportGuess(BaseModel):
    """A mapping that the header suggests, and the first rows by it."""

    mapping: str
    header: list[str]
    header_row: int
    unused: list[str] = Field(description="Columns that the mapping leaves out.")
    rows: list[GuessedRow] = Field(description="Empty where no column looks like the id.")


class SourceUpdate(BaseModel):
    """How far a feeding system is believed. What its customers' fields are is worked out anew in the background."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "销售系统", "rank": 10, "trusted": True}]}
    )

    name: Line = left_out()
    rank: Annotated[int, Field(ge=-1000, le=1000)] = left_out()
    trusted: bool = left_out()


class SourceSettings(BaseModel):
    """A feeding system. Of trusted ones the higher rank beats the lower; they beat all that are not trusted."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    name: str
    rank: int
    trusted: bool
    is_settling: bool = Field(description="True while customers are worked out anew after a change of trust.")
    updated_at: datetime
