"""Small numbers in words within a sentence of another language, where the question asks in it how many there are."""

import re
from fractions import Fraction
from functools import lru_cache

_LISTS = {
    "fr": (
        "un/une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept"
        " dix-huit dix-neuf vingt"
    ),
    "de": (
        "ein/eine/einen/einem zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn"
        " fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig"
    ),
    "es": (
        "un/una/uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis"
        " diecisiete dieciocho diecinueve veinte"
    ),
    "it": (
        "un/una/uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici"
        " quindici sedici diciassette diciotto diciannove venti"
    ),
    "pt": (
        "um/uma dois/duas três quatro cinco seis sete oito nove dez onze doze treze catorze/quatorze quinze"
        " dezesseis/dezasseis dezessete/dezassete dezoito dezenove/dezanove vinte"
    ),
    "nl": (
        "één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien"
        " zeventien achttien negentien twintig"
    ),
    "ru": (
        "один/одна/одно/одного/одну два/две/двух/двое три/трёх/трех/трое четыре/четырёх/четырех/четверо"
        " пять/пяти/пятеро шесть/шести семь/семи восемь/восьми девять/девяти десять/десяти одиннадцать"
        " двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать"
        " двадцать"
    ),
    "ko": (
        "한/하나 두/둘 세/셋 네/넷 다섯 여섯 일곱 여덟 아홉 열 열한/열하나 열두/열둘 열세/열셋 열네/열넷"
        " 열다섯 열여섯 열일곱 열여덟 열아홉 스무/스물"
    ),
    "zh": "一 二/两 三 四 五 六 七 八 九 十 十一 十二 十三 十四 十五 十六 十七 十八 十九 二十",
    "ja": (
        "一/一つ/ひとつ 二/二つ/ふたつ 三/三つ/みっつ 四/四つ/よっつ 五/五つ/いつつ 六/六つ/むっつ"
        " 七/七つ/ななつ 八/八つ/やっつ 九/九つ/ここのつ 十/とお 十一 十二 十三 十四 十五 十六 十七 十八 十九"
        " 二十"
    ),
    "tr": "bir iki üç dört beş altı yedi sekiz dokuz on on_bir on_iki",
    "pl": (
        "jeden/jedna/jedno dwa/dwie/dwóch/dwoje trzy/trzech/troje cztery/czterech/czworo pięć/pięciu"
        " sześć/sześciu siedem/siedmiu osiem/ośmiu dziewięć/dziewięciu dziesięć/dziesięciu jedenaście"
        " dwanaście"
    ),
    "sv": "en/ett två tre fyra fem sex sju åtta nio tio elva tolv",
}
"""From one on; other forms of a number behind a slash."""
_ASKS = {
    "fr": r"\bcombien\b|\bquel(?:le)?s?\b",
    "de": r"\bwie ?viele?\b|\bwelche\b",
    "es": r"\bcuánt[oa]s?\b|¿",
    "it": r"\bquant[iaoe]\b",
    "pt": r"\bquant[oa]s?\b",
    "nl": r"\bhoeveel\b",
    "ru": r"\bсколько\b",
    "ko": r"몇|개수|얼마",
    "zh": r"多少|几|數|数量",
    "ja": r"いくつ|何[人個本枚匹台冊回階軒]|何人",
    "tr": r"\bkaç\b",
    "pl": r"\bile\b",
    "sv": r"\bhur många\b",
}
"""What a question of that language has; the first that fits."""
_JOINED = frozenset({"ko", "zh", "ja"})
"""Written without spaces."""
_NO_COUNT = re.compile(r"第|一样|一个都|一下|一起|一共|统一|唯一|一直|一些|一般|三角|四边|五角|六角|十字|一致|一定")


_MEASURE = "[只个条本辆张把台位名朵棵匹头间架件块座]"
_ASKED_IN_HAN = re.compile(f"(?:几|多少){_MEASURE}?([^，,。?？\\s是在有的吗呢]{{1,6}})")
_COUNTED_IN_HAN = re.compile(
    f"[0-9一二三四五六七八九十两百]+\\s?{_MEASURE}\\s?([^\\s，,。.?？;；、和与是在有了的都]{{1,6}})"
)
_ORDINAL_IN_HAN = re.compile("第\\s?[0-9一二三四五六七八九十]+")
_PERSON_IN_HAN = re.compile("[男女孩童员者]|学生|老师")


@lru_cache(maxsize=1024)
def _language(question: str) -> str:
    folded = question.casefold()
    found = (name for name, pattern in _ASKS.items() if re.search(pattern, folded))
    if "quant" in folded:
        return "pt" if re.search(r"[ãõç]|\b(?:há|são|estão|uma|no|na|os|as|do|da|têm|tem|vê|veem)\b", folded) else "it"
    return next(found, "")


@lru_cache(maxsize=32)
def _words(language: str) -> tuple[re.Pattern[str], dict[str, int]]:
    numbers = {
        form: place + 1
        for place, forms in enumerate(_LISTS[language].split(" "))
        for form in forms.replace("_", " ").split("/")
    }
    longest = "|".join(sorted(map(re.escape, numbers), key=len, reverse=True))
    if language in _JOINED:
        around = (r"(?<![零〇一二三四五六七八九十百千万点])", r"(?![零〇一二三四五六七八九十百千万点])")
        if language == "ko":
            around = (r"(?<!\w)", r"(?=\s?(?:명|개|마리|대|권|장|송이|그루|살|시|잔|병|채|번|가지|켤레|입|이|$|\W))")
        return re.compile(rf"{around[0]}(?:{longest}){around[1]}"), numbers
    return re.compile(rf"(?<![\w-])(?:{longest})(?![\w-])", re.IGNORECASE), numbers


def counts_other_in_han(text: str, question: str) -> bool:
    """Whether a number counts another thing than a Chinese question does: `三只狗` of how many cats there are."""
    if text.isascii() or question.isascii() or not (asked := _ASKED_IN_HAN.search(question)):
        return False
    if _ORDINAL_IN_HAN.search(text) and "第" not in question:
        return True
    nouns = [match[1] for match in _COUNTED_IN_HAN.finditer(text)]
    return bool(nouns) and all(
        set(noun).isdisjoint(question) and not ("人" in asked[1] and _PERSON_IN_HAN.search(noun)) for noun in nouns
    )


def foreign_count(sentence: str, question: str) -> Fraction | None:
    """The only number of a (plain) sentence without digits; articles count where there is no other."""
    language = _language(question)
    if not language or any(map(str.isdigit, sentence)):
        return None
    pattern, numbers = _words(language)
    said = [numbers[match[0].casefold()] for match in pattern.finditer(_NO_COUNT.sub("", sentence))]
    several = {number for number in said if number > 1}
    return Fraction(several.pop()) if len(several) == 1 else None
