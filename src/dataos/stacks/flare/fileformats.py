"""Formats of files: which options have an effect, how files are packed, and which programs read and write them.

Known to `validate` and to the driver alike. Programs are dotted names of the driver, imported at first use there.
Source: ch04 3.6 and Spark's own pages of data sources.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataos.stacks.flare.functions import words

_HERE = "dataos.stacks.flare.driver.formats"
_ANY = words("recursivefilelookup pathglobfilter savemode branch path")
_MOMENTS = words("dateformat timestampformat")


@dataclass(frozen=True)
class Format:
    """One format. Options are in lower case; `read` and `write` empty: the engine or DuckDB does it.

    `codecs`: the first one is the default. `packs`: whole files may be packed (gz, zip). `inner_codec`: the codec
    stands before the suffix of written files, as Spark names them. `texts`: times are texts in it. `flat`: it holds no
    maps, arrays, structs and bytes. `aliases`: other words for it.
    """

    suffix: str
    reads: frozenset[str]
    writes: frozenset[str]
    read: str = ""
    write: str = ""
    codecs: tuple[str, ...] = ("none", "gzip", "zstd")
    packs: bool = False
    inner_codec: bool = False
    texts: bool = False
    flat: bool = False
    aliases: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "csv": Format(
        "csv",
        _ANY
        | _MOMENTS
        | words(
            """
            header inferschema delimiter sep quote escape comment encoding charset nullvalue mode mergeschema
            enforceschema multiline samplingratio maxcolumns maxcharspercolumn unescapedquotehandling
            ignoreleadingwhitespace ignoretrailingwhitespace linesep
            """
        ),
        _MOMENTS | words("header sep delimiter quote escape nullvalue quoteall compression"),
        packs=True,
        texts=True,
        flat=True,
    ),
    "json": Format(
        "json",
        _ANY | _MOMENTS | words("multiline mode samplingratio primitivesasstring linesep"),
        _MOMENTS | words("compression"),
        packs=True,
    ),
    "parquet": Format(
        "parquet",
        _ANY | words("mergeschema datetimerebasemode int96rebasemode"),
        words("compression"),
        codecs=("snappy", "gzip", "zstd", "none"),
        inner_codec=True,
    ),
    "text": Format(
        "txt",
        _ANY | words("wholetext linesep encoding charset"),
        words("linesep compression"),
        f"{_HERE}.text:read",
        f"{_HERE}.text:write",
        packs=True,
    ),
    "orc": Format(
        "orc",
        _ANY | words("mergeschema"),
        words("compression"),
        f"{_HERE}.orcfiles:read",
        f"{_HERE}.orcfiles:write",
        codecs=("snappy", "gzip", "zstd", "lz4", "none"),
        inner_codec=True,
    ),
    "avro": Format(
        "avro",
        _ANY | words("mergeschema avroschema datetimerebasemode positionalfieldmatching ignoreextension"),
        words("compression avroschema recordname recordnamespace"),
        f"{_HERE}.avro:read",
        f"{_HERE}.avro:write",
        codecs=("snappy", "gzip", "zstd", "none"),
        aliases=("com.databricks.spark.avro",),
    ),
    "xml": Format(
        "xml",
        _ANY
        | _MOMENTS
        | words(
            """
            rowtag excludeattribute inferschema attributeprefix valuetag charset encoding ignorenamespace mode
            nullvalue ignoresurroundingspaces
            """
        ),
        _MOMENTS | words("rowtag roottag attributeprefix valuetag nullvalue declaration compression"),
        f"{_HERE}.xmlfiles:read",
        f"{_HERE}.xmlfiles:write",
        packs=True,
        texts=True,
        aliases=("com.databricks.spark.xml",),
    ),
    "xlsx": Format(
        "xlsx",
        _ANY | _MOMENTS | words("sheetname dataaddress header workbookpassword inferschema mergeschema mode"),
        words("sheetname header"),
        f"{_HERE}.excel:read",
        f"{_HERE}.excel:write",
        codecs=("none",),
        flat=True,
        aliases=("excel", "xls", "com.crealytics.spark.excel"),
    ),
}

SUFFIXES = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet",
    "orc": "orc", "avro": "avro", "xml": "xml", "xlsx": "xlsx", "xls": "xlsx", "xlsb": "xlsx", "ods": "xlsx",
}  # fmt: skip
"""The format that a file's name implies."""

ALIASES = {alias: name for name, form in FORMATS.items() for alias in form.aliases}
