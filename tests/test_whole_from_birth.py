"""What an object works with it was given when it was made: nobody sets a collaborator, a callback or a setting later.

An object changes itself (``self.x = ...``). Two others may write into it: the function that has just made it, and the
folder of its class, where that is a record and not somebody's part (``request.state``, never ``self.rooms.state``).
Whoever else wants a change calls a method that says what happened; one that only stores what it is given says nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from rules import MODULES, Module, module, only_as_listed

Function = ast.FunctionDef | ast.AsyncFunctionDef
SETTING = {"setattr", "delattr", "object.__setattr__", "object.__delattr__"}
REWRITING = {"update", "setdefault", "pop", "popitem", "clear"}

# Objects of Twisted, Autobahn and Python, which are made so that they have to be completed.
THEIRS: set[str] = {
    "daemon/manhole.py: realm.sessionFactory",
    "tap.py: reactor.seconds",
    "web/transports/handover.py: transport.protocol",
    "web/transports/handover.py: transport.protocol.wrappedProtocol",
    "web/transports/handover.py: transport.wrappedProtocol",
}

# A packet for many receivers, which has places that its first transport fills, and what they are charged for it: a call
# for each would cost every token.
HOT: set[str] = {
    "gateway/engineio/tracing.py: packet.held",
    "gateway/socketio/hub.py: connection.credit",
    "web/transports/outgoing.py: item.frame",
    "web/transports/outgoing.py: item.held",
    "web/transports/outgoing.py: last.held",
    "web/transports/outgoing.py: packet.held",
}

# Methods that store what they are given, as a step of a protocol.
BINDING: set[str] = {
    "protocol/arrival.py: Arrival.begin",
    "protocol/socket_session.py: SocketSession.expect_attachments",
    "web/channel.py: HardenedChannel._taken_over_by",
    "web/request.py: HardenedRequest.asks_whether_it_is_there",
    "web/transports/polling.py: PollingSink.bind",
    "web/transports/websocket.py: EngineWebSocket.bind",
}

# What the assembly hands over after birth: tables that have an order or are found at the start, and who wants to hear.
REGISTERING = re.compile(r"(set|on|add|use|register|subscribe|attach)(_\w+)?")
REGISTERED = {
    "assembly/life.py: core.calls.calls.register",
    "assembly/life.py: extension.attach",
    "assembly/namespaces.py: dispatcher.add",
    "assembly/people.py: accounts.events.add",
    "assembly/people.py: sessions.add_listener",
    "assembly/talk.py: message_events.add",
    "assembly/talk.py: request_ends.add",
    "assembly/talk.py: rooms.add_listener",
    "assembly/talk.py: sessions.add_listener",
}


def _folder(source: Module) -> str:
    return source.path.rpartition("/")[0]


def _own_fields(source: Module) -> set[str]:
    """Fields that the classes of a module declare, or set in themselves."""
    fields: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            lines = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            fields |= {line.target.id for line in lines if isinstance(line.target, ast.Name)}
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            fields.add(node.attr)
    return fields


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _just_made(function: ast.AST) -> set[str]:
    """Names that this function gives to what it makes: ``x = Thing(...)``, ``cls.__new__(cls)``, ``evolve(y)``."""
    made: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            maker = ast.unparse(node.value.func).rpartition(".")[2]
            if maker[:1].isupper() or maker in ("__new__", "evolve", "copy"):
                made |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return made


def _scopes(tree: ast.Module) -> Iterator[tuple[ast.AST, set[str]]]:
    """Each node once, with the names of what the function around it has just made."""

    def below(node: ast.AST, made: set[str]) -> Iterator[tuple[ast.AST, set[str]]]:
        if isinstance(node, Function):
            made = made | _just_made(node)
        yield node, made
        for child in ast.iter_child_nodes(node):
            yield from below(child, made)

    return below(tree, set())


FIELDS: dict[str, set[str]] = {}  # of each folder; of the root nothing
for each in MODULES:
    FIELDS.setdefault(_folder(each), set()).update(_own_fields(each) if _folder(each) else ())


def set_from_outside(source: Module) -> Iterator[str]:
    """``path: what`` for each attribute that is set, changed or deleted by another than its owner."""
    own = FIELDS.get(_folder(source), set()) | _own_fields(source)
    for node, made in _scopes(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if not _may_set(node.value, node.attr in own, made):
                yield f"{source.path}: {ast.unparse(node)}"
        elif (owner := _rewritten(node)) is not None and not _may_set(owner, False, made):
            yield f"{source.path}: {ast.unparse(node)}"


def _may_set(owner: ast.expr, declared_here: bool, made: set[str]) -> bool:
    if _is_self(owner) or (isinstance(owner, ast.Name) and owner.id in made):
        return True
    reached_by_self = isinstance(owner, ast.Attribute)  # self.service.x, settings.x.y: somebody else's in any case
    return declared_here and not reached_by_self


def _rewritten(node: ast.AST) -> ast.expr | None:
    """``x`` of ``setattr(x, ...)``, ``vars(x)["a"] = ...`` and ``x.__dict__.update(...)``."""
    if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in SETTING:
        return node.args[0]
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return _owner_of_dict(node.value)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in REWRITING:
        return _owner_of_dict(node.func.value)
    return None


def _owner_of_dict(node: ast.expr) -> ast.expr | None:
    """``x`` of ``vars(x)`` and ``x.__dict__``."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "vars" and node.args:
        return node.args[0]
    if isinstance(node, ast.Attribute) and node.attr == "__dict__":
        return node.value
    return None


