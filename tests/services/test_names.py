"""Chinese names in Latin letters, and where their surname ends."""

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.services.names import LatinForms, latin


@pytest.mark.parametrize(
    ("name", "latin_name", "latin_surname", "surname"),
    [
        ("鲁大伟", "Lu Dawei", "Lu", "鲁"),
        ("王芳", "Wang Fang", "Wang", "王"),
        # Read otherwise as a surname than anywhere else.
        ("单雄信", "Shan Xiongxin", "Shan", "单"),
        ("仇和", "Qiu He", "Qiu", "仇"),
        ("解晓东", "Xie Xiaodong", "Xie", "解"),
        ("曾国藩", "Zeng Guofan", "Zeng", "曾"),
        ("区志远", "Ou Zhiyuan", "Ou", "区"),
        ("朴正熙", "Piao Zhengxi", "Piao", "朴"),
        ("查良镛", "Zha Liangyong", "Zha", "查"),
        ("盖叫天", "Ge Jiaotian", "Ge", "盖"),
        ("翟志刚", "Zhai Zhigang", "Zhai", "翟"),
        ("乐嘉", "Yue Jia", "Yue", "乐"),
        # … and the same characters in a given name as everywhere.
        ("王单", "Wang Dan", "Wang", "王"),
        ("李乐", "Li Le", "Li", "李"),
        # Compound surnames, one of them a lone one.
        ("欧阳娜娜", "Ouyang Nana", "Ouyang", "欧阳"),
        ("司马光", "Sima Guang", "Sima", "司马"),
        ("诸葛亮", "Zhuge Liang", "Zhuge", "诸葛"),
        ("尉迟恭", "Yuchi Gong", "Yuchi", "尉迟"),
        ("长孙无忌", "Zhangsun Wuji", "Zhangsun", "长孙"),
        ("万俟卨", "Moqi Xie", "Moqi", "万俟"),
        ("上官", "Shangguan", "Shangguan", "上官"),
        ("王", "Wang", "Wang", "王"),
        # Traditional characters.
        ("歐陽鋒", "Ouyang Feng", "Ouyang", "歐陽"),
        ("單雄信", "Shan Xiongxin", "Shan", "單"),
        # ü, and the apostrophe between syllables that would run together.
        ("吕布", "Lü Bu", "Lü", "吕"),
        ("李月娥", "Li Yue'e", "Li", "李"),
        ("张建安", "Zhang Jian'an", "Zhang", "张"),
        ("王安", "Wang An", "Wang", "王"),
        # Characters that mean something else in names.
        ("孙长江", "Sun Changjiang", "Sun", "孙"),
        ("陈重阳", "Chen Chongyang", "Chen", "陈"),
        # As an agent writes somebody down who gave their surname only.
        ("鲁先生", "Mr Lu", "Lu", "鲁"),
        ("欧阳女士", "Ms Ouyang", "Ouyang", "欧阳"),
        ("单老师", "Shan", "Shan", "单"),
        # No Chinese surname, or not to be told.
        ("田中太郎", "Tianzhongtailang", "", ""),
        ("买买提·阿卜杜拉", "Maimaiti Abudula", "", ""),
        ("王Peter", "Wang Peter", "", ""),
        # Blanks do not matter.
        (" 鲁 大伟 ", "Lu Dawei", "Lu", "鲁"),
        # Latin letters.
        ("John Smith", "John Smith", "Smith", "Smith"),
        ("Vincent van Gogh", "Vincent van Gogh", "van Gogh", "van Gogh"),
        ("Sammy Davis Jr.", "Sammy Davis Jr.", "Davis", "Davis"),
        ("Smith, John", "Smith, John", "Smith", "Smith"),
        ("Madonna", "Madonna", "", ""),
        # Neither.
        ("Лев Толстой", "", "", ""),
        ("", "", "", ""),
        ("…", "", "", ""),
    ],
)
def test_latin(name: str, latin_name: str, latin_surname: str, surname: str) -> None:
    assert latin(name) == LatinForms(latin_name, latin_surname, surname)


@given(st.text(max_size=12) | st.text(alphabet="王欧阳单长·先生 aé,", max_size=8))
@settings(deadline=None)
def test_any_text_has_forms(name: str) -> None:
    forms = latin(name)

    assert forms.surname in " ".join(name.split()) or forms.surname in name.replace(" ", "")
    assert bool(forms.surname) == bool(forms.latin_surname)
    if forms.latin_surname:
        assert forms.latin_surname in forms.latin_name


@given(st.text(alphabet=[chr(code) for code in range(0x4E00, 0x9FA6)], min_size=1, max_size=4))
@settings(deadline=None)
def test_common_characters_become_latin(name: str) -> None:
    assert all("LATIN" in unicodedata.name(char) or char in " '" for char in latin(name).latin_name)


def test_the_dictionary_is_not_loaded_before_it_is_needed() -> None:
    script = (
        "import sys; from app.services.names import latin; latin('John Smith'); assert 'pypinyin' not in sys.modules; "
        "latin('鲁大伟'); assert 'pypinyin' in sys.modules; "
        "from pypinyin.constants import PHRASES_DICT; print(len(PHRASES_DICT))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert shown.stdout == "0\n", "the phrases take 45 MB"
