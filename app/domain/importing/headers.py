"""Proposing a mapping from a header: what columns are usually called, in Chinese and English."""

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from typing import Final

from app.domain.importing.mapping import NEEDED, SEVERAL, plain_header

# From the surest to the vaguest; a column is what it matches first, and a field that is taken is not given again.
_CALLED: Final[AnyMapping[str, str]] = {
    "id": "客户编号 客户号 客户代码 客户id 会员编号 会员号 会员卡号 会员id 用户编号 用户id 编号 档案号 "
    "customer_id customerid "
    "customer_no customer_number customer_code client_id member_id member_no user_id account_no account_id "
    "external_id id code no",
    "name": "姓名 客户姓名 客户名称 客户名 会员姓名 联系人姓名 名称 公司名称 单位名称 企业名称 公司 name "
    "full_name fullname "
    "customer_name customer client_name company company_name contact_name",
    "surname": "姓 姓氏 surname last_name lastname family_name",
    "given_name": "名 given_name first_name firstname",
    "latin_name": "英文名 英文名称 拼音 英文姓名 latin_name english_name pinyin",
    "title": "称呼 称谓 头衔 title salutation",
    "kind": "客户类型 客户类别 类型 客户性质 customer_type kind",
    "gender": "性别 gender sex",
    "phone": "手机 手机号 手机号码 电话 联系电话 电话号码 移动电话 手机1 手机2 电话1 电话2 备用电话 备用手机 "
    "家庭电话 住宅电话 "
    "办公电话 单位电话 固定电话 固话 座机 联系方式 phone phone_number phone1 phone2 mobile mobile_phone cell cellphone "
    "telephone tel tel1 tel2 home_phone work_phone office_phone phone_2 phone_1 alternate_phone",
    "email": "邮箱 电子邮箱 电子邮件 邮件 email e-mail email_address mail",
    "language": "语言 language lang",
    "time_zone": "时区 time_zone timezone",
    "region": "省份 省 地区 区域 国家 所在省 region province state country",
    "city": "城市 市 所在城市 city town",
    "postcode": "邮编 邮政编码 postcode postal_code zip zip_code zipcode",
    "address": "地址 联系地址 通讯地址 详细地址 住址 家庭地址 公司地址 address street address1 address_1 "
    "street_address",
    "birth_date": "出生日期 生日 出生年月 出生年月日 birth_date birthday date_of_birth dob birthdate",
    "national_id": "身份证 身份证号 身份证号码 证件号 证件号码 统一社会信用代码 national_id id_card id_number "
    "passport ssn",
    "occupation": "职业 职务 职位 occupation job profession job_title",
    "income_band": "收入 年收入 收入水平 月收入 income income_band annual_income",
    "marital_status": "婚姻状况 婚姻 婚否 marital_status marital",
    "education": "学历 文化程度 教育程度 education degree",
    "industry": "行业 所属行业 industry sector",
    "company_size": "公司规模 企业规模 人数 员工人数 规模 company_size employees size",
    "site": "网站 网址 官网 主页 site website url homepage",
    "do_not_call": "免打扰 勿扰 拒绝来电 do_not_call dnc opt_out no_call",
    "said_at": "更新时间 修改时间 最后更新 更新日期 updated_at last_modified modified modified_at updated",
    "purchase.id": "订单号 订单编号 单号 销售单号 order_id order_no order_number",
    "purchase.product": "产品 商品 商品名称 产品名称 品名 购买产品 product product_name item",
    "purchase.model": "型号 产品型号 规格型号 model",
    "purchase.serial_number": "序列号 机号 机身号 sn serial serial_number serial_no",
    "purchase.quantity": "数量 购买数量 quantity qty",
    "purchase.unit": "单位 计量单位 unit",
    "purchase.amount": "金额 总金额 订单金额 实付金额 价格 amount total price total_amount",
    "purchase.currency": "币种 货币 currency",
    "purchase.date": "购买日期 下单时间 下单日期 订单日期 销售日期 购买时间 成交日期 purchase_date order_date "
    "purchased_on bought_on",
    "purchase.warranty_until": "保修期至 保修到期 保修截止 质保到期 warranty_until warranty_end warranty_expiry",
    "contract.number": "合同号 合同编号 contract_no contract_number contract_id",
    "contract.title": "合同名称 contract_title contract_name",
    "contract.amount": "合同金额 contract_amount contract_value",
    "contract.starts_on": "合同开始 合同开始日期 起始日期 生效日期 contract_start start_date starts_on",
    "contract.ends_on": "合同结束 合同结束日期 合同到期 到期日期 终止日期 contract_end end_date ends_on",
    "complaint.at": "投诉时间 投诉日期 complaint_date complaint_time complained_at",
    "complaint.summary": "投诉内容 投诉 投诉描述 complaint complaint_text grievance",
    "complaint.resolution": "处理结果 解决方案 处理意见 resolution outcome",
    "interaction.at": "联系时间 沟通时间 跟进时间 回访时间 联系日期 contact_date contacted_at interaction_time",
    "interaction.channel": "联系渠道 沟通方式 渠道 channel",
    "interaction.direction": "方向 呼叫方向 direction",
    "interaction.summary": "沟通内容 联系内容 跟进内容 备注内容 跟进记录 summary interaction notes",
}  # fmt: skip
_FIELDS: Final = {plain_header(name): field for field, names in _CALLED.items() for name in names.split()}

