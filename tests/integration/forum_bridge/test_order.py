"""Mails in any order, through several processes: one topic, right parents, each mailed once."""

from collections import Counter

from support.chance import chance
from support.waiting import eventually


async def parents_of(bench, topic):
    posts = await bench.posts(topic)
    names = {post.id: post.message_id for post in posts}
    assert not any(post.placeholder for post in posts)
    return {post.message_id: names.get(post.parent) for post in posts}, posts


async def test_a_reply_that_comes_before_its_parent_waits_at_a_placeholder(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")

    await bench.post("Re: Beans", "c@x.example", In_Reply_To="<b@x.example>",
                     References="<a@x.example> <b@x.example>")  # fmt: skip
    await bench.settled(1)
    (topic,) = await bench.topics()
    absent, reply = await bench.posts(topic.id)
    assert (absent.placeholder, absent.message_id) == (True, "b@x.example")
    assert (reply.parent, topic.posts, topic.title) == (absent.id, 1, "Beans")

    await bench.post("Green beans", "a@x.example")
    await bench.post("Re: Green beans", "b@x.example", In_Reply_To="<a@x.example>")
    await bench.settled(3)

    (same,) = await bench.topics()
    assert (same.id, same.title, same.posts) == (topic.id, "Green beans", 3)
    parents, posts = await parents_of(bench, topic.id)
    assert parents == {
        "a@x.example": None, "b@x.example": "a@x.example", "c@x.example": "b@x.example",
    }  # fmt: skip
    assert [post.message_id[0] for post in posts] == ["a", "b", "c"]
    assert posts[1].id == absent.id


async def test_topics_that_turn_out_to_be_one_are_joined_and_both_links_stay(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    await bench.post("Re: Beans", "c@x.example", In_Reply_To="<b@x.example>")
    await bench.settled(2)
    upper, lower = sorted(await bench.topics(), key=lambda one: one.started_at)

    await bench.post("Re: Beans", "b@x.example", In_Reply_To="<a@x.example>")
    await bench.settled(3)

    (joined,) = await bench.topics()
    assert joined.posts == 3
    assert await bench.posts(upper.id) == await bench.posts(lower.id)


async def test_fifty_mails_of_one_thread_in_random_order_through_two_processes(bench):
    draw = chance()
    await bench.stack.start("forum-bridge", "forum-bridge")
    await bench.make_forum("ann@example.net", "ben@example.net", "cora@example.com")

    ancestors: list[list[str]] = [[]]
    wanted: dict[str, str | None] = {"m0@x.example": None}
    for number in range(1, 50):
        parent = draw.randrange(max(0, number - 8), number)
        ancestors.append([*ancestors[parent], f"m{parent}@x.example"])
        wanted[f"m{number}@x.example"] = f"m{parent}@x.example"
    order = list(range(50))
    draw.shuffle(order)
    for number in order:
        named = ancestors[number][-draw.randint(1, 10) :]
        headers = {"In_Reply_To": f"<{named[-1]}>"} if named and draw.random() < 0.7 else {}
        if named and (not headers or draw.random() < 0.7):
            headers["References"] = " ".join(f"<{one}>" for one in named)
        await bench.post("Beans" if number == 0 else "Re: Beans", f"m{number}@x.example", **headers)
    await bench.settled(50)
    await bench.idle()

    (topic,) = await bench.topics()
    assert (topic.posts, topic.title) == (50, "Beans")
    parents, posts = await parents_of(bench, topic.id)
    assert parents == wanted
    copies = Counter(
        (chunk.origin, one.address) for chunk in await bench.chunks() for one in chunk.recipients
    )
    assert set(copies.values()) == {1}
    assert len(copies) == 50 * 2
    assert len(await bench.outbox()) == 50
    assert len(await bench.events("post.created")) == 50
    assert await bench.dead() == []
    place = {post.id: number for number, post in enumerate(posts)}
    assert all(place[post.parent] < place[post.id] for post in posts if post.parent)


async def test_a_process_that_is_told_to_end_leaves_its_mails_to_the_other(bench):
    first, second = await bench.stack.start("forum-bridge", "forum-bridge")
    await bench.make_forum("ben@example.net")
    for number in range(20):
        await bench.post("Beans", f"m{number}@x.example")
        if number == 10:
            assert first.terminate() == 0, first.log

    await bench.settled(20)
    assert await bench.sql("SELECT count(*) FROM forum.post") == 20
    assert len(await bench.chunks()) == 20
    assert second.terminate() == 0, second.log


async def test_the_same_command_again_does_nothing(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    command = await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    await bench.command(command, again="-2")
    await bench.idle()

    async def quiet():
        return await bench.sql("SELECT count(*) FROM forum.outbox") == 0

    await eventually(quiet)
    assert len(await bench.chunks()) == 1
    assert await bench.sql("SELECT count(*) FROM forum.post") == 1
