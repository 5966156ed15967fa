"""The api's questions: the saga's steps, pages, and that an account sees its own alone."""

import asyncio

import pytest

from postroom_contract import forum, subjects
from postroom_contract.codec import decode
from postroom_contract.forum import Problem
from postroom_runtime.messages import AnsweredError

ACCOUNT, FORUM, ADDRESS = "acc_test", "frm_garden", "garden@example.org"


async def refused(bench, request):
    with pytest.raises(AnsweredError) as caught:
        await bench.ask(request)
    return decode(caught.value.payload, Problem).code


def create(name=FORUM, address=ADDRESS, account=ACCOUNT, title="Garden"):
    return forum.CreateForum(account=account, id=name, name=title, address=address)


async def test_every_step_of_the_saga_may_be_repeated(bench):
    await bench.stack.start("forum-bridge")
    first, again = await asyncio.gather(bench.ask(create()), bench.ask(create()))
    assert first == again
    assert (first.state, first.members) == ("opening", 0)
    assert await refused(bench, create("frm_two")) == "conflict"
    assert await refused(bench, create(account="acc_other")) == "conflict"
    write = forum.WritePost(
        account=ACCOUNT, id="pst_1", author_name="A", author_email="a@example.net", text="x",
        forum=FORUM, subject="x",
    )  # fmt: skip
    assert await refused(bench, write) == "conflict"

    discard = forum.DiscardForum(account=ACCOUNT, id=FORUM)
    for _ in range(2):
        await bench.ask(discard)
    assert await refused(bench, forum.OpenForum(account=ACCOUNT, id=FORUM)) == "not_found"
    await bench.ask(create())
    for _ in range(2):
        opened = await bench.ask(forum.OpenForum(account=ACCOUNT, id=FORUM))
        assert opened.state == "open"
    assert await refused(bench, discard) == "conflict"


@pytest.mark.parametrize(
    "request_",
    [
        create(address="garden"), create(address="a+b@example.org"), create(title=" \n"),
        create(address="g" * 40 + "@example.org"), create(title="G" * 101), create(title="a\0b"),
    ],
)  # fmt: skip
async def test_forums_that_cannot_be(bench, request_):
    await bench.stack.start("forum-bridge")
    assert await refused(bench, request_) == "invalid"


async def test_bytes_that_are_no_question_are_answered(bench):
    await bench.stack.start("forum-bridge")
    bus = await bench.bus("api")
    answer = await bus.client.request(subjects.rpc("forum-bridge", "topics"), b"{", timeout=4)
    assert decode(answer.data, Problem).code == "invalid"


async def test_members_and_pages(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum(*(f"m{number}@example.net" for number in range(5)))
    add = forum.AddMember(
        account=ACCOUNT, forum=FORUM, email="M0@Example.net", name="Mo", delivery="none"
    )
    changed = await bench.ask(add)
    assert (changed.name, changed.delivery) == ("Mo", "none")
    seen: list[str] = []
    cursor = None
    while True:
        page = forum.Page(cursor=cursor, limit=2)
        found = await bench.ask(forum.ListMembers(account=ACCOUNT, forum=FORUM, page=page))
        seen += [one.email.lower() for one in found.data]
        cursor = found.next_cursor
        if cursor is None:
            break
    assert seen == [f"m{number}@example.net" for number in range(5)]
    for email in ("nobody", ADDRESS, "a@b\r\nBcc: x@y"):
        add = forum.AddMember(account=ACCOUNT, forum=FORUM, email=email)
        assert await refused(bench, add) == "invalid"

    for number in range(5):
        await bench.ask(
            forum.WritePost(
                account=ACCOUNT, id=f"pst_{number}", author_name="A", author_email="a@example.net",
                text="x", forum=FORUM, subject=f"Topic {number}",
            )
        )  # fmt: skip
    titles: list[str] = []
    cursor = None
    while True:
        page = forum.Page(cursor=cursor, limit=2)
        topics = await bench.ask(forum.ListTopics(account=ACCOUNT, forum=FORUM, page=page))
        titles += [one.title for one in topics.data]
        cursor = topics.next_cursor
        if cursor is None:
            break
    assert titles == [f"Topic {number}" for number in reversed(range(5))]
    (home,) = (await bench.ask(forum.ListForums(account=ACCOUNT))).data
    assert (home.members, home.topics, home.posts) == (5, 5, 5)
    for page in (forum.Page(limit=0), forum.Page(limit=201), forum.Page(cursor="x")):
        listing = forum.ListTopics(account=ACCOUNT, forum=FORUM, page=page)
        assert await refused(bench, listing) == "invalid"


async def test_another_account_sees_and_changes_nothing(bench):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    await bench.post("Beans", "a@x.example")
    await bench.settled(1)
    (topic,) = await bench.topics()
    (post,) = await bench.posts(topic.id)
    (chunk,) = await bench.chunks()
    author = {"author_name": "E", "author_email": "e@example.net", "text": "x"}
    for request in (
        forum.OpenForum(account="acc_other", id=FORUM),
        forum.AddMember(account="acc_other", forum=FORUM, email="eve@example.net"),
        forum.ListMembers(account="acc_other", forum=FORUM),
        forum.ListTopics(account="acc_other", forum=FORUM),
        forum.ListPosts(account="acc_other", topic=topic.id),
        forum.WritePost(account="acc_other", id="pst_e", topic=topic.id, **author),
        forum.WritePost(account="acc_other", id="pst_e", forum=FORUM, subject="x", **author),
        forum.ReadCopy(account="acc_other", serial=chunk.recipients[0].serial),
    ):
        assert await refused(bench, request) == "not_found", request
    assert (await bench.ask(forum.ListForums(account="acc_other"))).data == ()
    await bench.ask(forum.DiscardForum(account="acc_other", id=FORUM))
    assert [one.id for one in (await bench.ask(forum.ListForums(account=ACCOUNT))).data] == [FORUM]
    assert (await bench.posts(topic.id)) == (post,)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"topic": None}, "invalid"),
        ({"forum": FORUM}, "invalid"),
        ({"text": " \n"}, "invalid"),
        ({"topic": "top_none"}, "not_found"),
        ({"parent": "pst_none"}, "not_found"),
        ({"topic": None, "forum": FORUM}, "invalid"),
        ({"topic": None, "forum": FORUM, "subject": " "}, "invalid"),
    ],
)
async def test_posts_that_cannot_be_written(bench, change, code):
    await bench.stack.start("forum-bridge")
    await bench.make_forum("ben@example.net")
    values = {"account": ACCOUNT, "author_name": "A", "author_email": "a@example.net", "text": "x"}
    await bench.ask(forum.WritePost(**values, id="pst_1", forum=FORUM, subject="Beans"))
    (topic,) = await bench.topics()
    request = forum.WritePost(**(values | {"id": "pst_2", "topic": topic.id} | change))
    assert await refused(bench, request) == code
    assert len(await bench.posts(topic.id)) == 1
