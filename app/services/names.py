"""Chinese names: where the surname ends, and how the name is written in Latin letters.

Romanised in Hanyu Pinyin without tones, the surname first and the given name as one word (GB/T 28039-2011): 鲁大伟 is
Lu Dawei, 欧阳娜娜 is Ouyang Nana. Many characters are read differently as a surname (单 is Shan, not Dan), so surnames
have their own table and everything else comes from pypinyin.
"""

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple


class LatinForms(NamedTuple):
    """What a person's name says about how to address them; a part that cannot be told is empty.

    Attributes:
        latin_name: the whole name in Latin letters, `Lu Dawei`.
        latin_surname: `Lu`.
        surname: as written in the name, `鲁`.
    """

    latin_name: str
    latin_surname: str
    surname: str


_COMPOUND_SURNAMES: Final = frozenset(
    "欧阳 歐陽 司马 司馬 诸葛 諸葛 上官 司徒 司空 司寇 东方 東方 独孤 獨孤 慕容 夏侯 皇甫 尉迟 尉遲 公孙 公孫 "
    "公羊 公冶 公西 长孙 長孫 宇文 轩辕 軒轅 令狐 钟离 鍾離 闻人 聞人 端木 百里 呼延 南宫 南宮 拓跋 赫连 赫連 "
    "澹台 澹臺 淳于 单于 單于 太史 申屠 鲜于 鮮于 万俟 濮阳 濮陽 宗政 第五 南门 南門 东郭 東郭 西门 西門 羊舌 "
    "梁丘 左丘 谷梁 穀梁 仲孙 仲孫 叔孙 叔孫 完颜 完顏 纳兰 納蘭 乐正 樂正 漆雕 壤驷 亓官 巫马 巫馬 夹谷 颛孙 "
    "宰父 段干".split()
)
"""Surnames of two characters."""

_SURNAME_READINGS: Final = dict(
    pair.split(":")
    for pair in (
        "单:Shan 單:Shan 仇:Qiu 解:Xie 曾:Zeng 区:Ou 區:Ou 朴:Piao 查:Zha 盖:Ge 蓋:Ge 覃:Qin 翟:Zhai 缪:Miao 繆:Miao "
        "秘:Bi 折:She 黑:He 种:Chong 洗:Xian 员:Yun 員:Yun 乜:Nie 牟:Mu 隗:Wei 句:Gou 繁:Po 郇:Xun 祭:Zhai 佴:Nai "
        "薄:Bo 乐:Yue 樂:Yue 召:Shao 宓:Mi 藏:Zang 适:Kuo 角:Jue 库:She 尉迟:Yuchi 尉遲:Yuchi 长孙:Zhangsun "
        "長孫:Zhangsun 澹台:Tantai 澹臺:Tantai 单于:Chanyu 單于:Chanyu 万俟:Moqi 乐正:Yuezheng 樂正:Yuezheng"
    ).split()
)
"""Surnames that are read otherwise than their characters usually are."""

_TWO_SYLLABLES: Final = {
    "Yuchi": ["yu", "chi"],
    "Zhangsun": ["zhang", "sun"],
    "Tantai": ["tan", "tai"],
    "Chanyu": ["chan", "yu"],
    "Moqi": ["mo", "qi"],
    "Yuezheng": ["yue", "zheng"],
}
"""The readings of compound surnames above, a syllable a character."""

_NAME_READINGS: Final = {"长": "chang", "長": "chang", "重": "chong", "卜": "bu"}
"""As names mean them (长江, 重阳); alone, pypinyin reads them zhang, zhong and bo."""

_ALSO_READ: Final = dict(
    pair.split(":")
    for pair in (
        "行:hang 乐:le 樂:le 重:zhong 长:zhang 長:zhang 厦:xia 廈:xia 会:kuai 會:kuai 曾:ceng 单:dan 單:dan "
        "解:jie 朴:pu 盖:gai 查:cha 仇:chou 区:qu 區:qu 种:zhong 調:tiao 调:tiao"
    ).split()
)
"""Other readings that people type."""

_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af〇]+")
_NAME_DOTS: Final = re.compile(r"[·•・‧．]")
_SPACES: Final = re.compile(r"\s+")
_HONORIFICS: Final = {
    "先生": "Mr",
    "女士": "Ms",
    "小姐": "Ms",
    "太太": "Mrs",
    "博士": "Dr",
    "教授": "Professor",
    "老师": "",
    "经理": "",
}
_LATIN_PARTICLES: Final = frozenset(
    "von van der den de del della di da dos das du la le ter ten bin ibn al el st. saint".split()
)
_LATIN_SUFFIXES: Final = frozenset("jr jr. sr sr. ii iii iv".split())
_LONGEST_GIVEN_NAME: Final = 2


