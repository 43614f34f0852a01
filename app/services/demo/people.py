"""Invented people, companies and places, each with its Chinese and its Latin form, and how one is picked at random."""

from dataclasses import dataclass
from random import Random
from typing import Final

from app.domain.customer_facts import Gender

_SURNAMES: Final = """
王 Wang 李 Li 张 Zhang 刘 Liu 陈 Chen 杨 Yang 黄 Huang 赵 Zhao 吴 Wu 周 Zhou 徐 Xu 孙 Sun 马 Ma 朱 Zhu 胡 Hu 郭 Guo
何 He 林 Lin 高 Gao 罗 Luo 郑 Zheng 梁 Liang 谢 Xie 宋 Song 唐 Tang 许 Xu 韩 Han 冯 Feng 邓 Deng 曹 Cao 彭 Peng
曾 Zeng 肖 Xiao 田 Tian 董 Dong 袁 Yuan 潘 Pan 蒋 Jiang 蔡 Cai 余 Yu 杜 Du 叶 Ye 程 Cheng 苏 Su 魏 Wei 丁 Ding
任 Ren 沈 Shen 姚 Yao 卢 Lu 姜 Jiang 崔 Cui 钟 Zhong 谭 Tan 陆 Lu 汪 Wang 范 Fan 石 Shi 廖 Liao 欧阳 Ouyang
上官 Shangguan 司马 Sima 诸葛 Zhuge
"""
_MEN: Final = """
伟 Wei 强 Qiang 磊 Lei 军 Jun 勇 Yong 杰 Jie 涛 Tao 明 Ming 超 Chao 鹏 Peng 浩 Hao 建华 Jianhua 志强 Zhiqiang
文博 Wenbo 子轩 Zixuan 浩然 Haoran 宇航 Yuhang 国栋 Guodong 立新 Lixin 海波 Haibo 振宇 Zhenyu 俊峰 Junfeng
晓东 Xiaodong 永康 Yongkang 家豪 Jiahao 思远 Siyuan 德明 Deming 春生 Chunsheng 少华 Shaohua 庆丰 Qingfeng
一鸣 Yiming 天佑 Tianyou 绍辉 Shaohui 启航 Qihang
"""
_WOMEN: Final = """
芳 Fang 娜 Na 敏 Min 静 Jing 丽 Li 艳 Yan 娟 Juan 霞 Xia 婷 Ting 雪 Xue 颖 Ying 秀英 Xiuying 桂兰 Guilan 雨桐 Yutong
欣怡 Xinyi 梓涵 Zihan 诗涵 Shihan 美玲 Meiling 晓红 Xiaohong 玉华 Yuhua 春梅 Chunmei 雅琴 Yaqin 佳慧 Jiahui
思琪 Siqi 若曦 Ruoxi 淑珍 Shuzhen 海燕 Haiyan 文静 Wenjing 丹丹 Dandan 可馨 Kexin 心怡 Xinyi 凤英 Fengying
嘉仪 Jiayi
"""
_ENGLISH_SURNAMES: Final = """
Abbott Baker Bennett Brooks Carter Clarke Collins Cooper Davies Dawson Edwards Ellis Fisher Foster Graham Griffin
Harris Holmes Hughes Jenkins Kelly Lawson Marshall Mason Morgan Murphy Norris Palmer Parker Quinn Reynolds
Richardson Sanders Shaw Spencer Sutton Thornton Turner Vaughan Walsh Weaver Whitfield Wright Young
""".split()
_ENGLISH_MEN: Final = (
    "Adam Ben Charles Daniel Edward Frank George Henry Ian Jack Kevin Liam Mark Neil Oliver Peter Robert Simon".split()
)
_ENGLISH_WOMEN: Final = (
    "Alice Beth Clara Diana Emma Fiona Grace Hannah Irene Julia Kate Laura Mary Nora Olivia Rachel Sarah".split()
)

_COMPANY_NAMES: Final = """
恒通 Hengtong 瑞丰 Ruifeng 华美 Huamei 金桥 Jinqiao 远大 Yuanda 宏图 Hongtu 万和 Wanhe 德信 Dexin 天成 Tiancheng
锦绣 Jinxiu 东升 Dongsheng 安泰 Antai 嘉禾 Jiahe 鑫源 Xinyuan 盛世 Shengshi 海纳 Haina 新港 Xingang 永兴 Yongxing
中泽 Zhongze 明珠 Mingzhu
"""
_TRADES: Final = (
    ("酒店管理", "Hotels"),
    ("物业管理", "Property Management"),
    ("餐饮", "Catering"),
    ("电子科技", "Electronics"),
    ("纺织", "Textiles"),
    ("医疗器械", "Medical Devices"),
    ("物流", "Logistics"),
    ("教育", "Education"),
    ("建筑工程", "Construction"),
    ("食品", "Foods"),
)
_ENGLISH_TRADES: Final = "Hotels Foods Logistics Textiles Interiors Catering Properties Instruments".split()
_ENGLISH_FORMS: Final = "Ltd Group Partners Inc. Holdings".split()
_ROADS: Final = "人民路 解放路 中山路 建设路 和平路 文化路 长江路 黄河路 新华路 学府路 滨江路 科技路".split()
_ENGLISH_ROADS: Final = ("High Street", "Station Road", "Mill Lane", "Church Street", "Park Avenue", "Harbour Road")