USUAL_VALUES: Final[AnyMapping[str, AnyMapping[str, str]]] = {
    "gender": {
        "男": "male", "先生": "male", "m": "male", "male": "male", "man": "male", "1": "male",
        "女": "female", "女士": "female", "小姐": "female", "f": "female", "female": "female", "woman": "female",
        "2": "female", "0": "unknown", "unknown": "unknown", "保密": "unknown",
    },
    "kind": {
        "个人": "person", "person": "person", "individual": "person", "私人": "person", "个人客户": "person",
        "企业": "company", "公司": "company", "单位": "company", "company": "company", "business": "company",
        "organisation": "company", "organization": "company", "企业客户": "company",
    },
    "marital_status": {
        "未婚": "single", "single": "single", "单身": "single", "已婚": "married", "married": "married",
        "离异": "divorced", "离婚": "divorced", "divorced": "divorced", "丧偶": "widowed", "widowed": "widowed",
    },
    "channel": {
        "电话": "call", "call": "call", "phone": "call", "邮件": "email", "email": "email", "短信": "sms", "sms": "sms",
        "传真": "fax", "fax": "fax", "在线": "chat", "微信": "chat", "聊天": "chat", "chat": "chat", "wechat": "chat",
        "上门": "visit", "拜访": "visit", "到店": "visit", "visit": "visit", "网站": "web", "网页": "web", "web": "web",
    },
    "direction": {
        "呼入": "inbound", "来电": "inbound", "inbound": "inbound", "in": "inbound",
        "呼出": "outbound", "去电": "outbound", "outbound": "outbound", "out": "outbound",
    },
}  # fmt: skip
"""What is understood of these without being told; a mapping's `values` go before."""


def field_of(header: str) -> str | None:
    """What a column of this name most likely holds."""
    return _FIELDS.get(plain_header(header))


def guess_columns(header: Sequence[str]) -> dict[str, list[str]]:
    """By field, the columns that most likely hold it. Columns that say nothing are in none.

    Things that need more than the header has (a purchase without a date) are left out, and so is a second column for
    what can be in one only.
    """
    columns: dict[str, list[str]] = {}
    for name in header:
        field = field_of(name)
        if field is not None and (field in SEVERAL - {"id", "name"} or field not in columns):
            columns.setdefault(field, []).append(name)
    if "name" in columns:
        for part in ("surname", "given_name"):
            columns.pop(part, None)
    for kind, needed in NEEDED.items():
        if any(f"{kind}.{part}" not in columns for part in needed):
            for field in [field for field in columns if field.startswith(f"{kind}.")]:
                del columns[field]
    return columns


def written_out(columns: AnyMapping[str, Sequence[str]], source: str | None) -> str:
    """A mapping as a file of TOML that reads back as these columns."""
    lines = ["# Which column holds what. docs/importing.md says what else can stand here."]
    if source:
        lines.append(f"source = {_quoted(source)}")
    lines += ["", "[columns]"]
    for field, names in columns.items():
        told = ", ".join(_quoted(name) for name in names)
        lines.append(f"{field} = {told if len(names) == 1 else f'[{told}]'}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped) + '"'
