"""Names of people brought into the one form in which they are compared."""

import re
import unicodedata
from typing import Final

_NOT_A_LETTER: Final = re.compile(r"[^\w\s]|_|\d")
_BETWEEN_WORDS: Final = re.compile(r"[-/,;.·•・‧．]+")
_SPACES: Final = re.compile(r"\s+")
# Letters that no decomposition takes apart.
_LATIN: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"}
)

_SHORT_FORMS: Final = {
    short: name
    for name, shorts in {
        "abigail": "abby abbie gail",
        "alexander": "alex alec sandy xander",
        "alexandra": "lexi sasha",
        "andrew": "andy drew",
        "anthony": "tony",
        "barbara": "barb babs",
        "benjamin": "ben benny benji",
        "catherine": "cathy kate katie kathy cath kitty katherine kathryn kathleen",
        "charles": "charlie chuck chas",
        "christopher": "chris kit topher",
        "christine": "chrissie tina christina",
        "daniel": "dan danny",
        "david": "dave davy",
        "deborah": "deb debbie",
        "donald": "don donnie",
        "dorothy": "dot dottie dolly",
        "edward": "ed eddie ted ned",
        "elizabeth": "liz lizzie beth betty eliza elsie bess libby lisa elisabeth",
        "frances": "fran franny",
        "francis": "frank",
        "frederick": "fred freddie freddy",
        "gerald": "gerry",
        "gregory": "greg",
        "isabella": "bella izzy isabel",
        "jacob": "jake",
        "james": "jim jimmy jamie",
        "jennifer": "jen jenny",
        "jessica": "jess jessie",
        "john": "jack johnny jon",
        "jonathan": "jonny",
        "joseph": "joe joey",
        "joshua": "josh",
        "kenneth": "ken kenny",
        "lawrence": "larry laurie",
        "leonard": "len lenny leo",
        "margaret": "maggie meg peggy marge margie",
        "matthew": "matt",
        "michael": "mike mick mickey mikey",
        "nathaniel": "nat nate nathan",
        "nicholas": "nick nicky",
        "pamela": "pam",
        "patricia": "pat patty trish",
        "patrick": "paddy",
        "peter": "pete",
        "philip": "phil pip phillip",
        "raymond": "ray",
        "rebecca": "becky becca",
        "richard": "rick dick rich richie ricky",
        "robert": "bob rob bobby robbie bert",
        "ronald": "ron ronnie",
        "samantha": "sammy",
        "samuel": "sam",
        "stephen": "steve stevie steven",
        "susan": "sue susie suzie",
        "theodore": "theo teddy",
        "thomas": "tom tommy",
        "timothy": "tim timmy",
        "victoria": "vicky tori",
        "vincent": "vince vinny",
        "william": "bill will billy willy liam",
        "zachary": "zach zack zac",
    }.items()
    for short in shorts.split()
}
"""English short forms and spellings, each with the name that it stands for."""


def fold(name: str) -> str:
    """A name in lower case without accents, digits and punctuation, with single blanks: `O'Brien-Łoś` is `obrien los`.

    Scripts other than Latin keep their letters.
    """
    text = unicodedata.normalize("NFKC", name).casefold().translate(_LATIN)
    text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    text = unicodedata.normalize("NFC", text)
    return _SPACES.sub(" ", _NOT_A_LETTER.sub("", _BETWEEN_WORDS.sub(" ", text))).strip()


def full_form(folded: str) -> str:
    """The name that a short form stands for (`bob` is `robert`), by its first word; any other as it is."""
    first = folded.split(" ", 1)[0]
    return _SHORT_FORMS.get(first, first)