@dataclass(frozen=True, slots=True)
class Place:
    """A city: its names, ISO 3166-1 country, IANA zone and, in China, the area code with its trunk zero."""

    name: str
    latin: str
    country: str
    zone: str
    area_code: str = ""


CITIES: Final = tuple(
    Place(name, latin, "CN", "Asia/Shanghai", code)
    for name, latin, code in (
        ("上海", "Shanghai", "021"),
        ("北京", "Beijing", "010"),
        ("广州", "Guangzhou", "020"),
        ("深圳", "Shenzhen", "0755"),
        ("杭州", "Hangzhou", "0571"),
        ("南京", "Nanjing", "025"),
        ("苏州", "Suzhou", "0512"),
        ("成都", "Chengdu", "028"),
        ("武汉", "Wuhan", "027"),
        ("天津", "Tianjin", "022"),
        ("重庆", "Chongqing", "023"),
        ("长春", "Changchun", "0431"),
    )
)
ABROAD: Final = (
    Place("伦敦", "London", "GB", "Europe/London"),
    Place("曼彻斯特", "Manchester", "GB", "Europe/London"),
    Place("西雅图", "Seattle", "US", "America/Los_Angeles"),
    Place("纽约", "New York", "US", "America/New_York"),
    Place("悉尼", "Sydney", "AU", "Australia/Sydney"),
    Place("巴黎", "Paris", "FR", "Europe/Paris"),
    Place("柏林", "Berlin", "DE", "Europe/Berlin"),
    Place("斯德哥尔摩", "Stockholm", "SE", "Europe/Stockholm"),
)


@dataclass(frozen=True, slots=True)
class Name:
    """What somebody is called. A company has no surname; a name without a Chinese form is its own Latin form."""

    full: str
    surname: str
    latin: str
    latin_surname: str
    gender: Gender


def _pairs(text: str) -> list[tuple[str, str]]:
    words = text.split()
    return list(zip(words[::2], words[1::2], strict=True))


_SURNAME_PAIRS: Final = _pairs(_SURNAMES)
_GIVEN_PAIRS: Final = {Gender.MALE: _pairs(_MEN), Gender.FEMALE: _pairs(_WOMEN)}
_ENGLISH_GIVEN: Final = {Gender.MALE: _ENGLISH_MEN, Gender.FEMALE: _ENGLISH_WOMEN}
_COMPANY_PAIRS: Final = _pairs(_COMPANY_NAMES)


def chinese_person(random: Random) -> Name:
    """A Chinese name; of a few people the sources do not know the gender."""
    family, family_latin = random.choice(_SURNAME_PAIRS)
    gender = random.choice((Gender.MALE, Gender.FEMALE))
    given, given_latin = random.choice(_GIVEN_PAIRS[gender])
    known = gender if random.random() < 0.95 else Gender.UNKNOWN
    return Name(family + given, family, f"{family_latin} {given_latin}", family_latin, known)


def english_person(random: Random) -> Name:
    """An English name."""
    gender = random.choice((Gender.MALE, Gender.FEMALE))
    surname, given = random.choice(_ENGLISH_SURNAMES), random.choice(_ENGLISH_GIVEN[gender])
    return Name(f"{given} {surname}", surname, f"{given} {surname}", surname, gender)


def company(random: Random, place: Place) -> Name:
    """A company of a place, Chinese in China and English elsewhere."""
    if place.country == "CN":
        own, own_latin = random.choice(_COMPANY_PAIRS)
        trade, trade_latin = random.choice(_TRADES)
        latin = f"{place.latin} {own_latin} {trade_latin} Co., Ltd."
        return Name(f"{place.name}{own}{trade}有限公司", "", latin, "", Gender.UNKNOWN)
    one, other = random.sample(_ENGLISH_SURNAMES, 2)
    name = f"{one} & {other} {random.choice(_ENGLISH_TRADES)} {random.choice(_ENGLISH_FORMS)}"
    return Name(name, "", name, "", Gender.UNKNOWN)


def address(random: Random, place: Place) -> str:
    """A street address of a place, as its own post would write it."""
    if place.country == "CN":
        room = f"{random.randint(1, 30)}0{random.randint(1, 6)}"
        return f"{place.name}市{random.choice(_ROADS)}{random.randint(1, 999)}号{room}室"
    return f"{random.randint(1, 240)} {random.choice(_ENGLISH_ROADS)}, {place.latin}"
