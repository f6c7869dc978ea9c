"""Numbers in Mandarin utterances: words, digits and mixtures, as people say them and as recognisers write them.

Pure tables and one pass from left to right. A number is read only when its words form a number by the rules below;
anything else is `UNREADABLE`, so that a misheard amount becomes a question and not another amount.

Choices that a reader may want to know:

* A bare digit after a unit is one unit lower: 两千五 2500, 一百五 150, 一万五 15000, 五块三 5.30. After 零 it is ones.
* 五六百, 三五百, 十五六, 百八十, 万把块, 三千多, 几百 are ranges: no value. 三千左右, 大概三千 have one, `approximate`.
* Spoken digits (五零零, 幺二零零) are an amount only when they end in 零, and `ambiguous`; other strings are numbers of
  cards, rooms and telephones.
* A lone digit or a number below a hundred without 块 counts only where nothing but an ending follows it: Chinese is
  full of 一下, 三楼 and 十分.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from kiosk.core.amount_mention import Folded, Kind, Mention, to_minor
from kiosk.core.number_zh import BAD, DIGIT, Parsed, number

_TRADITIONAL = dict(
    zip(
        "萬億兩點塊圓圆幾張錢歲號個樓層週禮鐘時間餘來對錯說應該還別沒約條減換給請為過員單電話機碼證國歐鎊幣紙頭會這卡總剛負門們從後裡裏邊長買賣開關",
        "万亿两点块元元几张钱岁号个楼层周礼钟时间余来对错说应该还别没约条减换给请为过员单电话机码证国欧镑币纸头会这卡总刚负门们从后里里边长买卖开关",
        strict=True,
    )
)
_FORMAL = dict(zip("〇○壹贰貳弍叁叄參肆伍陆陸柒捌玖拾佰仟弌", "零零一二二二三三三四五六六七八九十百千一", strict=True))
_TABLE = str.maketrans({**_TRADITIONAL, **_FORMAL, "￥": "¥", "～": "~", "—": "-", "–": "-"})

#: words that hold number characters and mean no number
_IDIOM = re.compile(
    r"七老八十|七七八八|乱七八糟|三言两语|一五一十|三心二意|丢三落四|颠三倒四|三天两头|一清二楚|张三"
    r"|李四|王五|王二|赵六"
    r"|(?<![零一二三四五六七八九两十百千\d])(?:万一|千万(?=别|不|要|得|记|给|小)|一块儿|一块(?=去|来的|取|办|走|过))"
    r"|[一半][分毛块](?:钱)?(?=也|都没|都不|没|不)|万事|万能|百姓|百货|百度|十分(?!钱)|五一(?=节|劳动"
    r"|放假|假)|三轮|四季|五金|二维码|一百个放心"
    r"|百分之?[零一二三四五六七八九十百点\d.]+|[零一二三四五六七八九十百\d]+分之[零一二三四五六七八九十百\d]+"
    r"|一下|一点(?!\d|[零一二三四五六七八九])|一会|一些|一样|一起|一直|一定|一共|一般|统一|唯一|专一|一辈子|第一|老二"
)
_ATOM = r"(?:\d{1,3}(?:,\d{3})++(?!\d)(?:\.\d++)?|\d++(?:\.\d++)?|[零一二三四五六七八九幺两十百千万亿兆廿卅几])"
_RUN = re.compile(rf"{_ATOM}++(?:点{_ATOM}++)?")
#: digits in groups: telephones, cards, dates, times
_GROUPS = re.compile(r"\d++(?:[ \-/:.]\d++){2,}|\d++[ :/]\d++|\d++(?!rmb|yuan|cny)[a-z]+\d*")

_CURRENCIES = {
    "人民币": "CNY", "rmb": "CNY", "cny": "CNY", "yuan": "CNY", "块钱": "", "块": "", "元钱": "", "元整": "",
    "元": "", "蚊": "", "大洋": "",
    "美元": "USD", "美金": "USD", "刀": "USD", "英镑": "GBP", "镑": "GBP", "欧元": "EUR", "港币": "HKD", "港元": "HKD",
    "印度卢布": "INR", "卢比": "INR", "新台币": "TWD", "台币": "TWD", "澳元": "AUD", "加元": "CAD", "泰铢": "THB",
    "新元": "SGD", "法郎": "CHF", "日元": "JPY", "韩元": "KRW", "卢布": "RUB",
}  # fmt: skip
_CURRENCY = re.compile("|".join(sorted(_CURRENCIES, key=len, reverse=True)))
_PREFIX = re.compile(r"(?:¥|人民币|rmb|cny)$")
_FRACTION = re.compile(
    r"(?:零?(?P<jiao>[一二三四五六七八九两]|\d)[毛角](?:钱)?(?:零?(?P<fen>[一二三四五六七八九两]"
    r"|\d)(?:分钱?|(?![\d零一二三四五六七八九两十百千万亿张个毛块元])))?)"
    r"|(?:零?(?P<fen2>[一二三四五六七八九两]|\d{1,2})分钱?)"
    r"|(?P<half>半(?!个|天))"
    r"|(?P<zero>零)(?P<fen3>[一二三四五六七八九])(?![\d零一二三四五六七八九十百千万亿毛角张个])"
    r"|(?P<bare>[一二三四五六七八九两]|\d{1,2})(?![\d.,零一二三四五六七八九两十百千万亿毛角张个点月号岁年楼])"
)
_SMALL = re.compile(
    r"(?P<jiao>[一二三四五六七八九两]|\d)[毛角](?:钱)?(?:零?(?P<fen>[一二三四五六七八九两]|\d)(?:分钱?|(?![\d\w])))?"
)
_FEN = re.compile(r"(?P<fen>[一二三四五六七八九两]|\d{1,2})分(?:钱|$|(?!\w))")
_CENT_CURRENCIES = {"便士": "GBP", "美分": "USD", "欧分": "EUR"}
_CENTS = re.compile("|".join(_CENT_CURRENCIES))
#: hundredths of other currencies: 四十一便士
_PENCE = re.compile(r"零?(?P<count>[一二三四五六七八九两十]{1,3}|\d{1,2})(?:便士|美分|欧分|分)")
_COUNT = r"[一二三四五六七八九两十]{1,3}|\d{1,3}"
_NOTE = r"一百|100|百(?=元)|五十|50|二十|20|十|10|五|5|一(?!百)|1"
_NOTES = re.compile(
    rf"(?P<count>{_COUNT})张(?:面[值额])?(?:是)?(?P<note>{_NOTE})(?P<tail>(?:块钱|块"
    rf"|元)?(?:面[值额])?的?(?:大钞|钞票|钞|票子|票)?)"
    rf"(?![\d零百千万亿点])(?!(?:[一二三四五六七八九两十])(?![张一二三四五六七八九十]*张))"
)
_NOTES_AFTER = re.compile(
    rf"(?<![\d零一二三四五六七八九两十百千万亿])(?P<note>{_NOTE})(?:块钱|块|元)?的?(?:大钞|钞票|钞|票子"
    rf"|票)?(?:给我|帮我|我要)?(?:拿|来|要|取)?(?P<count>{_COUNT})张(?![一二五十百\d])"
)
_NOTE_VALUES = {"一百": 100, "百": 100, "五十": 50, "二十": 20, "十": 10, "五": 5, "一": 1}

#: after a number of any size: it counts something else
_MEASURE = re.compile(
    r"(?:多|来|几|余)?(?:岁|年(?!货)|月|日(?!元)|号|点|分钟|小时|个|天|周|星期|礼拜|斤|公斤|米|度|%|路公"
    r"|室|房|楼|层|次|遍|人(?!民币)|页|条|秒|里地|公里|折|号线|位数?|分(?!钱)|克|平方|立方|毫|厘|升|吨"
    r"|亩|倍|公顷|[圈粒颗只匹棵辆步台]|比\d|比[一二三四五六七八九十])"
)
#: after a small number without a currency: the sentence ends, or goes on as it does after an amount
_ENDS = re.compile(
    r"$|[^\w]|吧|呀|啊|了|哦|哈|呢|嘛|的|就|行|可|够|好|谢|整|给|都|左右|上下|差不多|成|中|得|也|先|出来"
    r"|现金|不|对|是|改|钱|请|我|要|还|算|错|应该|到|至|或|和|大"
)
_NOT_MONEY_BEFORE = re.compile(
    r"(?:第|星期|礼拜|周|初|尾号|后四位|卡号|账号|帐号|密码|验证码|电话|号码|手机号?|身份证号?|房号|门牌"
    r"|工号|编号|排|[零一二三四五六七八九十百\d]比|[零一二三四五六七八九\d]点)(?:码|是|为|叫|的)*$"
)
_CALL_BEFORE = re.compile(r"(?:打|拨|拨打|打给)$")
_CALLED = re.compile(r"1(?:10|19|20|22)|12\d{3}|9\d{4}")
#: money that is there, was taken before, or stays: not the amount asked for
_HELD_BEFORE = re.compile(
    r"(?:(?:卡|账户|存折|折子|里头?|里面|上面?|户头)(?:一共|总共|还|就|只|才|不是)?(?:有|剩)|余额(?:是"
    r"|有|还有|还剩)?|还剩下?|剩下?|留下?|只有|就有|欠"
    r"|(?:退休金|养老金|工资|低保)(?:才|是|有|就|只有|一个月|每个月|每月|发了)+|(?:一个|每个?)月(?:才|就"
    r"|有|是)?|限额(?:是)?|手续费(?:是|要)?"
    r"|(?:上次|上回|昨天|前天|刚才|刚|已经)(?:是)?(?:取|存|拿|支)(?:了|的|过)?(?:是)?|(?:取|存|花|拿"
    r"|支|交|转|汇|充|给错|给少|给多)(?:了|过)|除了|扣掉?)(?:我)?$"
)
_RELATIVE_BEFORE = re.compile(r"(?:再?加上?|再多|再少|(?<!不)(?:多|少)(?:取|拿|给|支|要|存|来)(?:个|点)?|减掉?)$")
_BOUND_BEFORE = re.compile(
    r"(?:不到|不足|超过|不超过|至少|最少|最多|起码|顶多|大于|小于|多于|少于|将近|接近|小|乘以?"
    r"|[零一二三四五六七八九两十百\d]个|(?<![零一二三四五六七八九两十百千万\d])块)$"
)
_BOUND_AFTER = re.compile(
    r"(?:[多少]一?点|多|余|来(?:块|元|万|个|$|[^\w])|把|出头|挂零|以[上下内]|之[内上]|往上|开外|不到|儿八|(?:块钱|块"
    r"|元)?[都也](?:没|不)|乘|倍)"
)
_ABOUT_BEFORE = re.compile(r"(?:大概其?|大约摸?|差不多|约|约摸|估计|也就|可能|大致)(?:是|要|取|拿|支|个|有|就)*$")
_ABOUT_AFTER = re.compile(r"(?:块钱|块|元)?(?:左右|上下|的样子|样子|差不多)")
_NEGATED_BEFORE = re.compile(
    r"(?<![是要能可取用想好])(?:不是|不要|别|甭|不取|不用|不想|不许|不准|没说|没有说|没要|不支|不存)(?:我|说|要|取|给我|拿|支|付|那)*$"
)
_AGE_BEFORE = re.compile(r"(?:今年|虚岁|周岁|年纪|岁数|年龄|高龄|享年|活到|活了)(?:都|快|也|已经|是|有|我)*$")
_AGE_PERSON = re.compile(
    r"(?:我|都|快|也|已经|奔|老伴儿?|他|她|人家|妈|爸|满|过了?|老人|老头子?|老太太?|老爷子|爷爷|奶奶"
    r"|父亲|母亲)$"
)
_AGE_AFTER = re.compile(r"(?:多|几|来|好几)?(?:岁|了|啦|的人|出头|高龄|大寿|喽|咯)")
_TIME_BEFORE = re.compile(r"(?:上午|下午|早上|晚上|中午|傍晚|凌晨|早晨)$")

_PUNCT = r"[\s，。,.!！?？、；;…~\-：:\"“”]"
_FILL = (
    rf"(?:{_PUNCT}|呃|额|嗯|哦|噢|喔|啊|哎|唉|诶|那个|这个|呀|哈|呢|吧|了|我|你|您|说|是|要|想|取|给|拿"
    rf"|再|就|请|应该|支|个|的|左右|看|还|得|麻烦|帮|把|闺女|姑娘|小伙子|块钱?|元)"
)
_MARK = (
    r"(?:不对|不是|不不+|不要|不|说错了?|错了?|搞错了?|弄错了?|记错了?|口误|算了|改成|改为|改|换成|等等|等一下|等会儿?)"
)
_CORRECTS = re.compile(rf"{_FILL}*(?:{_MARK}{_FILL}*)+")
_OPEN_NEGATION = re.compile(r"(?:不是|不要)(?:我|说|要|取|给我|拿|支|那)*$")
_OR_RATHER = re.compile(rf"{_FILL}*还是{_FILL}*")
_RATHER_AFTER = re.compile(rf"{_PUNCT}*(?:块钱|块|元)?(?:吧|好了|算了|得了)")
_RANGES = re.compile(rf"{_PUNCT}*(?:到|至|~|-|或者?是?|还是|、)(?:是|取|要)?{_PUNCT}*")
_ADDS = re.compile(r"和|加|再|又|另外?|还有|还要|跟|外加|然后")
_RETRACTS = re.compile(
    rf"{_FILL}*(?:不对|不是(?!很|我|的话)|算了|说错|错了|搞错|弄错|记错|不取|不要(?:了|$|{_PUNCT})"
    rf"|不用(?:了|$)|取消|等等|等一下|不(?:$|{_PUNCT}))"
)
_EVERYTHING = re.compile(
    r"全取|全拿|全支|全都?(?:取|拿|支)|全部(?!都?要|都?给|都?换|用|都?拿)|都(?:取|拿|支)(?:出来|了|走"
    r"|完)|取光|取完|取空|所有|一分不[剩留]|剩下的|余下的?|其余|其[他它]的?都"
    r"|一半|半数|除了|统统|有多少.{0,2}多少|能取多少|全都?给我"
)


def fold(text: str) -> Folded:
    """One writing, without spaces (other than between digits) and without control characters."""
    chars, index = [], []
    for i, c in enumerate(text):
        if unicodedata.category(c) in ("Cc", "Cf") and not c.isspace():
            continue
        # ① and ⁵ are no digits that anybody speaks or a recogniser writes
        wide = unicodedata.normalize("NFKC", c) if unicodedata.category(c) != "No" else c
        chars.append((wide if len(wide) == 1 else c).lower()[:1].translate(_TABLE))
        index.append(i)
    kept = []
    for k, c in enumerate(chars):
        if c.isspace():
            left = chars[k - 1] if k else ""
            right = chars[k + 1] if k + 1 < len(chars) else ""
            if not (left.isascii() and right.isascii() and left.isalnum() and right.isalnum()):
                continue
        kept.append(k)
    return Folded("".join(" " if chars[k].isspace() else chars[k] for k in kept), tuple(index[k] for k in kept))


def mentions(text: str) -> list[Mention]:
    """Every number in folded `text`, from left to right."""
    text = _IDIOM.sub(lambda m: "＿" * len(m[0]), text)
    found: list[Mention] = []
    at = 0
    while m := _RUN.search(text, at):
        mention = _groups(text, m.start()) or _notes(text, m.start()) or _number(text, m)
        at = max(mention.end, m.start() + 1)
        found.append(mention)
    return found


def _groups(text: str, at: int) -> Mention | None:
    m = _GROUPS.match(text, at)
    if not m:
        return None
    digits = re.findall(r"\d+", m[0])
    if len(digits) == 2 and re.fullmatch(r"\d+ \d+", m[0]) and len("".join(digits)) < 8:
        return Mention(m.start(), m.end(), Kind.UNREADABLE)
    if re.search(r"[a-z]", m[0]):
        return Mention(m.start(), m.end(), Kind.UNREADABLE)
    return Mention(m.start(), m.end(), Kind.NOT_MONEY)


def _notes(text: str, at: int) -> Mention | None:
    """「五张一百的」 and 「一百的拿五张」."""
    for pattern in (_NOTES, _NOTES_AFTER):
        m = pattern.match(text, at)
        if not m:
            continue
        note = _NOTE_VALUES.get(m["note"]) or int(m["note"])
        if pattern is _NOTES and note < 50 and not m["tail"]:
            return None
        count = number(m["count"])
        if count.kind is not Kind.VALUE or count.digits or count.value != int(count.value):
            return Mention(m.start(), m.end(), Kind.UNREADABLE)
        kind = Kind.NEGATED if _NEGATED_BEFORE.search(text[max(0, at - 12) : at]) else Kind.NOTES
        return Mention(m.start(), m.end(), kind, to_minor(count.value * note))
    return None


def _number(text: str, m: re.Match[str]) -> Mention:
    """Judge one run by its own words, then by what stands before and after it."""
    start, end = m.span()
    before = text[max(0, start - 14) : start]
    small = _SMALL.match(text, start) or _FEN.match(text, start)
    if small:
        return _judge(before, text, start, small.end(), Parsed(Kind.VALUE, _tenths(small.groupdict())), "", True)
    parsed = number(m[0])
    if parsed.kind is Kind.NOT_MONEY or (
        parsed.kind is Kind.VALUE and "点" in m[0] and _TIME_BEFORE.search(before) and parsed.value < 25
    ):
        return Mention(start, end, Kind.NOT_MONEY)
    prefix = _PREFIX.search(before)
    if prefix:
        start -= len(prefix[0])
        before = before[: prefix.start()]
    currency, named = "", bool(prefix)
    unit = _CURRENCY.match(text, end)
    if unit:
        end, named = unit.end(), True
        currency = _CURRENCIES[unit[0]]
        if m[0] in ("一", "百", "千") and unit[0] == "块" and not _ENDS.match(text, end):
            return Mention(start, end, Kind.NOT_MONEY)
        home = unit[0] in ("块", "元", "蚊")
        part = (_FRACTION if home else _PENCE).match(text, end)
        if part and parsed.kind is Kind.VALUE:
            cents = _tenths(part.groupdict()) if home else number(part["count"]).value / 100
            parsed = _plus(parsed, cents)
            end = part.end()
        elif parsed.elided and unit[0] == "块" and m[0].endswith("一"):
            parsed = BAD  # 五百一块…: 510, 501, or 500 and 一块儿
        if text.startswith("钱", end):
            end += 1
    elif foreign := _CENTS.match(text, end):
        end, named, currency = foreign.end(), True, _CENT_CURRENCIES[foreign[0]]
        parsed = Parsed(parsed.kind, parsed.value / 100, parsed.elided, parsed.digits)
    return _judge(before, text, start, end, parsed, currency, named)


def _plus(main: Parsed, cents: Decimal) -> Parsed:
    """Main units with hundredths after them; 1.5块三毛 and 一百五块三 are no amounts."""
    if main.value != int(main.value) or main.elided or cents >= 1:
        return BAD
    return Parsed(Kind.VALUE, main.value + cents)


def _tenths(parts: dict[str, str | None]) -> Decimal:
    """The value of 三毛二, 零五分, 半, or a bare digit after 块."""

    def digit(word: str) -> int:
        return int(word) if word.isdigit() and word.isascii() else DIGIT[word]

    if parts.get("half"):
        return Decimal("0.5")
    if bare := parts.get("bare"):
        return Decimal(digit(bare)) / (10 if len(bare) == 1 else 100)
    fen = parts.get("fen") or parts.get("fen2") or parts.get("fen3")
    jiao = parts.get("jiao")
    return (Decimal(digit(jiao)) / 10 if jiao else Decimal(0)) + (Decimal(digit(fen)) / 100 if fen else Decimal(0))


def _judge(before: str, text: str, start: int, end: int, parsed: Parsed, currency: str, named: bool) -> Mention:
    """What the words around a number make of it."""
    after = text[end : end + 8]
    value = parsed.value
    exact = parsed.kind is Kind.VALUE
    run = text[start:end]

    def mention(kind: Kind, minor: int | None = None, flags: tuple[str, ...] = ()) -> Mention:
        return Mention(start, end, kind, minor, flags, currency)

    if not named:
        if _MEASURE.match(after) or _NOT_MONEY_BEFORE.search(before) or after.startswith("张"):
            return mention(Kind.NOT_MONEY)
        if _AGE_BEFORE.search(before):
            return mention(Kind.NOT_MONEY)
        if (not exact or 30 <= value <= 120) and _AGE_PERSON.search(before) and _AGE_AFTER.match(after):
            return mention(Kind.NOT_MONEY)
        if _CALL_BEFORE.search(before) and (parsed.digits or _CALLED.fullmatch(run)):
            return mention(Kind.NOT_MONEY)
        if run == "几":
            return mention(Kind.NOT_MONEY)
    if _HELD_BEFORE.search(before):
        return mention(Kind.NOT_MONEY)
    if before.endswith(("负", "-")) and exact:
        return mention(Kind.UNREADABLE)
    if not exact:
        return mention(parsed.kind)
    if after.startswith("半"):
        return mention(Kind.UNREADABLE)
    if _RELATIVE_BEFORE.search(before) or _BOUND_BEFORE.search(before) or _BOUND_AFTER.match(after):
        return mention(Kind.VAGUE)
    whole = not re.search(r"\w", before) and not re.search(r"\w", after)
    if not named and not whole:
        bare_digit = run in DIGIT and run != "零"
        if run == "零" or (bare_digit and not (after == "" and before.endswith(("取", "要", "拿", "支")))):
            return mention(Kind.NOT_MONEY)
        if value < 100 and not _ENDS.match(after):
            return mention(Kind.NOT_MONEY)
        if re.fullmatch(r"\d{7,}", run) or re.fullmatch(r"0\d+", run):
            return mention(Kind.NOT_MONEY)
    elif not named and (re.fullmatch(r"\d{9,}", run) or re.fullmatch(r"0\d+", run)):
        return mention(Kind.NOT_MONEY)
    if _NEGATED_BEFORE.search(before):
        return mention(Kind.NEGATED)
    if re.match(r"(?:面[值额])?的(?![时话])(?!$)|一张|面[值额]", after) and value in (1, 2, 5, 10, 20, 50, 100):
        return mention(Kind.DENOMINATION, to_minor(value))
    if after in ("的", "的。", "的，", "的吧") and value in (1, 2, 5, 10, 20, 50, 100):
        return mention(Kind.DENOMINATION, to_minor(value))
    minor = to_minor(value)
    if minor is None:
        return mention(Kind.UNREADABLE)
    flags = []
    if _ABOUT_BEFORE.search(before) or _ABOUT_AFTER.match(after):
        flags.append("approximate")
    if parsed.digits or (parsed.elided and named):
        flags.append("ambiguous")
    return mention(Kind.VALUE, minor, tuple(flags))


# --- what stands between and after mentions --------------------------------------------------------------------------


def corrects(gap: str, after: str) -> bool:
    """Do the words between two mentions take the first one back? `after` follows the second.

    「六百，不是五百」 and 「五百不是六百」 look alike to a recogniser that drops commas: not a correction.
    """
    if len(gap) > 40:
        return False
    if _OR_RATHER.fullmatch(gap):
        return bool(_RATHER_AFTER.match(after))
    return bool(_CORRECTS.fullmatch(gap)) and not _OPEN_NEGATION.search(gap)


def ranges(gap: str) -> bool:
    """Do the words between two mentions make them a range or a choice?"""
    return bool(_RANGES.fullmatch(gap))


def adds(gap: str) -> bool:
    """Do the words between two mentions ask for both?"""
    return bool(_ADDS.search(gap))


def retracted(tail: str) -> bool:
    """Do the words after the last mention take it back?"""
    return bool(_RETRACTS.match(tail[:60]))


def everything(text: str) -> bool:
    """Is all (or half, or the rest) of the money meant, whatever numbers are named beside it?"""
    return bool(_EVERYTHING.search(text))