def latin(name: str) -> LatinForms:
    """Take a person's name apart and write it in Latin letters.

    - Chinese, with a given name of at most two characters: compound surnames are known, otherwise the first
      character is the surname. A name that is nothing but a surname is one.
    - Longer Chinese names, of people who have no Chinese surname (田中太郎) or two of them (陈李慧芳): romanised, and
      no surname is guessed.
    - A surname with a title, as agents write it down (鲁先生): the surname, and `Mr Lu`.
    - With a dot between its parts (买买提·阿卜杜拉) or mixed with other letters: romanised, and no surname is guessed.
    - In Latin letters: as it is; the surname is the last word with its particles (`van Gogh`), or what stands before a
      comma. A single word has none.
    - In any other script: nothing.

    Args:
        name: of a person; a company has no surname and its name is not to be given.
    """
    if _HAN.fullmatch(name):
        return _of_chinese(name)
    name = _SPACES.sub(" ", name).strip()
    compact = name.replace(" ", "")
    if _HAN.fullmatch(compact):
        return _of_chinese(compact)
    if _HAN.search(name):
        return LatinForms(_romanise_mixed(name), "", "")
    if any(char.isascii() and char.isalpha() for char in name):
        surname = _latin_surname(name)
        return LatinForms(name, surname, surname)
    return LatinForms("", "", "")


def has_han(text: str) -> bool:
    """Whether a text holds a Chinese character."""
    return _HAN.search(text) is not None


def pinyin(characters: str) -> str:
    """Chinese characters as one word in lower case without tones, read as in a given name: 大伟 is `dawei`."""
    return _read(characters)


def surname_pinyin(surname: str) -> str:
    """A Chinese surname in lower case without tones, read as surnames are: 单 is `shan`, 尉迟 `yuchi`."""
    return _read_surname(surname).lower()


def _of_chinese(name: str) -> LatinForms:
    title = _HONORIFICS.get(name[-2:])
    surname = name[:-2]
    if title is not None and (len(surname) == 1 or surname in _COMPOUND_SURNAMES):
        read = _read_surname(surname)
        return LatinForms(f"{title} {read}".strip(), read, surname)
    surname = name[:2] if name[:2] in _COMPOUND_SURNAMES else name[:1]
    given = name[len(surname) :]
    if len(given) > _LONGEST_GIVEN_NAME:
        return LatinForms(_read(name).capitalize(), "", "")
    read = _read_surname(surname)
    return LatinForms(f"{read} {_read(given).capitalize()}" if given else read, read, surname)


def _romanise_mixed(name: str) -> str:
    spaced = _HAN.sub(lambda han: f" {_read(han[0]).capitalize()} ", _NAME_DOTS.sub(" ", name))
    return _SPACES.sub(" ", spaced).strip()


def _latin_surname(name: str) -> str:
    before_comma, comma, _ = name.partition(",")
    if comma:
        return before_comma.strip()
    words = name.split(" ")
    while len(words) > 1 and words[-1].lower() in _LATIN_SUFFIXES:
        words.pop()
    if len(words) == 1:
        return ""
    start = len(words) - 1
    while start > 1 and words[start - 1].lower() in _LATIN_PARTICLES:
        start -= 1
    return " ".join(words[start:])


@lru_cache(maxsize=1 << 12)
def _read_surname(surname: str) -> str:
    return _SURNAME_READINGS.get(surname) or _read(surname).capitalize()


@lru_cache(maxsize=1 << 14)
def _read(characters: str) -> str:
    """Chinese characters as one word in lower case without tones; one that no dictionary knows stays as it is."""
    word = ""
    for character in characters:
        syllable = _syllable(character)
        # GB/T 16159, 7.3: the apostrophe that keeps Yue'e from being read as one syllable.
        word += f"'{syllable}" if word and syllable[0] in "aoe" else syllable
    return word


@lru_cache(maxsize=1 << 15)
def _syllable(character: str) -> str:
    # The dictionary of phrases would take 45 MB more of a worker that meets a Chinese name, and names are no phrases.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin import lazy_pinyin  # noqa: PLC0415 - for its weight: 14 MB that most workers never need

    return _NAME_READINGS.get(character) or lazy_pinyin(character, v_to_u=True)[0]


def readings(han: str) -> tuple[list[str], list[str]]:
    """How a run of Chinese characters may be typed, a syllable a character: as names are read, and otherwise.

    The second differs where a character is often read in another way (银行 is `yinxing` character by character, and
    `yinhang` to everybody), or is typed in another way (`lu` for `lü`, which is `lv` on a keyboard).
    """
    surname = han[:2] if han[:2] in _SURNAME_READINGS else han[:1]
    usual = [_syllable(character).replace("ü", "v") for character in han]
    first = _SURNAME_READINGS.get(surname)
    if first is not None:
        usual[: len(surname)] = _TWO_SYLLABLES.get(first, [first.lower()])
    other = [
        _ALSO_READ.get(character) or (_syllable(character) if first is not None and place < len(surname) else syllable)
        for place, (character, syllable) in enumerate(zip(han, usual, strict=True))
    ]
    return usual, [syllable.replace("v", "u").replace("ü", "u") for syllable in other]


@lru_cache(maxsize=1 << 15)
def _simplified_character(character: str) -> str:
    return _converter()(character)


@lru_cache(maxsize=1)
def _converter() -> Callable[[str], str]:
    from opencc import OpenCC  # noqa: PLC0415 - for its weight: 10 MB that workers who never search do not need

    convert: Callable[[str], str] = OpenCC("t2s").convert
    return convert


def simplified(text: str) -> str:
    """Text with simplified characters in place of traditional ones, character by character: 陸國鍾 is 陆国钟."""
    return text if text.isascii() else "".join(map(_simplified_character, text))
