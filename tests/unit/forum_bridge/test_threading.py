"""Threading decisions, applied to a forum that lives in dictionaries."""

import itertools
import random
from dataclasses import dataclass, field

import pytest

from postroom_forum_bridge.domain.threading import MAX_NAMED, Known, names_of, place, post_id

FORUM = "frm_1"


@dataclass
class Memory:
    """Does with dictionaries what postgres/work.py does with tables."""

    posts: dict[str, dict] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def known(self, ids):
        found = {}
        for one in ids:
            if one in self.posts:
                row = self.posts[one]
                found[one] = Known(one, row["topic"], row["id"], row["placeholder"])
            elif one in self.references:
                found[one] = Known(one, self.references[one])
        return found

    def descends(self, post, ancestor):
        parents = {row["id"]: row["parent"] for row in self.posts.values()}
        seen = set()
        while post is not None and post not in seen:
            if post == ancestor:
                return True
            seen.add(post)
            post = parents[post]
        return False

    def take(self, message_id, in_reply_to=(), references=(), answered=None):
        names = names_of(message_id, in_reply_to, references, answered)
        known = self.known((names.message_id, *names.named))
        own, upper = known.get(message_id), known.get(names.parent)
        ring = bool(
            own and own.post and upper and upper.post and self.descends(upper.post, own.post)
        )
        where = place(FORUM, names, known, parent_descends=ring)
        if where is None:
            return None
        assert where.fills == (message_id in self.posts)
        if where.merged:
            for row in self.posts.values():
                if row["topic"] == where.merged:
                    row["topic"] = where.topic
            for one, topic in self.references.items():
                if topic == where.merged:
                    self.references[one] = where.topic
            self.merged[where.merged] = where.topic
        if where.absent_parent:
            assert where.absent_parent not in self.posts
            self.references.pop(where.absent_parent, None)
            self._put(where.absent_parent, where.parent, where.topic, None, placeholder=True)
        self.references.pop(message_id, None)
        self._put(message_id, where.post, where.topic, where.parent, placeholder=False)
        for one in where.unknown:
            self.references.setdefault(one, where.topic)
        return where

    def _put(self, message_id, post, topic, parent, *, placeholder):
        self.posts[message_id] = {
            "id": post, "topic": topic, "parent": parent, "placeholder": placeholder,
        }  # fmt: skip

    def tree(self):
        """Who answers whom, what is missing, and which mails stand together."""
        names = {row["id"]: one for one, row in self.posts.items()}
        topics: dict[str, set[str]] = {}
        for one, row in self.posts.items():
            topics.setdefault(row["topic"], set()).add(one)
        return (
            {one: names.get(row["parent"]) for one, row in self.posts.items()},
            {one for one, row in self.posts.items() if row["placeholder"]},
            {frozenset(group) for group in topics.values()},
        )


def mail(message_id, *ancestors, reply_to=None):
    """A mail that names its parent and its ancestors, as honest programs do."""
    parent = reply_to or (ancestors[-1] if ancestors else None)
    return (message_id, (parent,) if parent else (), ancestors)


