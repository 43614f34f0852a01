"""Which column of a file of people is which, by what its header says."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final


class Column(StrEnum):
    """What can be known of a person, as a file's column."""

    ID = "id"
    NAME = "name"
    """Given name and surname in one, in any order that is usual for its script."""
    GIVEN_NAME = "given_name"
    SURNAME = "surname"
    SEX = "sex"
    DATE_OF_BIRTH = "date_of_birth"
    PHONE = "phone"
    EMAIL = "email"
    NATIONAL_ID = "national_id"
    STREET_NUMBER = "street_number"
    ADDRESS_1 = "address_1"
    ADDRESS_2 = "address_2"
    SUBURB = "suburb"
    POSTCODE = "postcode"
    STATE = "state"


_HEADERS: Final[dict[Column, str]] = {
    Column.ID: "id rec_id record_id unique_id recid uid customer_id person_record_id row_id key 编号 编码 客户编号 "
    "记录号",
    Column.NAME: "name full_name fullname person_name customer_name customer 姓名 客户姓名 客户名称 名称",
    Column.GIVEN_NAME: "given_name given_names givenname given first_name firstname first forename forenames fname 名 "
    "名字",
    Column.SURNAME: "surname sur_name last_name lastname last family_name familyname lname 姓 姓氏",
    Column.SEX: "sex gender 性别",
    Column.DATE_OF_BIRTH: "date_of_birth dateofbirth dob birth_date birthdate birthday birth_day born 出生日期 "
    "生日 出生年月",
    Column.PHONE: "phone phone_number phonenumber telephone telephone_number tel mobile mobile_phone mobile_number "
    "cell cell_phone cellphone phone_1 phone1 phone_2 phone2 home_phone work_phone e164 电话 手机 手机号 "
    "手机号码 联系电话 电话号码",
    Column.EMAIL: "email e_mail email_address mail 邮箱 电子邮箱 电子邮件",
    Column.NATIONAL_ID: "national_id nationalid national_identity_number soc_sec_id soc_sec ssn social_security_number "
    "nin id_number id_no identity_number tax_id sin passport 身份证 身份证号 身份证号码 证件号码",
    Column.STREET_NUMBER: "street_number streetnumber street_no house_number house_no 门牌号",
    Column.ADDRESS_1: "address_1 address1 address street street_name street_address addr addr1 address_line_1 "
    "地址 详细地址 联系地址 家庭住址",
    Column.ADDRESS_2: "address_2 address2 addr2 address_line_2 unit flat",
    Column.SUBURB: "suburb city town locality place 城市 市 区县",
    Column.POSTCODE: "postcode post_code postal_code postalcode zip zipcode zip_code 邮编 邮政编码",
    Column.STATE: "state province region county 省 省份",
}

_BY_HEADER: Final = {header: column for column, headers in _HEADERS.items() for header in headers.split()}

_SEVERAL: Final = frozenset({Column.PHONE})
"""Of these a file may have more than one."""


def header_key(header: str) -> str:
    """A header without what spellings differ in: ` Date of Birth ` is `date_of_birth`."""
    text = unicodedata.normalize("NFKC", header).casefold().strip().strip("\ufeff\"'")
    return re.sub(r"[\W_]+", "_", text).strip("_")


def guess_columns(headers: Sequence[str]) -> dict[int, Column]:
    """Which column of a file is which, by position, as far as the headers tell; the first of two alike counts."""
    found: dict[int, Column] = {}
    for position, header in enumerate(headers):
        column = _BY_HEADER.get(header_key(header))
        if column is not None and (column in _SEVERAL or column not in found.values()):
            found[position] = column
    return found


def known(columns: Iterable[Column]) -> str:
    """The names of columns in one line."""
    return ", ".join(column.value for column in columns)
