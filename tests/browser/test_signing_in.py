"""Signing in and out, in one tab and in several."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from support import browser as web


def test_a_link_asks_for_a_password_once_and_stands_in_no_address(stranger, server):
    page = stranger.page
    link = web.link_for(server, "ida")
    page.goto(link)
    button = page.get_by_role("button", name="Set password and sign in")
    expect(button).to_be_disabled()
    page.get_by_role("textbox", name="New password").fill("short")
    expect(page.get_by_text("5 characters more")).to_be_visible()
    page.get_by_role("textbox", name="Once more").fill("other")
    expect(page.get_by_text("This is not the same")).to_be_visible()
    assert "#" not in page.url
    assert not web.violations(page)
    web.sign_up(page, link)
    stranger.check("401")
    cookies = page.context.cookies()
    assert [c["httpOnly"] for c in cookies if c["name"] == "dataos_session"] == [True]
    assert page.evaluate("document.cookie") == ""
    page.goto(link)
    page.get_by_role("textbox", name="New password").fill(web.PASSWORD)
    page.get_by_role("textbox", name="Once more").fill(web.PASSWORD)
    page.get_by_role("button", name="Set password and sign in").click()
    expect(page.get_by_text("this link is not good (any more)")).to_be_visible()
    expect(page.get_by_text("login.invitation")).to_be_visible()


def test_a_password_leads_to_the_page_that_was_asked_for(stranger, server):
    page = stranger.page
    web.sign_up(page, web.link_for(server, "ida"))
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login**")
    page.goto("/operations/resources?type=%5B%22depot%22%5D")
    page.wait_for_url("**/login?next=**")
    web.sign_in(page, "ida", "wrong password here")
    expect(page.get_by_text("user or password is wrong")).to_be_visible()
    assert not web.violations(page)
    web.sign_in(page, "ida")
    page.wait_for_url("**/operations/resources?type=**")
    expect(page.get_by_role("button", name="Filter by type: depot")).to_be_visible()
    stranger.check("401")


def test_an_address_of_others_is_never_gone_to(stranger, server):
    page = stranger.page
    web.sign_up(page, web.link_for(server, "ida"))
    page.get_by_role("button", name="Sign out").click()
    page.goto("/login?next=https%3A%2F%2Fevil.example%2F")
    web.sign_in(page, "ida")
    page.get_by_role("heading", level=1, name="Welcome").wait_for()
    assert page.url == f"{server.url}/"


def test_signing_out_in_one_tab_signs_out_in_all_and_in_again_too(signed_in, server, chromium):
    context = web.context(chromium, server)
    first, second = context.new_page(), context.new_page()
    web.sign_up(first, web.link_for(server, "ida"))
    second.goto("/profile")
    expect(second.get_by_role("heading", name="Profile")).to_be_visible()
    first.get_by_role("button", name="Sign out").click()
    second.wait_for_url(re.compile(r"/login\?next=%2Fprofile"))
    first.wait_for_url("**/login**")
    web.sign_in(first, "ida")
    expect(second.get_by_role("heading", name="Profile")).to_be_visible()  # back where it was
    context.close()


def test_a_session_that_is_ended_elsewhere_ends_here_by_itself(server, chromium):
    context = web.context(chromium, server)
    page = context.new_page()
    web.sign_up(page, web.link_for(server, "ida"))
    server.client().json("DELETE", "/api/v1/users/ida/sessions")
    page.wait_for_url("**/login?next=%2F", timeout=30_000)
    context.close()