THREADS = {
    "a chain with all ancestors": [
        mail("a"), mail("b", "a"), mail("c", "a", "b"), mail("d", "a", "b", "c"),
    ],
    "a chain of In-Reply-To alone": [
        mail("a"), ("b", ("a",), ()), ("c", ("b",), ()), ("d", ("c",), ()), ("e", ("d",), ()),
    ],
    "a chain of References alone": [
        mail("a"), ("b", (), ("a",)), ("c", (), ("a", "b")), ("d", (), ("a", "b", "c")),
    ],
    "branches": [
        mail("a"), mail("b", "a"), mail("c", "a"), mail("d", "a", "b"), mail("e", "a", "c"),
    ],
    "a missing root": [mail("b", "a"), mail("c", "a", "b"), mail("d", "a")],
    "a missing mail between": [
        mail("a"), mail("c", "a", "b"), mail("d", "a", "b", "c"), mail("e", "a", "b"),
    ],
    "References cut at the root": [
        mail("a"), mail("b", "a"), mail("c", "b"), mail("d", "b", "c"), mail("e", "d"),
    ],
    "an answer to what went to another list, which alone names the root here": [
        mail("r"), mail("b", "r", "p"), ("c", ("b",), ()), mail("d", "p", "b"),
    ],
    "two threads side by side": [
        mail("a"), mail("b", "a"), mail("x"), mail("y", "x"), mail("c", "a", "b"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("mails", THREADS.values(), ids=THREADS)
def test_every_order_gives_the_same_tree(mails):
    trees = []
    for order in itertools.permutations(mails):
        memory = Memory()
        for one in order:
            memory.take(*one)
        trees.append(memory.tree())
    assert all(tree == trees[0] for tree in trees)
    parents = trees[0][0]
    assert {m: parents[m] for m, *_ in mails} == {
        m: (reply[0] if reply else refs[-1] if refs else None) for m, reply, refs in mails
    }
    if "x" not in parents:
        assert len(trees[0][2]) == 1


@pytest.mark.parametrize("seed", range(30))
def test_large_threads_in_random_order(seed):
    chance = random.Random(seed)
    ancestors: dict[int, list[str]] = {0: []}
    mails = [mail("m0")]
    for number in range(1, 40):
        parent = chance.randrange(number)
        ancestors[number] = [*ancestors[parent], f"m{parent}"]
        kept = ancestors[number][-chance.randint(1, 6) :]
        mails.append(mail(f"m{number}", *kept))
    chance.shuffle(mails)
    memory = Memory()
    for one in mails:
        assert memory.take(*one)
    parents, placeholders, topics = memory.tree()
    assert not placeholders
    assert len(topics) == 1
    assert all(parents[m] == (reply[0] if reply else None) for m, reply, _ in mails)


def test_a_placeholder_keeps_its_id_when_it_is_filled():
    memory = Memory()
    child = memory.take("b", ("a",))
    filled = memory.take("a")
    assert child.parent == filled.post == post_id(FORUM, "a")
    assert filled.fills
    assert filled.topic == child.topic


def test_a_filled_placeholder_joins_its_topic_to_that_of_its_own_parent():
    memory = Memory()
    upper = memory.take("a")
    lower = memory.take("c", ("b",))
    between = memory.take("b", ("a",))
    assert (between.merged, between.topic) == (lower.topic, upper.topic)
    assert memory.posts["c"]["topic"] == upper.topic


def test_a_second_mail_of_the_same_id_has_no_place():
    memory = Memory()
    memory.take("a")
    assert memory.take("a", ("b",)) is None


def test_naming_many_topics_joins_none_of_them():
    memory = Memory()
    topics = [memory.take(f"t{number}").topic for number in range(20)]
    all_of_them = tuple(f"t{number}" for number in range(20))
    known = memory.take("z", ("t3",), all_of_them)
    assert (known.topic, known.merged) == (topics[3], None)
    unknown = memory.take("y", ("nobody",), all_of_them)
    assert (unknown.topic, unknown.merged) == (topics[19], None)


def test_a_ring_is_cut():
    memory = Memory()
    memory.take("a", ("b",))
    assert memory.take("b", ("a",)).parent is None
    memory = Memory()
    memory.take("a", ("b",))
    memory.take("c", ("a",))
    assert memory.take("b", ("c",)).parent is None
    assert len(memory.tree()[2]) == 1


def test_a_mail_that_answers_itself_begins_a_topic():
    where = Memory().take("a", ("a",), ("a",))
    assert (where.parent, where.new_topic, where.unknown) == (None, True, ())


@pytest.mark.parametrize(
    ("in_reply_to", "references", "answered", "parent"),
    [
        ((), (), None, None),
        (("a",), (), None, "a"),
        ((), ("a", "b"), None, "b"),
        (("a",), ("a", "b"), None, "a"),
        (("a", "b"), (), None, "a"),
        (("a", "b"), ("x", "a", "b"), None, "b"),
        (("a",), ("a", "b"), "t", "t"),
        (("own", "a"), ("own",), None, "a"),
        (("a",), (), "own", "a"),
    ],
)
def test_the_parent_follows_from_the_mail_alone(in_reply_to, references, answered, parent):
    names = names_of("own", in_reply_to, references, answered)
    assert names.parent == parent
    assert "own" not in names.named


def test_at_most_fifty_ids_are_looked_up():
    names = names_of("own", ("parent",), tuple(f"r{number}" for number in range(200)))
    assert len(names.named) == MAX_NAMED
    assert names.named[:3] == ("parent", "r199", "r198")
