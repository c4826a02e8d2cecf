"""What clients asked and were told, and whether one order of all operations explains it.

An operation is known by the times between which it happened. One whose outcome its client was not
told (5xx, a connection that broke) happened once or never; where it was answered, not after a write
that began later and succeeded. Values are whole numbers, unique for each write. What is there is (value of the body,
value of the last POST or 0), or None."""
import math
from dataclasses import dataclass, field

PUT, CREATE, POST, DELETE, READ = "put", "create", "post", "delete", "read"  # create: only if there is none


@dataclass
class Op:
    kind: str
    begin: float
    end: float = math.inf  # known outcome: of the answer. Unknown: it cannot happen later
    value: object = None  # what was written; read: what was found there
    done: object = None  # True: it happened; False: it was refused (create: there was one; delete, post: none); None: unknown
    unsure: frozenset = frozenset()  # values of writes of unknown outcome
    listed: bool = True  # its row, too, was on its way to a listing at once
    note: str = ""

    def writes(self):
        """A refused delete too leaves a tombstone."""
        return self.kind in (PUT, DELETE) or (self.kind == CREATE and self.done is not False)


def after(state, op):
    """The state behind the operation: a tuple of none or one."""
    if op.kind == READ:
        return (state,) if state == op.value else ()
    if op.kind == PUT:
        return ((op.value, 0),)
    if op.kind in (POST, DELETE) and op.done is False:  # what was on few replicas may have been missed
        return (state,) if state is None else (state if op.kind == POST else None,) if state[0] in op.unsure else ()
    if op.kind == POST:
        return ((state[0], op.value),) if state is not None else ()
    if op.kind == CREATE:
        if op.done is False:
            return (state,) if state is not None else ()
        return ((op.value, 0),) if state is None else ()
    return (None,)  # a replica that lagged behind may have had what it says it deleted


class Register:
    """One name. A configuration is what may be there, and which open operations have happened."""

    def __init__(self):
        self.configs = {(None, frozenset())}
        self.open = {}

    def spread(self, wanted):
        """All configurations with `wanted` behind them; of two that differ only in what of unknown
        outcome they have used, the one that used less can do all that the other can."""
        unknown = frozenset(i for i, op in self.open.items() if op.done is None)
        best, result = {}, set()
        todo = sorted(self.configs, key=lambda c: len(c[1]))
        while todo:
            following = []
            for state, happened in todo:
                kept = best.setdefault((state, happened - unknown), [])
                used = happened & unknown
                if any(k <= used for k in kept):
                    continue
                kept.append(used)
                if wanted in happened or wanted is None:
                    result.add((state, happened))
                    if wanted is not None:
                        continue
                for i, op in self.open.items():
                    if i not in happened:
                        for new in after(state, op):
                            gone = {i}
                            if op.writes() and op.done is not None:
                                gone |= {j for j in unknown if self.open[j].end < op.begin}
                            following.append((new, happened | gone))
            todo = sorted(following, key=lambda c: len(c[1]))
        return result

    def answer(self, i):
        op = self.open[i]
        self.configs = self.spread(i)
        gone = {i}
        if op.writes():
            gone |= {j for j, u in self.open.items() if u.done is None and u.end < op.begin}
        for j in gone:
            del self.open[j]
        self.configs = {(state, happened - gone) for state, happened in self.configs}
        return bool(self.configs)

    def values(self):
        return {state for state, _ in self.spread(None)}


def check_object(ops):
    """(the first operation that nothing explains or None, the values that may be there at the end)"""
    events = []
    unsure = frozenset(op.value for op in ops if op.done is None and op.kind in (PUT, CREATE))
    for i, op in enumerate(ops):
        if op.kind == READ and op.done is None:
            continue
        op.unsure = unsure
        events.append((op.begin, 0, i))
        if op.done is not None:
            events.append((op.end, 1, i))
    register = Register()
    for _, ends, i in sorted(events):
        if not ends:
            register.open[i] = ops[i]
        elif not register.answer(i):
            return ops[i], set()
    return None, register.values()


@dataclass
class Listing:
    begin: float
    end: float
    rows: dict = field(default_factory=dict)  # name: value
    note: str = ""


def may_list(ops, begin, end):
    """The values that a listing between these times may show of a name."""
    writes = [op for op in ops if op.writes()]
    sure = [op for op in writes if op.done is not None and op.listed and op.end < begin]
    values = set() if sure else {None}
    last = max((op.begin for op in sure), default=-math.inf)
    for op in writes:
        if op.begin < end and op.end >= last:
            values.add(None if op.kind == DELETE else op.value)
    return values


def check_listing(listing, names):
    """Names that it must not show so; names: {name: operations} of all that it covers."""
    wrong = []
    for name, ops in names.items():
        values = may_list(ops, listing.begin, listing.end)
        if listing.rows.get(name) not in values:
            wrong.append((name, listing.rows.get(name), values))
    wrong += [(name, value, set()) for name, value in listing.rows.items() if name not in names]
    return wrong
