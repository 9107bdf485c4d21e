"""A conversation's order: it is that of a list, and its numbers rise, whatever is done to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.projection.order import OrderedIds

LOWEST, HIGHEST = -(2**31), 2**31 - 1


@examples(200)
@given(st.lists(st.tuples(st.sampled_from(["front", "end", "behind", "out"]), st.integers(0))))
def test_it_is_as_a_list(steps: list[tuple[str, int]]) -> None:
    order, wanted, made = OrderedIds(), list[str](), 0
    for step, number in steps:
        before = dict(order.numbers)
        if step == "out":
            if wanted:
                order.remove(wanted.pop(number % len(wanted)))
            continue
        made += 1
        id_ = f"item_{made}"
        place = {"front": 0, "end": len(wanted)}.get(step, number % (len(wanted) + 1))
        moved = order.insert(id_, wanted[place - 1] if place else None)
        wanted.insert(place, id_)
        assert set(moved) == {i for i, n in before.items() if order.numbers[i] != n}
    assert list(order) == wanted and len(order) == len(wanted)
    numbers = [order.numbers[id_] for id_ in wanted]
    assert numbers == sorted(set(numbers))
    assert (order.first, order.last) == ((wanted[0], wanted[-1]) if wanted else (None, None))


def test_few_move_wherever_items_are_put() -> None:
    """At the ends none does; in one place again and again, a few do for each."""
    for predecessor, most in (("first", 20), (None, 0), ("last", 0)):
        order, moved, n = OrderedIds(), 0, 5000
        order.append("first")
        for number in range(n):
            behind = order.last if predecessor == "last" else predecessor
            moved += len(order.insert(f"item_{number}", behind))
        assert moved <= most * n
        numbers = [order.numbers[id_] for id_ in order]
        assert numbers == sorted(set(numbers))
        assert numbers[0] >= LOWEST and numbers[-1] <= HIGHEST


def test_numbers_at_the_end_of_what_a_column_holds() -> None:
    order = OrderedIds()
    order.append("first")
    order.numbers["first"] = HIGHEST
    order.append("second")
    order.append("third")
    order.insert("none", None)
    numbers = [order.numbers[id_] for id_ in order]
    assert list(order) == ["none", "first", "second", "third"]
    assert numbers == sorted(set(numbers)) and numbers[0] >= LOWEST and numbers[-1] <= HIGHEST
