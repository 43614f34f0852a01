"""What the demo's company sells, and what people write to it about: appliances for homes, machines for buildings."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.customer_facts import Channel, Direction


@dataclass(frozen=True, slots=True)
class Product:
    """Something sold: its names, the unit it is counted in, price in yuan, years of warranty, the most sold at once."""

    name: str
    name_en: str
    unit: str
    model: str
    price: Decimal
    warranty_years: int
    most: int


AIR_CONDITIONER: Final = Product("空调", "air conditioner", "台", "KFR-35GW", Decimal(3299), 6, 5)

FOR_HOMES: Final = (
    AIR_CONDITIONER,
    Product("冰箱", "refrigerator", "台", "BCD-502W", Decimal(4599), 3, 1),
    Product("洗衣机", "washing machine", "台", "XQG100", Decimal(2899), 3, 1),
    Product("热水器", "water heater", "台", "JSQ30", Decimal(2199), 3, 2),
    Product("油烟机", "cooker hood", "台", "CXW-260", Decimal(3099), 3, 1),
    Product("空气净化器", "air purifier", "台", "KJ800F", Decimal(1899), 1, 3),
    Product("洗碗机", "dishwasher", "台", "WQP12", Decimal(4299), 2, 1),
    Product("扫地机器人", "robot vacuum cleaner", "台", "S8", Decimal(2599), 1, 1),
    Product("滤网", "filter", "套", "F7", Decimal(129), 0, 6),
)
FOR_BUILDINGS: Final = (
    Product("中央空调", "central air conditioner", "套", "MDV-560", Decimal(86000), 2, 4),
    Product("冷水机组", "chiller", "台", "LSBLG500", Decimal(328000), 2, 2),
    Product("空气源热泵", "heat pump", "台", "KFRS-80", Decimal(42000), 2, 8),
    Product("风机盘管", "fan coil unit", "台", "FP-68", Decimal(1350), 1, 120),
    Product("新风系统", "ventilation system", "套", "XHB-D500", Decimal(23500), 2, 10),
)

SOLD_IN: Final = {
    "CN": ("CNY", Decimal(1)),
    "GB": ("GBP", Decimal("0.11")),
    "US": ("USD", Decimal("0.14")),
    "AU": ("AUD", Decimal("0.21")),
    "FR": ("EUR", Decimal("0.13")),
    "DE": ("EUR", Decimal("0.13")),
    "SE": ("SEK", Decimal("1.45")),
}
"""Country to currency and how much of it the price list asks for a yuan; fixed, so that the demo stays the same."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A kind of contact; `{product}` in its words is what it was about."""

    channel: Channel
    direction: Direction
    zh: str
    en: str


_IN, _OUT = Direction.INBOUND, Direction.OUTBOUND

CONTACTS: Final = (
    Contact(Channel.CALL, _IN, "来电咨询{product}的使用方法，已解答。", "Asked how to use the {product}; explained."),
    Contact(
        Channel.CALL, _IN, "来电报修{product}，已安排师傅上门。", "Reported a fault of the {product}; visit arranged."
    ),
    Contact(Channel.CALL, _OUT, "回访{product}使用情况，客户表示满意。", "Asked how the {product} does; satisfied."),
    Contact(Channel.CALL, _OUT, "电话未接通，改日再联系。", "Not reached; to be tried again."),
    Contact(Channel.EMAIL, _IN, "邮件索取{product}发票。", "Asked for the invoice of the {product}."),
    Contact(Channel.EMAIL, _OUT, "发送{product}保养说明。", "Sent the care instructions of the {product}."),
    Contact(Channel.SMS, _OUT, "短信通知{product}送货时间。", "Told the delivery time of the {product}."),
    Contact(Channel.FAX, _IN, "传真发来{product}订单确认。", "Sent the order of the {product} by fax."),
    Contact(Channel.FAX, _OUT, "传真{product}报价单。", "Sent a quotation for the {product} by fax."),
    Contact(Channel.CHAT, _IN, "在线咨询{product}的价格。", "Asked for the price of the {product}."),
    Contact(Channel.CHAT, _IN, "在线询问{product}安装进度。", "Asked when the {product} will be fitted."),
    Contact(Channel.VISIT, _OUT, "上门安装{product}，客户已签收。", "Fitted the {product}; signed for."),
    Contact(Channel.VISIT, _OUT, "上门保养{product}，运行正常。", "Serviced the {product}; it runs well."),
    Contact(Channel.VISIT, _IN, "到店了解{product}。", "Came to the shop to look at the {product}."),
    Contact(Channel.WEB, _IN, "官网提交{product}预约表单。", "Booked a visit for the {product} on the web site."),
)

CONTRACT_TITLES: Final = {
    "person": ("家电延保服务合同", "Extended warranty"),
    "company": ("设备年度维保合同", "Yearly maintenance"),
}
