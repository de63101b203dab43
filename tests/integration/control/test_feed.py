"""What lies in the window of changes, and what is read from the store instead."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from dataos.control.events import Events
from dataos.control.feed import Feed
from dataos.control.records import add_event
from dataos.core.bell import Bell
from dataos.store import tables
from support.rooms import control


def run(scenario, tmp_path):
    async def wrapped():
        async with control(tmp_path) as rooms:
            await scenario(rooms)

    asyncio.run(wrapped())


def parts(rooms):
    bell = Bell()
    return rooms, bell, Feed(Events(rooms.store, rooms.clock), bell, kept=5, every_s=0.02)


async def happen(rooms, count: int) -> None:
    for number in range(count):
        await rooms.store.write(add_event, rooms.clock.now_us(), None, "workspace.created", "ida", {"n": number})


def numbers(look) -> list[int]:
    return [item.body["data"]["n"] for item in look.items]


def test_watchers_share_one_window(tmp_path):
    async def scenario(rooms):
        rooms, bell, feed = parts(rooms)
        place = await feed.newest()
        with feed.watching(), feed.watching():
            await asyncio.sleep(0.1)
            waiting = [asyncio.create_task(feed.after(place, 5)) for _ in range(2)]
            await asyncio.sleep(0.1)
            await happen(rooms, 1)
            bell.ring()
            looks = await asyncio.gather(*waiting)
        assert [numbers(look) for look in looks] == [[0], [0]]
        assert not any(look.gap for look in looks)

    run(scenario, tmp_path)


def test_who_fell_behind_the_window_reads_the_store(tmp_path):
    async def scenario(rooms):
        rooms, bell, feed = parts(rooms)
        place = await feed.newest()
        with feed.watching():
            await asyncio.sleep(0.1)
            for part in range(4):  # nine in all; the window holds five
                await happen(rooms, 3 if part == 0 else 2)
                bell.ring()
                await asyncio.sleep(0.1)
            seen: list[int] = []
            for _ in range(4):
                look = await feed.after(place, 0.05)
                assert not look.gap or not seen
                if look.gap:
                    break
                seen += numbers(look)
                place = look.reached
        assert look.gap
        assert look.reached == await feed.newest()

    run(scenario, tmp_path)


def test_a_place_inside_the_store_is_read_without_a_gap(tmp_path):
    async def scenario(rooms):
        rooms, _bell, feed = parts(rooms)
        await happen(rooms, 3)
        place = await feed.newest() - 2
        with feed.watching():
            await asyncio.sleep(0.1)
            look = await feed.after(place, 0.05)
        assert len(look.items) == 2
        assert not look.gap

    run(scenario, tmp_path)


def test_what_the_store_forgot_is_a_gap(tmp_path):
    async def scenario(rooms):
        rooms, _bell, feed = parts(rooms)
        await happen(rooms, 4)
        last = await feed.newest()
        await rooms.store.write(
            lambda connection: connection.execute(sa.delete(tables.events).where(tables.events.c.seq < last))
        )
        with feed.watching():
            await asyncio.sleep(0.1)
            assert (await feed.after(last - 3, 0.05)).gap
            assert (await feed.after(last + 50, 0.05)).gap
            assert not (await feed.after(last - 1, 0.05)).gap

    run(scenario, tmp_path)


def test_nobody_watches_nothing_is_read(tmp_path):
    async def scenario(rooms):
        rooms, _bell, feed = parts(rooms)
        with feed.watching():
            await asyncio.sleep(0.05)
        asked: list[int] = []
        happened = feed._events.happened

        async def counted(after, limit):
            asked.append(after)
            return await happened(after, limit)

        feed._events.happened = counted
        await asyncio.sleep(0.1)
        assert not asked

    run(scenario, tmp_path)


def test_a_stop_wakes_who_waits(tmp_path):
    async def scenario(rooms):
        rooms, _bell, feed = parts(rooms)
        place = await feed.newest()
        with feed.watching():
            await asyncio.sleep(0.1)
            waiting = asyncio.create_task(feed.after(place, 30))
            await asyncio.sleep(0.05)
            feed.close()
            look = await asyncio.wait_for(waiting, 1)
        assert not look.items

    run(scenario, tmp_path)
