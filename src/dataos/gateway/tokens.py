"""A statement's words, and reading them one by one: what the small parsers share."""

from __future__ import annotations

import re

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from dataos.core.errors import DataOSError
from dataos.gateway import problems
from dataos.gateway.problems import Source

_TRINO = Dialect.get_or_raise("trino")
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE")
_OPEN, _CLOSE = (TokenType.L_PAREN, TokenType.L_BRACKET), (TokenType.R_PAREN, TokenType.R_BRACKET)


def prepare(text: str) -> Reader:
    """The words of one statement. Raises DataOSError `query.syntax`, `query.unsupported` (several statements, reserved
    names)."""
    source = Source(text)
    if "\x00" in text:
        raise problems.at((None, None), "query.syntax", "the statement holds a NUL character")
    try:
        tokens = _tokens(text)
    except TokenError as error:
        raise problems.syntax(error, source) from error
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise problems.at((None, None), "query.syntax", "the statement is empty")
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            raise problems.at(
                source.place(token.start), "query.unsupported", "only one statement is run at a time", "send them apart"
            )
        if token.text.lower().startswith("__dt_"):
            raise problems.at(source.place(token.start), "query.unsupported", "names beginning with __dt_ are reserved")
    return Reader(tokens, source)


def _tokens(text: str) -> list[Token]:
    """All tokens. SQLGlot's tokenizer makes one string of what follows a first word such as SHOW or EXECUTE: it reads
    another word of that length in its place."""
    tokens = _TRINO.tokenize(text)
    if not tokens or tokens[0].text.upper() in _QUERIES or not tokens[0].text[:1].isalpha():
        return tokens
    first = tokens[0]
    start = first.start
    word = re.match(r"\w+", text[start:])  # some first words are one token with the second
    end = start + (word.end() if word is not None else 1)
    hidden = text[:start] + "x" * (end - start) + text[end:]
    found = _TRINO.tokenize(hidden)[1:]
    return [Token(TokenType.VAR, text[start:end], first.line, first.col, start, end - 1, first.comments), *found]


class Reader:
    """Reads tokens one by one for the small parsers."""

    def __init__(self, tokens: list[Token], source: Source) -> None:
        self.tokens = tokens
        self.source = source
        self.position = 0

    def peek(self) -> Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def word(self) -> str:
        """The next word in capitals, without taking it."""
        return word_of(self.peek())

    def take(self) -> Token:
        token = self.peek()
        if token is None:
            raise problems.at(self.source.place(len(self.source.text)), "query.syntax", "the statement ends too early")
        self.position += 1
        return token

    def accept(self, *words: str) -> bool:
        if self.word() in words:
            self.position += 1
            return True
        return False

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.wrong(" or ".join(f"'{w}'" for w in words))

    def wrong(self, expecting: str) -> DataOSError:
        token = self.peek()
        if token is None:
            place, found = self.source.place(len(self.source.text)), "<EOF>"
        else:
            place, found = self.source.place(token.start), token.text
        return problems.at(place, "query.syntax", f"mismatched input '{found}'. Expecting: {expecting}")

    def name(self, most: int) -> tuple[tuple[str, ...], int]:
        parts: list[str] = []
        start = -1
        while True:
            token = self.peek()
            if token is None or token.token_type in (TokenType.STRING, TokenType.NUMBER, TokenType.L_PAREN):
                raise self.wrong("a name")
            self.position += 1
            start = token.start if start < 0 else start
            parts.append(token.text)
            following = self.peek()
            if len(parts) == most or following is None or following.token_type != TokenType.DOT:
                return tuple(parts), start
            self.position += 1

    def like(self) -> str | None:
        if not self.accept("LIKE"):
            return None
        token = self.take()
        if token.token_type != TokenType.STRING:
            self.position -= 1
            raise self.wrong("a string")
        return token.text

    def end(self) -> None:
        if self.peek() is not None:
            raise self.wrong("<EOF>")

    def ahead(self, count: int = 1) -> str:
        """The word after the next `count` ones."""
        at = self.position + count
        return word_of(self.tokens[at]) if at < len(self.tokens) else ""

    def sequence(self, *words: str) -> bool:
        """Take these words if they come next, all or none."""
        if all(self.ahead(i) == word for i, word in enumerate(words)):
            self.position += len(words)
            return True
        return False

    def text(self) -> str:
        """A string."""
        token = self.take()
        if token.token_type != TokenType.STRING:
            self.position -= 1
            raise self.wrong("a string")
        return token.text

    def identifier(self) -> str:
        """One name: as written in quotes, else in lower case, as Trino has them."""
        token = self.peek()
        start = self.position
        (found,), _ = self.name(1)
        quoted = token is not None and token.token_type == TokenType.IDENTIFIER
        if not quoted and not (found[:1].isalpha() or found[:1] == "_"):
            self.position = start
            raise self.wrong("a name")
        return found if quoted else found.lower()

    def place(self) -> tuple[int | None, int | None]:
        """Where the next token stands."""
        token = self.peek()
        return self.source.place(token.start if token is not None else len(self.source.text))

    def slice(self, *until: str, what: str = "an expression") -> list[Token]:
        """Tokens up to one of these words outside of parentheses and of CASE, or the end. Raises if there are none, or
        if parentheses do not match."""
        found: list[Token] = []
        depth = cases = 0
        while (token := self.peek()) is not None:
            word = word_of(token)
            if depth == 0 and cases == 0 and word in until:
                break
            depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
            cases += (word == "CASE") - (word == "END" and cases > 0)
            if depth < 0:
                break
            found.append(token)
            self.position += 1
        if depth > 0 or not found:
            raise self.wrong(what)
        return found

    def rest(self) -> list[Token]:
        """All tokens that are left."""
        found = self.tokens[self.position :]
        if not found:
            raise self.wrong("a query")
        self.position = len(self.tokens)
        return found

    def inner(self) -> str:
        """The text from here on, at its own place: what stands before it is blank."""
        token = self.peek()
        if token is None:
            raise self.wrong("a statement")
        before = self.source.text[: token.start]
        return "".join(c if c == "\n" else " " for c in before) + self.source.text[token.start :]


def word_of(token: Token | None) -> str:
    """A token's word in capitals; strings and quoted names are none."""
    if token is None or token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
        return ""
    return token.text.upper()
