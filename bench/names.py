"""Names for a million customers, spread as in life: seven in a hundred Chinese are called Wang, most names are rare.

Shares of surnames are those of the Ministry of Public Security's report on names of 2020, rounded; given names are put
together of the characters that given names are made of.
"""

import re
from typing import Final

from app.services.names import latin

_SURNAMES: Final = (
    "王72 李70 张67 刘51 陈45 杨30 黄22 赵20 吴20 周19 徐17 孙15 马14 朱13 胡13 郭12 何12 林12 "
    "高11 罗10 郑9 梁9 谢8 宋8 唐8 许7 韩7 冯7 邓7 曹6 彭6 曾6 肖6 田6 董5 袁5 潘5 于5 蒋5 蔡5 余5 "
    "杜5 叶4 程4 苏4 魏4 吕4 丁4 任4 沈4 姚4 卢4 姜4 崔4 钟3 谭3 陆3 汪3 范3 金3 石3 廖3 贾3 夏3 韦3 "
    "付3 方3 白3 邹3 孟2 熊2 秦2 邱2 江2 尹2 薛2 闫2 段2 雷2 侯2 龙2 史2 陶2 黎2 贺2 顾2 毛2 郝2 龚2 "
    "邵2 万2 钱2 严2 覃1 武1 戴1 莫1 孔1 向1 汤1 鲁1 单1 解1 翟1 欧阳1 司马1 诸葛1 上官1 "
).split()
_GIVEN: Final = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红文辉玲建国志海燕春梅雪梅婷颖浩宇子轩梓涵欣怡雨桐诗涵浩然宇航思远"
    "嘉豪俊峰振天佑启航德林永康庆丰家瑞博鑫凯旋龙飞鹏晨曦阳光琳倩莉萍云峰山川江河清波斌彬武成功立新民生安宁福贵荣昌盛世"
    "兴旺中正义仁礼智信忠孝廉友善良和美真才学书画琴棋月星辰冬秋夏露霜雷电风"
)
_ENGLISH: Final = (
    "Alice Beth Clara Diana Emma Fiona Grace Hannah Irene Julia Kate Laura Mary Nora Olivia Rachel Sarah "
    "Adam Ben Charles Daniel Edward Frank George Henry Ian Jack Kevin Liam Mark Neil Oliver Peter Robert "
    "Simon Zoë José "
).split()
_ENGLISH_SURNAMES: Final = (
    "Abbott Baker Bennett Brooks Carter Clarke Collins Cooper Davies Dawson Edwards Ellis Fisher Foster "
    "Graham Griffin Harris Holmes Hughes Jenkins Kelly Lawson Marshall Mason Morgan Murphy Norris Palmer "
    "Parker Quinn Reynolds Richardson Sanders Shaw Spencer Sutton Thornton Turner Vaughan Walsh Weaver "
    "Whitfield Wright Young O'Brien McGonagall Müller "
).split()
_CITIES: Final = "上海 北京 广州 深圳 杭州 南京 苏州 成都 武汉 重庆 西安 天津 青岛 厦门 长沙 宁波".split()
_TRADES: Final = (
    "酒店管理 物业管理 餐饮 电子科技 纺织 医疗器械 物流 教育 建筑工程 食品 贸易 软件 文化传播 机械设备".split()
)


def _array(words: list[str]) -> str:
    return "ARRAY[" + ",".join("'" + word.replace("'", "''") + "'" for word in words) + "]"


def _spread() -> list[str]:
    """Every surname as often as its share in a thousand."""
    pairs = [re.fullmatch(r"(\D+)(\d+)", word) for word in _SURNAMES]
    return [pair[1] for pair in pairs if pair for _ in range(int(pair[2]))]


def _readings(characters: list[str]) -> str:
    return _array([latin(f"王{character}").latin_name.split(" ")[1].lower() for character in characters])


_SPREAD: Final = _spread()
_CHARACTERS: Final = list(dict.fromkeys(_GIVEN))


def _drawn(array: str, size: int, salt: int) -> str:
    """An element that looks random and follows from `s`."""
    return f"({array})[1 + (hashint8(s * 31 + {salt}) & 2147483647) % {size}]"


_SECOND: Final = "(hashint8(s * 31 + 5) & 2147483647) % 10 < 7"

NAME_OF: Final = f"""
(SELECT CASE WHEN s % 11 = 0 THEN 'company' ELSE 'person' END AS kind,
        CASE WHEN s % 11 = 0 THEN city || c1 || c2 || trade || '有限公司' WHEN s % 13 = 0 THEN first || ' ' || last
             ELSE surname || c1 || CASE WHEN {_SECOND} THEN c2 ELSE '' END END AS name,
        CASE WHEN s % 11 = 0 THEN '' WHEN s % 13 = 0 THEN last ELSE surname END AS surname,
        CASE WHEN s % 11 = 0 THEN '' WHEN s % 13 = 0 THEN first || ' ' || last
             ELSE latin || ' ' || initcap(r1 || CASE WHEN {_SECOND} THEN r2 ELSE '' END) END AS latin_name,
        CASE WHEN s % 11 = 0 THEN '' WHEN s % 13 = 0 THEN last ELSE latin END AS latin_surname,
        CASE WHEN s % 5 < 2 THEN translate(lower(latin || r1), ' ''', '') || s % 1000 || '@'
             || (ARRAY['qq.com','163.com','126.com','gmail.com','example.com','sina.com.cn'])[1 + s % 6] END AS email
 FROM (SELECT {_drawn(_array(_SPREAD), len(_SPREAD), 1)} AS surname,
              {_drawn(_array([latin(name).latin_name for name in _SPREAD]), len(_SPREAD), 1)} AS latin,
              {_drawn(_array(_CHARACTERS), len(_CHARACTERS), 2)} AS c1,
              {_drawn(_readings(_CHARACTERS), len(_CHARACTERS), 2)} AS r1,
              {_drawn(_array(_CHARACTERS), len(_CHARACTERS), 3)} AS c2,
              {_drawn(_readings(_CHARACTERS), len(_CHARACTERS), 3)} AS r2,
              {_drawn(_array(_CITIES), len(_CITIES), 4)} AS city, {_drawn(_array(_TRADES), len(_TRADES), 6)} AS trade,
              {_drawn(_array(_ENGLISH), len(_ENGLISH), 7)} AS first,
              {_drawn(_array(_ENGLISH_SURNAMES), len(_ENGLISH_SURNAMES), 8)} AS last) AS drawn)
"""
"""SQL for a customer's kind, names and e-mail address by their index `s`.

One in eleven is a company, one in thirteen of the others English; two in five have an address.
"""
