"""The judge of tests/storm: what it lets pass and what not."""
import math
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../storm"))
from history import (CREATE, DELETE, POST, PUT, READ, Listing, Op, check_listing, check_object, may_list)  # noqa: E402


def put(a, b, value, done=True, **kw):
    return Op(PUT, a, b, value, done, **kw)


def create(a, b, value, done=True):
    return Op(CREATE, a, b, value, done)


def delete(a, b, done=True, **kw):
    return Op(DELETE, a, b, None, done, **kw)


def post(a, b, value, done=True):
    return Op(POST, a, b, value, done)


def read(a, b, value, posted=0):
    return Op(READ, a, b, None if value is None else (value, posted), True)


@pytest.mark.parametrize("ops", [
    [put(0, 1, 1), read(2, 3, 1), delete(4, 5), read(6, 7, None)],
    [put(0, 3, 1), read(1, 2, None), read(1, 2, 1)],  # side by side
    [put(0, 3, 1), put(0, 3, 2), read(4, 5, 1)],
    [put(0, 1, 1), put(2, 3, 2, None), read(4, 5, 1), read(6, 7, 2)],  # a 503 that happens later
    [put(0, 1, 1), put(2, 3, 2, None), read(4, 5, 1)],  # or never
    [put(0, 1, 1), put(2, math.inf, 2, None), put(4, 5, 3), read(6, 7, 2)],  # nobody answered
    [create(0, 1, 1), create(2, 3, 2, False), delete(4, 5), create(6, 7, 3)],
    [create(0, 4, 1), create(1, 5, 2, False)],
    [delete(0, 1, False), put(2, 3, 1, None), delete(4, 5, True)],
    [delete(0, 1, None), put(2, 3, 1)],
    [put(0, 1, 1, None), read(2, 4, 1), delete(2, 5, False)],
    [put(0, 1, n, None) for n in range(30)] + [read(2, 3, 7), read(4, 5, 12)],
    [put(0, 1, 1), post(2, 3, 9), read(4, 5, 1, 9), put(6, 7, 2), read(8, 9, 2)],
    [put(0, 1, 1), post(2, 3, 9, None), read(4, 5, 1), read(6, 7, 1, 9)],
    [put(0, 1, 5), put(1, 4, 1), post(2, 3, 9), read(5, 6, 1)],
    [post(0, 1, 9, False), delete(2, 3, False), post(4, 5, 9, False)],
])
def test_what_one_order_explains(ops):
    assert check_object(ops)[0] is None


@pytest.mark.parametrize("ops", [
    [put(0, 1, 1), read(2, 3, None)],  # lost
    [put(0, 1, 1), put(2, 3, 2), read(4, 5, 1)],  # stale
    [put(0, 1, 1), delete(2, 3), read(4, 5, 1)],  # a ghost
    [put(0, 4, 1), read(1, 2, 1), read(3, 4, None)],  # there, and not
    [put(0, 1, 1), put(2, 3, 2, None), put(4, 5, 3), read(6, 7, 2)],  # a 503 from the dead
    [put(0, 1, 1), put(2, 3, 2, None), read(4, 5, 2), read(6, 7, 1)],
    [put(0, 1, 1, None), delete(2, 3), read(4, 5, 1)],
    [create(0, 1, 1), create(2, 3, 2)],
    [create(0, 1, 1, False)],
    [create(0, 4, 1), create(1, 5, 2), read(6, 7, 1)],
    [put(0, 1, 1), delete(2, 3, False)],
    [read(0, 1, 5)],  # never written
    [put(0, 1, 1), post(2, 3, 9), read(4, 5, 1)],
    [put(0, 1, 1), post(2, 3, 9), put(4, 5, 2), read(6, 7, 2, 9)],
    [put(0, 1, 1), post(2, 3, 9, False)],
    [post(0, 1, 9)],
    [put(0, 1, n, None) for n in range(30)] + [read(2, 3, 7), read(4, 5, 12), read(6, 7, 7)],
])
def test_what_no_order_explains(ops):
    assert check_object(ops)[0] is not None


def test_what_may_be_there_at_the_end():
    assert check_object([put(0, 1, 1), put(2, 3, 2, None)])[1] == {(1, 0), (2, 0)}
    assert check_object([put(0, 1, 1, None), delete(2, 3, False)])[1] == {None}


def test_listings():
    ops = [put(0, 1, 1), put(4, 5, 2), delete(8, 9)]
    assert may_list(ops, 2, 3) == {1}
    assert may_list(ops, 2, 4.5) == {1, 2}
    assert may_list(ops, 6, 7) == {2}
    assert may_list(ops, 10, 11) == {None}
    assert may_list([], 0, 1) == {None}
    # A row that was left for later, and one whose write has no outcome.
    assert may_list([put(0, 1, 1), put(2, 3, 2, listed=False)], 4, 5) == {1, 2}
    assert may_list([put(0, 1, 1), put(2, 3, 2, None)], 4, 5) == {1, 2}
    assert may_list([put(0, 1, 1, None), delete(2, 3, False)], 4, 5) == {None}
    assert check_listing(Listing(6, 7, {"a": 2}), {"a": ops}) == []
    assert check_listing(Listing(6, 7, {}), {"a": ops})
    assert check_listing(Listing(6, 7, {"a": 2, "b": 3}), {"a": ops})
