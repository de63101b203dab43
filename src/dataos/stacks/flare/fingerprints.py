"""What a column seems to hold, by its name, type and values: suggested tags with a confidence (ch04 6.9). Pure.

An attribute is known by words in the column's name, by a pattern that whole values match (with a check digit where
there is one), or by both. Values alone count only where the pattern is telling: nine digits may be anything.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dataos.stacks.flare.functions import words

SUGGESTED_FROM = 0.5
_CATEGORIES = 50
_CATEGORICAL_SHARE = 0.05


@dataclass(frozen=True)
class Column:
    """A column as it was measured. `sample`: frequent values as text, with how often each occurs."""

    name: str
    type: str
    rows: int
    count: int  # that are not null
    distinct: int | None
    sample: Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Attribute:
    """One thing that columns hold. `telling`: values that match are evidence without a name."""

    tag: str
    words: tuple[str, ...] = ()
    pattern: str | None = None
    telling: bool = True
    valid: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Label:
    """A suggestion."""

    tag: str
    confidence: float


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _luhn(text: str) -> bool:
    """The check digit of card numbers (ISO/IEC 7812)."""
    total = 0
    for position, digit in enumerate(reversed(_digits(text))):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _iban(text: str) -> bool:
    """The check digits of account numbers (ISO 13616)."""
    packed = text.replace(" ", "").upper()
    return int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1


_D5 = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
       "5987604321", "6598710432", "7659821043", "8765932104", "9876543210")  # fmt: skip
_TURNS = ("0123456789", "1576283094", "5803796142", "8916043527",
          "9453126870", "4286573901", "2793806415", "7046913258")  # fmt: skip


def _verhoeff(text: str) -> bool:
    """The check digit of Aadhaar numbers (Verhoeff's scheme)."""
    state = 0
    for position, digit in enumerate(reversed(_digits(text))):
        state = int(_D5[state][int(_TURNS[position % 8][int(digit)])])
    return state == 0


def _ip(text: str) -> bool:
    """An address of the Internet: 12:30:45 has the letters of one."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_COUNTRIES = words(
    """
    india germany france spain italy china japan canada australia brazil mexico netherlands belgium austria sweden
    norway denmark finland poland portugal ireland greece switzerland turkey russia ukraine egypt kenya nigeria israel
    pakistan bangladesh indonesia malaysia singapore thailand vietnam philippines argentina chile colombia peru
    """
) | {"united states", "united kingdom", "new zealand", "south africa", "saudi arabia", "south korea", "czech republic"}
_STATES = words(
    """
    al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok or pa ri
    sc sd tn tx ut vt va wa wv wi wy dc
    """
)


def _country(text: str) -> bool:
    return text.lower() in _COUNTRIES


_WORD = r"[^\W\d_][^\d_]"
_STREET = (
    r"(?i)(\d+\w? .*(street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd)\.?"
    r"|.*(stra(ss|ß)e|platz|weg) \d+\w?)"
)
_IP = r"(\d{1,3}(\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7})"
_LICENCE = r"([A-Z]{2}[ -]?\d{2}[ -]?(19|20)\d{2}\d{7}|[A-Z]\d{7,12}|\d{8,9})"
_URL = r"(?i)(https?://\S+|(www\.)?([a-z0-9\-]+\.)+(com|org|net|io|de|in|uk|edu|gov)(/\S*)?)"
_UUID = r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_GENDER = r"(?i)(m|f|d|x|male|female|man|woman|diverse|other|non-binary)"


def _telling(tag: str, names: str, pattern: str, valid: Callable[[str], bool] | None = None) -> Attribute:
    """Known by its values alone."""
    return Attribute(tag, tuple(names.split()), pattern, True, valid)


def _named(tag: str, names: str, pattern: str | None = None, valid: Callable[[str], bool] | None = None) -> Attribute:
    """Known by its name; its values may only confirm that."""
    return Attribute(tag, tuple(names.split()), pattern, False, valid)


ATTRIBUTES: tuple[Attribute, ...] = (
    _telling("PII.Email", "email mail", r"[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}"),
    _named("PII.Phone", "phone mobile telephone tel cell fax", r"\+?[0-9(][0-9 ().\-]{5,18}[0-9]"),
    _named("PII.FirstName", "firstname fname givenname forename", _WORD + "{1,39}"),
    _named("PII.LastName", "lastname lname surname familyname", _WORD + "{1,39}"),
    _named("PII.Name", "fullname personname customername", _WORD + "{1,79}"),
    _named("PII.Gender", "gender sex", _GENDER),
    _named("PII.dateofbirth", "dob birthdate dateofbirth birthday birth", r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*"),
    _named("PII.age", "age", r"(1[01]\d|\d{1,2})(\.0+)?"),
    _named("PII.location", "location address latitude longitude geo"),
    _telling("PII.Street", "street addressline", _STREET),
    _telling("PII.IpAddress", "ip ipaddress ipaddr", _IP, _ip),
    _named("PII.Login", "login userid loginid username", r"[A-Za-z0-9][A-Za-z0-9._\-]{1,63}"),
    _telling("PII.Ssn", "ssn socialsecurity", r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}"),
    _telling("PII.Aadhaar", "aadhaar aadhar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", _verhoeff),
    _telling("PII.Pan", "pan pancard", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]"),
    _named("PII.DrivingLicence", "drivinglicence drivinglicense driverlicense licence license dl", _LICENCE),
    _telling("PCI.CardNumber", "card cardnumber creditcard ccnumber", r"[2-6]\d{3}([ -]?\d{4}){2}[ -]?\d{3,7}", _luhn),
    _telling("PCI.Iban", "iban", r"[A-Z]{2}\d{2} ?([A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}", _iban),
    _telling("PCI.Ifsc", "ifsc", r"[A-Z]{4}0[A-Z0-9]{6}"),
    _named("PCI.BankAccount", "bankaccount accountnumber accountno", r"\d{6,18}"),
    _telling("PCI.Upi", "upi vpa", r"[A-Za-z0-9._\-]{2,}@[A-Za-z]{3,}"),
    _telling("SPI.Ein", "ein", r"\d{2}-\d{7}"),
    _named("SPI.ApiKey", "apikey accesskey secretkey accesstoken", r"[A-Za-z0-9_\-]{20,}"),
    _named("SPI.Password", "password passwd pwd"),
    _named("SPI.Salary", "salary wage income compensation", r"[^A-Za-z]{0,3}\d[\d,.' ]*"),
    _named("SPI.Religion", "religion"),
    _named("SPI.Race", "race ethnicity"),
    _telling("PHI.BloodGroup", "bloodgroup bloodtype", r"(A|B|AB|O)[+-]"),
    _named("PersonalData.Organisation", "organisation organization company employer"),
    _named("PersonalData.Degree", "degree qualification"),
    _telling("PersonalData.Country", "country countryname nation", r"[A-Za-z .'\-]{4,}", _country),
    _named("PersonalData.CountryCode", "countrycode countryiso country", r"[A-Z]{2,3}"),
    _named("PersonalData.StateCode", "state statecode", r"[A-Z]{2}", lambda v: v.lower() in _STATES),
    _telling("field.uuid", "uuid guid", _UUID),
    _telling("field.url", "url uri website domain link", _URL),
)
"""The built-in dictionary. Where the predefined policies hang on a tag, this is its spelling (ch02 4.9)."""


def label(column: Column, own: Sequence[Attribute] = ()) -> list[Label]:
    """Suggestions for a column, surest first. `own`: attributes of the author, beside the built-in ones."""
    found = {attribute.tag: _confidence(column, attribute) for attribute in (*ATTRIBUTES, *own)}
    _settle(found)
    found |= _kinds(column)
    chosen = [Label(tag, round(value, 2)) for tag, value in found.items() if value >= SUGGESTED_FROM]
    return sorted(chosen, key=lambda one: (-one.confidence, one.tag))


def _confidence(column: Column, attribute: Attribute) -> float:
    name = _name_score(column.name, attribute.words)
    if attribute.pattern is None:
        return 0.7 * name
    if not column.sample:
        return 0.55 * name
    share = _share(column.sample, attribute)
    if not attribute.telling and not name:
        return 0.0
    if name and share < 0.3:  # a name that its values speak against
        return 0.3 * name
    return min(1.0, 0.8 * share + 0.2 * name) if attribute.telling else 0.5 * name + 0.45 * share


def _share(sample: Sequence[tuple[str, int]], attribute: Attribute) -> float:
    pattern = re.compile(attribute.pattern or "")
    total = sum(count for _, count in sample)
    hits = 0
    for value, count in sample:
        text = value.strip()
        if pattern.fullmatch(text) and (attribute.valid is None or attribute.valid(text)):
            hits += count
    return hits / total if total else 0.0


def _name_score(name: str, words: Sequence[str]) -> float:
    """1 for a name that is one of the words, less for one that holds one as a part of its own."""
    parts = [p.lower() for p in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
    whole = "".join(parts)
    joined = {"".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, len(parts) + 1)}
    if whole in words:
        return 1.0
    return 0.85 if any(word in joined for word in words) else 0.0


def _settle(found: dict[str, float]) -> None:
    """Where one attribute explains the values better, what it is often taken for is not suggested."""
    for surer, others in {
        "PII.Email": ("PCI.Upi", "PII.Login", "PII.location", "PII.Name"),
        "PCI.CardNumber": ("PII.Phone", "PCI.BankAccount"),
        "PCI.Iban": ("PCI.BankAccount",),
        "PII.IpAddress": ("PII.location",),
        "field.url": ("PII.location",),
        "PersonalData.Country": ("PersonalData.CountryCode",),
    }.items():
        if found.get(surer, 0.0) >= SUGGESTED_FROM:
            for other in others:
                if found.get(other, 0.0) <= found[surer]:
                    found.pop(other, None)


_INTEGERS = ("tinyint", "smallint", "int", "bigint", "long", "short", "byte")
_FRACTIONS = ("float", "double", "decimal", "real")
_TIMES = ("date", "timestamp", "time")


def _kinds(column: Column) -> Mapping[str, float]:
    """What the numbers say: integer, fraction, time; few values that come again and again; one value a row."""
    found: dict[str, float] = {}
    kind = column.type.lower()
    for tag, names in (("field.datetime", _TIMES), ("field.integer", _INTEGERS), ("field.fraction", _FRACTIONS)):
        if kind.startswith(names):
            found[tag] = 1.0
            break
    if column.distinct is None or column.count == 0:
        return found
    if column.distinct == column.count and column.count == column.rows and column.count > 1:
        named = _name_score(column.name, ("id", "key", "uuid", "no", "number"))
        if named or kind.startswith(("string", *_INTEGERS)):
            found["field.id"] = 0.95 if named else 0.5
    elif column.distinct <= _CATEGORIES and column.distinct <= max(2.0, _CATEGORICAL_SHARE * column.count):
        found["field.categorical"] = 1.0 - column.distinct / (2.0 * max(column.count, 1))
    return found
