"""`encode` and `decode` (RFC 4648): base32, base64 and hex."""

from __future__ import annotations

from dataos.stacks.flare.quoting import literal
from dataos.stacks.flare.stepfunctions.model import Ask, Call, Frame, Function, text

ALGORITHMS = {"base32": "base32", "base64": "base64", "hex": "hex"}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def _let(value: str, name: str, body: str) -> str:
    """`body` with `name` standing for the value, which is computed once."""
    return f"element_at(transform(array({value}), {name} -> {body}), 1)"


def _base32(value: str) -> str:
    """Bits of the bytes in groups of five, as letters, padded to a multiple of eight."""
    bits = "array_join(transform(sequence(1, length(h)), i -> lpad(conv(substring(h, i, 1), 16, 2), 4, '0')), '')"
    count = "CAST(ceil(length(b) / 5) AS INT)"
    filled = f"rpad(b, {count} * 5, '0')"
    index = f"CAST(conv(substring({filled}, i * 5 + 1, 5), 2, 10) AS INT) + 1"
    letter = f"substring({literal(_ALPHABET)}, {index}, 1)"
    letters = f"array_join(transform(sequence(0, {count} - 1), i -> {letter}), '')"
    padded = f"rpad({letters}, CAST(ceil({count} / 8) AS INT) * 8, '=')"
    whole = _let(f"hex({value})", "h", _let(bits, "b", padded))
    return f"CASE WHEN {value} = '' THEN '' WHEN {value} IS NOT NULL THEN {whole} END"


def _unbase32(value: str) -> str:
    """The bytes; NULL for what is no base32."""
    letters = f"regexp_replace(upper({value}), '=+$', '')"
    bits = (
        "array_join(transform(sequence(1, length(s)), "
        f"i -> lpad(conv(CAST(locate(substring(s, i, 1), {literal(_ALPHABET)}) - 1 AS STRING), 10, 2), 5, '0')), '')"
    )
    count = "CAST(floor(length(b) / 8) AS INT)"
    hexed = f"array_join(transform(sequence(0, {count} * 2 - 1), i -> conv(substring(b, i * 4 + 1, 4), 2, 16)), '')"
    whole = _let(letters, "s", _let(bits, "b", f"CAST(unhex({hexed}) AS STRING)"))
    return f"CASE WHEN {value} = '' THEN '' WHEN {value} RLIKE '^[A-Za-z2-7]{{2,}}=*$' THEN {whole} END"


def _encode(call: Call, frame: Frame, ask: Ask) -> str:
    value = frame.text(frame.find(call.text("column")))
    made = {
        "base32": _base32,
        "base64": lambda v: f"base64(CAST({v} AS BINARY))",
        "hex": lambda v: f"lower(hex({v}))",
    }[call.text("algo")](value)
    return frame.select({}, [(call.text("asColumn"), made)])


def _decode(call: Call, frame: Frame, ask: Ask) -> str:
    value = frame.text(frame.find(call.text("column")))
    made = {
        "base32": _unbase32,
        "base64": lambda v: f"CAST(unbase64({v}) AS STRING)",
        "hex": lambda v: f"CAST(unhex({v}) AS STRING)",
    }[call.text("algo")](value)
    return frame.select({}, [(call.text("asColumn"), made)])


_PARAMETERS = (text("algo", words=ALGORITHMS), text("column"), text("asColumn"))
FUNCTIONS = {"decode": Function(_decode, _PARAMETERS), "encode": Function(_encode, _PARAMETERS)}
