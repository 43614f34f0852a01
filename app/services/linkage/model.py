"""What was learnt of how records of one person agree, and what is usual where nothing was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.domain.linkage import LEVELS, MISSING, Field, level_name

MODEL_VERSION: Final = 1
"""Rises when fields or levels change; a model of another version is trained anew."""

USUAL_DUPLICATES: Final = 0.3
"""For each record, so many pairs of one person, where nobody has counted."""

Probabilities = Mapping[Field, Mapping[str, tuple[float, float]]]
"""m and u of every level of every field."""

USUAL: Final[Probabilities] = {
    field: {level.name: (level.m, level.u) for level in levels} for field, levels in LEVELS.items()
}


@dataclass(frozen=True, slots=True)
class LinkageModel:
    """What was learnt of how records of one person agree.

    Attributes:
        probabilities: m and u of every level of every field.
        prior: the probability that two records drawn at random are one person's.
        records: how many it was learnt from.
        homes_are_shared: whether people among them live together; where there are too few to tell, they do.
    """

    probabilities: Probabilities
    prior: float
    records: int
    homes_are_shared: bool = True

    def bits(self, levels: Mapping[Field, int]) -> dict[Field, float]:
        """What each field says of two records whose fields stand at these levels, without how rare a name is."""
        said = {}
        for field, levels_of_field in self.probabilities.items():
            number = levels.get(field, MISSING)
            m, u = (1.0, 1.0) if number == MISSING else list(levels_of_field.values())[-1 - number]
            said[field] = math.log2(m / u)
        return said

    def reasons(self, levels: Mapping[Field, int]) -> list[dict[str, Any]]:
        """What each field that both records have says: `{"field", "level", "bits"}`, the strongest first."""
        bits = self.bits(levels)
        said = [
            {"field": field.value, "level": level_name(field, number), "bits": round(bits[field], 1)}
            for field, number in levels.items()
            if number != MISSING
        ]
        return sorted(said, key=lambda reason: -abs(float(reason["bits"])))

    @property
    def prior_bits(self) -> float:
        """How rare it is that two records are one person's, as a negative weight."""
        return math.log2(self.prior / (1 - self.prior))

    def as_json(self) -> dict[str, Any]:
        """The model as it is kept."""
        return {
            "version": MODEL_VERSION,
            "records": self.records,
            "prior": self.prior,
            "homes_are_shared": self.homes_are_shared,
            "fields": {
                field.value: {level: {"m": m, "u": u} for level, (m, u) in levels.items()}
                for field, levels in self.probabilities.items()
            },
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "LinkageModel | None":
        """The model that was kept; None for one of another version."""
        if kept.get("version") != MODEL_VERSION:
            return None
        fields = kept["fields"]
        return cls(
            probabilities={
                field: {
                    level.name: (fields[field][level.name]["m"], fields[field][level.name]["u"])
                    for level in LEVELS[field]
                }
                for field in LEVELS
            },
            prior=kept["prior"],
            records=kept["records"],
            homes_are_shared=kept["homes_are_shared"],
        )


def usual_probabilities(records: int) -> Probabilities:
    """What is usual, in a file of this size: nobody shares a telephone with more than one or two others."""
    chance = 1.0 / max(records, 1000)
    rare = {Field.CONTACT: {"phone_and_home", "phone_and_area", "phone", "home"}}
    return {
        field: {name: (m, max(u, chance) if name in rare.get(field, ()) else u) for name, (m, u) in levels.items()}
        for field, levels in USUAL.items()
    }


def usual_model(records: int) -> LinkageModel:
    """By what is decided before anything was learnt, among so many records."""
    pairs = max(1.0, records * (records - 1) / 2)
    return LinkageModel(usual_probabilities(records), min(USUAL_DUPLICATES * max(records, 2) / pairs, 0.2), records)
