"""What somebody types about a complaint, cut up so that answers can be found by it: Chinese is written without spaces.

Of a run of Chinese characters every two beside each other; of anything else whole words, without a plural's s.
"""

from typing import Final

from app.domain.search_terms import fold, is_han, runs, words

MOST_GRAMS: Final = 400

_SAY_NOTHING: Final = frozenset(
    "a an and are at by for from has i in is it my not of on or the this to was we with".split()
)


def grams_of(*texts: str) -> list[str]:
    """The pieces of some texts, each once, in order."""
    found: dict[str, None] = {}
    for text in texts:
        for word in words(fold(text)):
            for run in runs(word):
                found.update(dict.fromkeys(_pieces(run)))
    return list(found)[:MOST_GRAMS]


def _pieces(run: str) -> list[str]:
    if is_han(run):
        return [run[first : first + 2] for first in range(len(run) - 1)]
    plain = run.removesuffix("s") if len(run) > 3 else run
    return [] if run in _SAY_NOTHING else [plain]