def setters(source: Module) -> Iterator[str]:
    """``path: Class.method`` for methods that do nothing but store what they are given."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, Function) and _only_stores(method):
                    yield f"{source.path}: {node.name}.{method.name}"


def _only_stores(method: Function) -> bool:
    if any(ast.unparse(decorator).endswith(".setter") for decorator in method.decorator_list):
        return True
    given = {each.arg for each in (*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs)}
    lines = [line for line in method.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
    return not method.name.startswith("__") and bool(lines) and all(_stores(line, given) for line in lines)


def _stores(line: ast.stmt, given: set[str]) -> bool:
    return (
        isinstance(line, ast.Assign)
        and all(isinstance(target, ast.Attribute) and _is_self(target.value) for target in line.targets)
        and isinstance(line.value, ast.Name)
        and line.value.id in given
    )


def registrations(source: Module) -> Iterator[str]:
    """``path: object.method`` for calls that give an object something to keep."""
    for node in ast.walk(source.tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and REGISTERING.fullmatch(called.attr) and not _is_self(called.value):
            yield f"{source.path}: {ast.unparse(called)}"


def test_nothing_is_set_from_outside() -> None:
    found = {what for source in MODULES for what in set_from_outside(source)}
    only_as_listed(found, THEIRS | HOT, "THEIRS or HOT")


def test_the_assembly_registers_nothing_but_what_is_listed() -> None:
    builders = [source for source in MODULES if source.layer in ("assembly", "tap")]
    only_as_listed({what for source in builders for what in registrations(source)}, REGISTERED, "REGISTERED")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("rooms.set_names(names)", True),
        ("trust.on_change(sessions.refresh)", True),
        ("core.calls.register('x', f)", True),
        ("rooms = RoomService(names)", False),
        ("self.add(x)", False),
        ("core.watch.start()", False),
    ],
)
def test_a_registration_is_caught(code: str, found: bool) -> None:
    assert bool(list(registrations(module("assembly/x.py", code)))) is found


def test_no_method_only_stores_what_it_is_given() -> None:
    only_as_listed({what for source in MODULES for what in setters(source)}, BINDING, "BINDING")


@pytest.mark.parametrize(
    "code",
    [
        "def reload(self): self.rooms.settings = new",
        "def wire(rooms, trust): rooms.is_client_id = trust.knows",
        "def wire(rooms): rooms.count += 1",
        "def wire(rooms): rooms.a, rooms.b = 1, 2",
        "def wire(rooms): del rooms.settings",
        "def wire(all): \n    for all.last in all: pass",
        "def wire(rooms): setattr(rooms, 'settings', 1)",
        "def wire(rooms): object.__setattr__(rooms, 'settings', 1)",
        "def wire(rooms): vars(rooms)['settings'] = 1",
        "def wire(rooms): rooms.__dict__.update(settings=1)",
        "service.settings = 1",
        "def late():\n    service = find()\n    service.settings = 1",
        "class Wiring:\n    settings: int\n    def reload(self): self.rooms.settings = 1",
    ],
)
def test_what_is_set_from_outside_is_caught(code: str) -> None:
    assert list(set_from_outside(module("assembly/x.py", code)))


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n    def change(self): self.state = 1",
        "class A:\n    def change(self): self.__dict__.clear()",
        "class A:\n    def __init__(self): object.__setattr__(self, 'a', 1)",
        "def make():\n    made = Thing()\n    made.name = 'x'",
        "def make(cls):\n    made = cls.__new__(cls)\n    vars(made)['a'] = 1",
        "class Record:\n    state: str = ''\ndef end(record): record.state = 'over'",
        "def count(numbers): numbers['a'] += 1",
    ],
)
def test_what_an_object_does_to_itself_is_not(code: str) -> None:
    assert not list(set_from_outside(module("domain/x.py", code)))


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("class A:\n    def set_port(self, port):\n        '''Doc.'''\n        self._port = port", True),
        ("class A:\n    def use(self, a, b):\n        self.a = a\n        self.b = b", True),
        ("class A:\n    @port.setter\n    def port(self, port): self._port = int(port)", True),
        ("class A:\n    def __init__(self, port): self._port = port", False),
        ("class A:\n    def opened(self, port):\n        self._port = port\n        self._tell()", False),
        ("class A:\n    def add(self, name, handler): self._handlers[name] = handler", False),
    ],
)
def test_a_setter_is_caught(code: str, found: bool) -> None:
    assert bool(list(setters(module("services/x.py", code)))) is found


def test_a_list_of_exceptions_only_shrinks() -> None:
    only_as_listed(["a", "b"], ["b", "a"], "LIST")
    with pytest.raises(AssertionError, match="not allowed:\nb"):
        only_as_listed(["a", "b"], ["a"], "LIST")
    with pytest.raises(AssertionError, match="take it out of LIST:\nb"):
        only_as_listed(["a"], ["a", "b"], "LIST")
