"""Bytes as text and back."""

from hypothesis import given
from hypothesis import strategies as st

from dataos.core import binaries


@given(st.binary())
def test_content_comes_back_byte_for_byte(content):
    assert binaries.to_bytes(binaries.to_text(content)) == content


@given(st.text())
def test_text_stays_itself(text):
    assert binaries.to_text(text.encode("utf-8", "ignore")) == text.encode("utf-8", "ignore").decode()
    assert not binaries.is_binary("x" + text)


def test_what_only_looks_like_an_address_is_text():
    for text in ("data:application/octet-stream;base64,!!", "data:text/plain;base64,QQ==", "base64,QQ=="):
        assert not binaries.is_binary(text)
        assert binaries.to_bytes(text) == text.encode()
