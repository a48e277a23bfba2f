"""A request that is sent twice is done once."""

from causal.control.effects import Ticket
from causal.control.replies import MAX_BYTES, MAX_REPLIES, MAX_WAITING, Replies


def ticket(request_id: str | int, client: bytes = b"c") -> Ticket:
    return Ticket((client, b""), request_id)


def test_the_story_of_a_request_that_is_asked_three_times():
    replies = Replies()
    assert replies.is_new(ticket("a"))
    assert not replies.is_new(ticket("a")), "it is under way"
    assert replies.known(ticket("a")) is None
    assert replies.wait(ticket("a"))
    assert replies.settle(ticket("a"), b"yes") == [ticket("a")] * 2, "the client asked twice, and is answered twice"
    assert not replies.is_new(ticket("a")), "it is done"
    assert replies.known(ticket("a")) == b"yes"


def test_a_client_that_comes_back_under_another_address_is_answered_there_too():
    replies = Replies()
    assert replies.is_new(ticket("a", b"old"))
    assert replies.wait(ticket("a", b"new"))
    assert replies.settle(ticket("a", b"old"), b"yes") == [ticket("a", b"old"), ticket("a", b"new")]
    assert replies.known(ticket("a", b"third")) == b"yes"


def test_a_text_and_a_number_are_two_ids():
    replies = Replies()
    assert replies.is_new(ticket("1"))
    assert replies.is_new(ticket(1))


def test_what_never_was_under_way_is_answered_and_not_remembered():
    replies = Replies()
    assert replies.settle(ticket("poll"), b"work") == [ticket("poll")]
    assert replies.known(ticket("poll")) is None


def test_an_answer_of_a_former_controller_is_known():
    replies = Replies()
    replies.remember("start", b"session")
    assert not replies.is_new(ticket("start"))
    assert replies.known(ticket("start")) == b"session"


def done(replies: Replies, request_id: str, reply: bytes) -> None:
    assert replies.is_new(ticket(request_id))
    replies.settle(ticket(request_id), reply)


def test_the_oldest_replies_go_first():
    replies = Replies()
    for number in range(MAX_REPLIES + 1):
        done(replies, f"r{number}", b"x")
    assert replies.known(ticket("r0")) is None
    assert replies.known(ticket("r1")) == replies.known(ticket(f"r{MAX_REPLIES}")) == b"x"


def test_large_replies_take_no_more_than_their_share():
    replies = Replies()
    for number in range(10):
        done(replies, f"r{number}", bytes(MAX_BYTES // 4))
    assert [number for number in range(10) if replies.known(ticket(f"r{number}"))] == [6, 7, 8, 9]


def test_a_reply_that_is_replaced_is_counted_once():
    replies = Replies()
    done(replies, "small", b"x")
    for _ in range(100):
        replies.remember("large", bytes(MAX_BYTES // 2))
    assert replies.known(ticket("small")) == b"x"


def test_a_crowd_that_waits_for_one_reply_is_bounded():
    replies = Replies()
    tickets = [ticket("a", b"c%d" % number) for number in range(1000)]
    assert replies.is_new(tickets[0])
    assert [replies.wait(one) for one in tickets[1:]].count(True) == MAX_WAITING - 1
    assert replies.settle(tickets[0], b"yes") == tickets[:MAX_WAITING]
