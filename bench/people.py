"""People who are in the records more than once, and who live together: made up, labelled, the same for the same seed.

Half are Chinese and half English. Three in ten share a home, most of them with one telephone for all: couples, children
with their surname, twins, fathers and sons of one name. Some share a company's switchboard. A second and third record
of a person has what records have: slips of the key, homophones, traditional characters, pinyin, short forms and
initials, names swapped, days and months swapped, a moved house, a new number, missing fields.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

HEADER = (
    "rec_id given_name surname sex street_number address_1 address_2 suburb postcode state date_of_birth phone email "
    "national_id"
).split()

_GIVEN_F = (
    "olivia emma charlotte amelia sophia isabella mia evelyn harper luna camila gianna elizabeth eleanor ella "
    "abigail sofia avery scarlett emily aria penelope chloe layla mila nora hazel madison ellie lily nova isla "
    "grace violet aurora riley zoey willow emilia stella zoe victoria hannah addison leah lucy eliana ivy "
    "everly lillian paisley elena naomi maya natalie kinsley delilah claire audrey aaliyah ruby brooklyn alice "
    "aubrey autumn leilani savannah valentina kennedy madelyn josephine bella skylar genesis sophie hailey "
    "sadie natalia quinn caroline allison gabriella anna serenity nevaeh cora ariana emery lydia jade sarah "
    "eva adeline madeline piper rylee athena margaret barbara patricia dorothy helen susan jennifer jessica "
    "karen nancy lisa betty sandra ashley kimberly donna michelle carol amanda melissa deborah stephanie "
    "rebecca laura cynthia kathleen amy angela shirley brenda pamela nicole katherine samantha christine debra "
    "rachel janet maria heather diane julie joyce virginia kelly christina joan judith megan cheryl"
).split()
_GIVEN_M = (
    "liam noah oliver james elijah mateo theodore henry lucas william benjamin levi sebastian jack ezra "
    "michael daniel leo owen samuel hudson alexander asher luca ethan john david jackson joseph mason luke "
    "matthew julian dylan elias jacob maverick gabriel logan aiden thomas isaac miles grayson santiago anthony "
    "wyatt carter jayden ezekiel caleb cooper josiah charles christopher isaiah nolan cameron nathan joshua "
    "kai waylon angel lincoln andrew roman adrian aaron ian thiago axel brooks bennett weston rowan christian "
    "theo beau eli silas jonathan ryan leonardo walker jaxon robert richard mark donald steven paul kenneth "
    "kevin brian george timothy ronald jason edward jeffrey gary nicholas eric stephen larry justin scott "
    "brandon frank gregory raymond patrick dennis jerry tyler jose peter adam nathaniel zachary"
).split()
_SURNAMES = (
    "smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson "
    "anderson thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis "
    "robinson walker young allen king wright scott torres nguyen hill flores green adams nelson baker hall "
    "rivera campbell mitchell carter roberts gomez phillips evans turner diaz parker cruz edwards collins "
    "reyes stewart morris morales murphy cook rogers gutierrez ortiz morgan cooper peterson bailey reed kelly "
    "howard ramos kim cox ward richardson watson brooks chavez wood james bennett gray mendoza ruiz hughes "
    "price alvarez castillo sanders patel myers long ross foster jimenez powell jenkins perry russell sullivan "
    "bell coleman butler henderson barnes fisher vasquez simmons romero jordan patterson alexander hamilton "
    "graham reynolds griffin wallace moreno west cole hayes bryant herrera gibson ellis tran medina aguilar "
    "stevens murray ford castro marshall owens harrison fernandez mcdonald woods washington kennedy wells "
    "vargas henry chen freeman webb tucker guzman burns crawford olson simpson porter hunter gordon mendez "
    "silva shaw snyder mason dixon munoz hunt hicks holmes palmer wagner black robertson boyd stone salazar "
    "fox warren mills meyer rice schmidt garza daniels ferguson nichols stephens soto weaver ryan gardner "
    "payne grant dunn kelley spencer hawkins"
).split()
_HAN_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪"
    "廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤单温"
)
_HAN_F = (
    "秀英丽芳娜静敏艳玲桂娟霞红萍梅燕雪琳婷慧莹颖洁欣怡佳雨梦瑶晓蕾倩妍薇菲月琪璐蓉兰凤香菊珍琴云美莲真荣爱妹环荷瑾"
)
_HAN_M = (
    "伟强磊军洋勇杰涛明超刚平辉鹏华飞鑫波斌宇浩凯健俊帆帅旭宁龙林欢阳建国文志海峰东亮成康星光天达安岩中茂进有坚和彪博诚"
)
_HOMOPHONES = (
    "伟炜玮 丽莉俐 芳方 静婧靖 敏闽 娜那 强墙 磊垒 军君钧 勇永咏 杰洁捷 涛桃 明铭鸣 超抄 霞侠 "
    "平萍苹 刚岗 英瑛莹 华桦 玲铃琳 桂贵 辉晖徽 鹏朋 建健剑 志智致 海孩 峰锋丰枫 文雯 红洪宏 梅玫 雪学 婷庭 "
    "慧惠会 欣新鑫心 佳嘉家 雨宇羽 晓小 倩茜 月悦跃 琪奇琦 "
    "张章 李里 王汪 徐许 江姜 余于俞"
)
_SIMPLIFIED = "伟刘陈张杨赵吴马罗郑谢许韩邓冯苏吕卢姜陆贾邹钱严汤单温丽艳兰凤云爱环强磊军杰鹏华飞龙欢阳建国东亮达岩进坚"
_TRADITIONAL = (
    "偉劉陳張楊趙吳馬羅鄭謝許韓鄧馮蘇呂盧薑陸賈鄒錢嚴湯單溫麗艷蘭鳳雲愛環強磊軍傑鵬華飛龍歡陽建國東亮達岩進堅"
)
_SHORT = {
    "william": "bill", "robert": "bob", "james": "jim", "elizabeth": "liz", "margaret": "peggy", "michael": "mike",
    "thomas": "tom", "richard": "dick", "katherine": "kate", "patricia": "pat", "joseph": "joe", "samuel": "sam",
    "benjamin": "ben", "anthony": "tony", "andrew": "andy", "edward": "ted", "jennifer": "jenny", "rebecca": "becky",
    "susan": "sue", "christopher": "chris", "matthew": "matt", "nicholas": "nick", "victoria": "vicky", "daniel": "dan",
}  # fmt: skip
_STREET_WORDS = (
    "maple oak cedar elm willow river lake hill park church mill station victoria albert king queen prince "
    "george north south spring meadow garden orchard bridge castle market forest sunset highland valley "
    "harbour beach rose lavender"
).split()
_STREET_TYPES = "street road avenue lane drive court place close crescent way".split()
_SUBURBS = [
    f"{first}{last}"
    for first in "green brook stone ash oak clay white black fair red long new west east north kings high".split()
    for last in "field ton wood ford ham ley bury stead dale mouth bridge port".split()
]
_STATES = "nsw vic qld wa sa tas act nt".split()
_ROADS = [
    f"{first}{second}{kind}"
    for first in "人民中山解放建设和平长江黄河北京南京光明"
    for second in "东西南北中一二三"
    for kind in ("路", "街", "大道")
]
_DISTRICTS = [
    f"{city}市{district}区"
    for city in (
        "北京 上海 广州 深圳 成都 杭州 武汉 西安 南京 重庆 天津 苏州 长沙 郑州 青岛 沈阳 宁波 昆明 大连 厦门"
    ).split()
    for district in "东城 西城 朝阳 海淀 江北 江南 高新 开发 新城 城关 滨江 白云".split()
]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _falling(count: int) -> list[float]:
    """Weights as names have them: the second is half as common as the first."""
    return list(accumulate(1 / (rank + 3) for rank in range(count)))


_WEIGHTS = {
    len(names): _falling(len(names)) for names in (_GIVEN_F, _GIVEN_M, _SURNAMES, _HAN_SURNAMES, _HAN_F, _HAN_M)
}
_SOUNDS = {char: [c for c in group if c != char] for group in _HOMOPHONES.split() for char in group}
_TRADITIONAL_OF = dict(zip(_SIMPLIFIED, _TRADITIONAL, strict=True))


@dataclass(frozen=True, slots=True)
class Person:
    """What is true of somebody; every field as text."""

    given_name: str
    surname: str
    sex: str
    street_number: str
    address_1: str
    address_2: str
    suburb: str
    postcode: str
    state: str
    date_of_birth: str
    phone: str
    email: str
    national_id: str

    @property
    def is_chinese(self) -> bool:
        return ord(self.surname[0]) > 0x2E80


class World:
    """Draws people, homes and slips of the key from one stream of chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._switchboards = [self.phone(chinese=index % 2 == 0) for index in range(200)]
        self._ids = 0

    def pick(self, names: str | list[str]) -> str:
        return self.chance.choices(names, cum_weights=_WEIGHTS[len(names)])[0]

    def given(self, sex: str, *, chinese: bool) -> str:
        if not chinese:
            return self.pick(_GIVEN_F if sex == "f" else _GIVEN_M)
        letters = _HAN_F if sex == "f" else _HAN_M
        return self.pick(letters) + (self.pick(letters) if self.chance.random() < 0.8 else "")

    def surname(self, *, chinese: bool) -> str:
        return self.pick(_HAN_SURNAMES if chinese else _SURNAMES)

    def phone(self, *, chinese: bool) -> str:
        if chinese:
            return f"1{self.chance.choice('3578')}{self.chance.randrange(10**9):09d}"
        return f"04{self.chance.randrange(10**8):08d}"

    def birth(self, first: int = 1935, last: int = 2006) -> str:
        return f"{self.chance.randint(first, last)}{self.chance.randint(1, 12):02d}{self.chance.randint(1, 28):02d}"

    def home(self, *, chinese: bool) -> dict[str, str]:
        chance = self.chance
        if chinese:
            where = chance.randrange(len(_DISTRICTS))
            flat = f"{chance.randint(1, 30)}栋{chance.randint(1, 33)}0{chance.randint(1, 8)}室"
            return {
                "street_number": str(chance.randint(1, 900)), "address_1": chance.choice(_ROADS), "address_2": flat,
                "suburb": _DISTRICTS[where], "postcode": f"{100000 + where * 37}", "state": _DISTRICTS[where][:2],
            }  # fmt: skip
        where = chance.randrange(len(_SUBURBS))
        street = f"{chance.choice(_STREET_WORDS)} {chance.choice(_STREET_WORDS)} {chance.choice(_STREET_TYPES)}"
        unit = f"flat {chance.randint(1, 40)}" if chance.random() < 0.2 else ""
        return {
            "street_number": str(chance.randint(1, 300)), "address_1": street, "address_2": unit,
            "suburb": _SUBURBS[where], "postcode": f"{2000 + where * 13}", "state": _STATES[where % len(_STATES)],
        }  # fmt: skip

    def person(
        self, home: dict[str, str], *, chinese: bool, surname: str, sex: str, given: str, birth: str, phone: str
    ) -> Person:
        self._ids += 1
        chance = self.chance
        email = ""
        if chance.random() < 0.55:
            host = "qq.com" if chinese else "mail.example"
            email = f"{chance.choice(_LETTERS)}{self._ids:x}{chance.randrange(100)}@{host}"
        number = ""
        if chance.random() < 0.3:
            number = (
                f"{110000 + chance.randrange(540000)}{birth}{self._ids % 1000:03d}{chance.choice('0123456789X')}"
                if chinese
                else f"{chance.randrange(10**9):09d}"
            )
        if chance.random() < 0.01:
            phone = chance.choice(self._switchboards)
        return Person(given, surname, sex, **home, date_of_birth=birth, phone=phone, email=email, national_id=number)

    def household(self) -> list[Person]:
        """Two to five people under one roof."""
        chance = self.chance
        chinese = chance.random() < 0.5
        home, line = self.home(chinese=chinese), self.phone(chinese=chinese)
        surname = self.surname(chinese=chinese)
        size = chance.choices((2, 3, 4, 5), weights=(4, 3, 2, 1))[0]
        members: list[Person] = []
        for place in range(size):
            sex = ("m", "f")[place] if place < 2 else chance.choice("mf")
            own = surname
            if place == 1 and (chinese or chance.random() < 0.2):
                own = self.surname(chinese=chinese)
            given = self.given(sex, chinese=chinese)
            birth = self.birth(1945, 1980) if place < 2 else self.birth(1985, 2006)
            if place == 2 and sex == "m" and chance.random() < 0.02:
                given = members[0].given_name
            if place == 3 and chance.random() < 0.1:
                birth = members[2].date_of_birth
            while any(given == other.given_name for other in members[1:] if place > 1):
                given = self.given(sex, chinese=chinese)
            phone = line if chance.random() < 0.6 else self.phone(chinese=chinese)
            members.append(
                self.person(home, chinese=chinese, surname=own, sex=sex, given=given, birth=birth, phone=phone)
            )
        return members

    def single(self) -> Person:
        chinese = self.chance.random() < 0.5
        sex = self.chance.choice("mf")
        return self.person(
            self.home(chinese=chinese), chinese=chinese, surname=self.surname(chinese=chinese), sex=sex,
            given=self.given(sex, chinese=chinese), birth=self.birth(), phone=self.phone(chinese=chinese),
        )  # fmt: skip

    def slip(self, text: str) -> str:
        """One slip of the key: a letter more, less, wrong, or two turned round."""
        if len(text) < 2:
            return text
        chance = self.chance
        at = chance.randrange(len(text))
        letters = "0123456789" if text[at].isdigit() else _LETTERS
        match chance.randrange(4):
            case 0:
                return text[:at] + chance.choice(letters) + text[at:]
            case 1:
                return text[:at] + text[at + 1 :]
            case 2:
                return text[:at] + chance.choice(letters) + text[at + 1 :]
            case _:
                at = min(at, len(text) - 2)
                return text[:at] + text[at + 1] + text[at] + text[at + 2 :]

    def again(self, person: Person) -> Person:
        """The same person as another system has them."""
        chance, chinese = self.chance, person.is_chinese
        changes: dict[str, str] = {}
        if chance.random() < 0.10:
            changes |= self.home(chinese=chinese)
        if chance.random() < 0.12:
            changes["phone"] = self.phone(chinese=chinese)
        if chance.random() < 0.12:
            changes |= self._name_otherwise(person, chinese=chinese)
        if chance.random() < 0.02:
            changes |= {"given_name": person.surname, "surname": person.given_name}
        dice = chance.random()
        if dice < 0.03:
            changes["date_of_birth"] = self.slip(person.date_of_birth)
        elif dice < 0.045:
            born = person.date_of_birth
            changes["date_of_birth"] = born[:4] + born[6:] + born[4:6]
        for field, likely in (
            ("given_name", 0 if chinese else 0.06), ("surname", 0 if chinese else 0.06), ("phone", 0.03),
            ("address_1", 0.06), ("suburb", 0.04), ("postcode", 0.03), ("street_number", 0.03), ("email", 0.03),
            ("national_id", 0.02),
        ):  # fmt: skip
            if chance.random() < likely:
                changes[field] = self.slip(changes.get(field, getattr(person, field)))
        for field, likely in (
            ("given_name", 0.01), ("sex", 0.2), ("date_of_birth", 0.1), ("phone", 0.1), ("address_1", 0.08),
            ("street_number", 0.08), ("postcode", 0.1), ("suburb", 0.05), ("address_2", 0.3), ("email", 0.3),
            ("national_id", 0.3),
        ):  # fmt: skip
            if chance.random() < likely:
                changes[field] = ""
        return replace(person, **changes)

    def _name_otherwise(self, person: Person, *, chinese: bool) -> dict[str, str]:
        given, surname = person.given_name, person.surname
        if not chinese:
            return {"given_name": _SHORT.get(given, given[:1] if self.chance.random() < 0.3 else given)}
        match self.chance.randrange(3):
            case 0:
                at = self.chance.randrange(len(given))
                return {
                    "given_name": given[:at] + self.chance.choice(_SOUNDS.get(given[at], [given[at]])) + given[at + 1 :]
                }
            case 1:
                turned = str.maketrans(_TRADITIONAL_OF)
                return {"given_name": given.translate(turned), "surname": surname.translate(turned)}
            case _:
                from app.services.names import pinyin, surname_pinyin  # noqa: PLC0415 - few ask for it

                return {"given_name": pinyin(given), "surname": surname_pinyin(surname)}


