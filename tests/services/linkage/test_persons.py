"""Who is taken for whom, in files too small to learn from."""

from pathlib import Path

import pytest

from tests.services.linkage.support import LU, linked, persons

SOMEBODY_ELSE = {
    "given_name": "Robert", "surname": "Okafor", "date_of_birth": "1961-11-30", "phone": "0491 570 737",
    "street_number": "4", "address_1": "Station Street", "suburb": "Ballarat", "postcode": "3350", "sex": "m",
}  # fmt: skip


def test_an_empty_file_has_nobody_twice(tmp_path: Path) -> None:
    assert persons(tmp_path) == []


def test_one_record_is_not_a_pair(tmp_path: Path) -> None:
    assert persons(tmp_path, LU) == []


def test_two_people_are_two(tmp_path: Path) -> None:
    assert persons(tmp_path, LU, SOMEBODY_ELSE) == []


def test_five_records_without_duplicates(tmp_path: Path) -> None:
    names = [("Ann", "Ellis"), ("Bao", "Nguyen"), ("Carl", "Jung"), ("Dora", "Maar"), ("Emil", "Kraus")]
    rows = [
        {"given_name": given, "surname": surname, "date_of_birth": f"19{50 + 7 * at}0{at + 1}1{at}"}
        for at, (given, surname) in enumerate(names)
    ]

    assert persons(tmp_path, *rows) == []


def test_all_the_same_are_one_person(tmp_path: Path) -> None:
    assert persons(tmp_path, *[LU] * 6) == [[0, 1, 2, 3, 4, 5]]


def test_more_that_are_the_same_than_any_key_brings_together(tmp_path: Path) -> None:
    assert persons(tmp_path, *[LU] * 400, SOMEBODY_ELSE) == [list(range(400))]


@pytest.mark.parametrize(
    "change",
    [
        {"given_name": "Jnae"},
        {"surname": "SMITH-SON"},
        {"given_name": "Smithson", "surname": "Jane"},
        {"date_of_birth": "12/03/1975"},
        {"date_of_birth": "1975-12-03"},
        {"date_of_birth": ""},
        {"phone": "+61 491 570 156"},
        {"phone": ""},
        {"phone": "0491 570 313", "address_1": "Harbour View Parade", "street_number": "90", "suburb": "Manly"},
        {"surname": "O'Donoghue"},
        {"address_1": "wattle grove rd", "postcode": "3143"},
    ],
)
def test_one_person_otherwise_written_is_one_person(tmp_path: Path, change: dict[str, str]) -> None:
    assert persons(tmp_path, LU, SOMEBODY_ELSE, {**LU, **change}) == [[0, 2]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"given_name": "Thomas", "date_of_birth": "1973-08-01", "sex": "m"}, "a husband"),
        ({"given_name": "Olga"}, "a twin"),
        ({"date_of_birth": "1949-10-27"}, "a mother of the same name"),
        ({"given_name": "", "date_of_birth": "", "sex": ""}, "nobody in particular"),
    ],
)
def test_people_under_one_roof_are_not_one_person(tmp_path: Path, change: dict[str, str], why: str) -> None:
    assert persons(tmp_path, LU, {**LU, **change}) == [], why


def test_a_shared_switchboard_brings_nobody_together(tmp_path: Path) -> None:
    names = "Ann Ellis,Bao Nguyen,Carl Jung,Dora Maar,Emil Kraus,Fay Wray,Gus Hall,Hal Ashby,Ida Kern,Jo March".split(
        ","
    )
    rows = [{"name": name, "phone": "03 5550 1000"} for name in names * 4]

    assert persons(tmp_path, *rows) == [[at, at + 10, at + 20, at + 30] for at in range(10)]


CHINESE = {"given_name": "大伟", "surname": "鲁", "date_of_birth": "1975-03-12", "phone": "13800138000"}


@pytest.mark.parametrize(
    "other",
    [
        {"given_name": "大偉", "surname": "魯"},
        {"given_name": "大玮"},
        {"given_name": "Dawei", "surname": "Lu"},
        {"given_name": "Lu", "surname": "Dawei"},
        {"given_name": "D.W.", "surname": "Lu"},
        {"phone": "+86 138 0013 8000", "date_of_birth": ""},
        {"phone": "１３８００１３８０００", "date_of_birth": "1975年3月12日"},
    ],
)
def test_chinese_names_are_known_in_every_form(tmp_path: Path, other: dict[str, str]) -> None:
    assert persons(tmp_path, CHINESE, {**CHINESE, **other}) == [[0, 1]]


def test_brothers_who_share_a_character_are_two(tmp_path: Path) -> None:
    assert persons(tmp_path, CHINESE, {**CHINESE, "given_name": "大明"}) == []


def test_a_name_in_one_column_is_taken_apart(tmp_path: Path) -> None:
    rows = [
        {"姓名": "欧阳娜娜", "手机": "13800138000", "出生日期": "1980-01-02"},
        {"姓名": "歐陽娜娜", "手机": "13800138000", "出生日期": ""},
        {"姓名": "Nana Ouyang", "手机": "13800138000", "出生日期": "1980-01-02"},
        {"姓名": "欧阳修", "手机": "13800138000", "出生日期": "1950-07-21"},
    ]

    assert persons(tmp_path, *rows) == [[0, 1, 2]]


def test_the_same_identity_number_outweighs_another_name(tmp_path: Path) -> None:
    mine = {**LU, "national_id": "6408579"}

    assert persons(tmp_path, mine, {**mine, "given_name": "Olga"}) == [[0, 1]]


def test_a_mixed_up_record_does_not_join_father_and_son(tmp_path: Path) -> None:
    father = {**LU, "given_name": "Walter", "sex": "m", "date_of_birth": "1949-10-27"}
    son = {**father, "date_of_birth": "1975-03-12"}
    either = {**father, "date_of_birth": ""}

    found = persons(tmp_path, father, son, either)

    assert not any({0, 1} <= set(group) for group in found)


def test_what_is_sure_is_part_of_what_is_linked(tmp_path: Path) -> None:
    rows = [LU, {**LU, "phone": ""}, {**LU, "date_of_birth": ""}, SOMEBODY_ELSE]
    with linked(tmp_path, rows) as (_, found):
        pass

    assert [len(group) for group in found.persons] == [3]
    assert [len(group) for group in found.sure] == [2]


@pytest.mark.parametrize(
    "odd", ["\u202e\u0000x", "𠮷田", "👩‍👩‍👧", "a" * 5000, "'; DROP TABLE people; --", '"quoted", comma\nline']
)
def test_odd_text_is_only_text(tmp_path: Path, odd: str) -> None:
    rows = [dict.fromkeys(LU, odd), dict.fromkeys(LU, odd), LU]
    with linked(tmp_path, rows) as (_, found):
        assert found.records == 3