def people(records: int, seed: int = 1, sharing: float = 0.3) -> Iterator[tuple[int, Person]]:
    """So many records, each with the number of the person that it is of; the records of one person stand together."""
    world = World(seed)
    made = number = 0
    while made < records:
        lives_with_others = world.chance.random() < sharing / (sharing + (1 - sharing) * 3.0)
        for person in world.household() if lives_with_others else [world.single()]:
            for copy in range(world.chance.choices((1, 2, 3), weights=(75, 20, 5))[0]):
                if made < records:
                    yield number, world.again(person) if copy else person
                    made += 1
            number += 1


def write_people(folder: Path, records: int, seed: int = 1, sharing: float = 0.3) -> tuple[Path, Path]:
    """Write records in random order and who is who. Returns the paths of the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(people(records, seed, sharing))
    random.Random(seed + 1).shuffle(rows)
    records_path, truth_path = folder / f"people-{records}.csv", folder / f"people-{records}-truth.csv"
    with (
        records_path.open("w", encoding="utf-8", newline="") as one,
        truth_path.open("w", encoding="utf-8", newline="") as two,
    ):
        table, truth = csv.writer(one), csv.writer(two)
        table.writerow(HEADER)
        truth.writerow(["rec_id", "cluster"])
        for position, (number, person) in enumerate(rows):
            table.writerow([f"r{position}", *(getattr(person, field) for field in HEADER[1:])])
            truth.writerow([f"r{position}", number])
    return records_path, truth_path
