"""Appendix A of RFC 6902 and of RFC 7396 as data, and the rules of their sections that the examples leave out."""

from typing import Any

# Name -> document, patch, and the result or REFUSED.
REFUSED = object()

RFC_6902: dict[str, tuple[Any, list[Any], Any]] = {
    "A.1 adding an object member": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
    ),
    "A.2 adding an array element": (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A.3 removing an object member": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "remove", "path": "/baz"}],
        {"foo": "bar"},
    ),
    "A.4 removing an array element": (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    "A.5 replacing a value": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    "A.6 moving a value": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7 moving an array element": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8 testing a value, success": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.9 testing a value, error": ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], REFUSED),
    "A.10 adding a nested member object": (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    # Section A.11 says that unknown members are ignored. Ours are written by hand, and a misspelt `value` is refused.
    "A.11 ignoring unrecognized elements, which we refuse": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        REFUSED,
    ),
    "A.12 adding to a nonexistent target": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz/bat", "value": "qux"}],
        REFUSED,
    ),
    # A.13 has two `op` in one object, which is refused as YAML: see test_hostile_yaml.py.
    "A.14 tilde escape ordering": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": 10}],
        {"/": 9, "~1": 10},
    ),
    "A.15 comparing strings and numbers": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": "10"}],
        REFUSED,
    ),
    "A.16 adding an array value": (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
    "4.1 add replaces a member that is there": ({"a": 1}, [{"op": "add", "path": "/a", "value": 2}], {"a": 2}),
    "4.1 add at the root replaces the document": ({"a": 1}, [{"op": "add", "path": "", "value": [1]}], [1]),
    "4.1 add may append by the length": ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
    "4.1 add must not go past the length": ({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 2}], REFUSED),
    "4.1 a leading zero is no index": ({"a": [1]}, [{"op": "add", "path": "/a/00", "value": 2}], REFUSED),
    "4.1 a negative index": ({"a": [1]}, [{"op": "add", "path": "/a/-1", "value": 2}], REFUSED),
    "4.2 remove needs the value": ({"a": 1}, [{"op": "remove", "path": "/b"}], REFUSED),
    "4.2 remove of the end of a list": ({"a": [1]}, [{"op": "remove", "path": "/a/-"}], REFUSED),
    "4.3 replace needs the value": ({"a": 1}, [{"op": "replace", "path": "/b", "value": 1}], REFUSED),
    "4.3 replace at the root": ({"a": 1}, [{"op": "replace", "path": "", "value": "x"}], "x"),
    "4.4 move into a child of itself": ({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": "/a/b"}], REFUSED),
    "4.4 move to the same place": ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
    "4.4 move of nothing": ({"a": 1}, [{"op": "move", "from": "/b", "path": "/a"}], REFUSED),
    "4.4 move over a name that begins alike": ({"a": 1}, [{"op": "move", "from": "/a", "path": "/ab"}], {"ab": 1}),
    "4.5 copy": ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
    "4.5 copy of nothing": ({"a": 1}, [{"op": "copy", "from": "/b", "path": "/c"}], REFUSED),
    "4.6 numbers are equal by value": ({"a": 1}, [{"op": "test", "path": "/a", "value": 1.0}], {"a": 1}),
    "4.6 true is not 1": ({"a": True}, [{"op": "test", "path": "/a", "value": 1}], REFUSED),
    "4.6 nor inside of a list": ({"a": [1]}, [{"op": "test", "path": "/a", "value": [True]}], REFUSED),
    "4.6 null is a value": ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
    "4.6 objects without order": (
        {"a": {"x": 1, "y": [2]}},
        [{"op": "test", "path": "/a", "value": {"y": [2], "x": 1}}],
        {"a": {"x": 1, "y": [2]}},
    ),
    "4.6 arrays with order": ({"a": [1, 2]}, [{"op": "test", "path": "/a", "value": [2, 1]}], REFUSED),
    "4.6 arrays of one length": ({"a": [1, 2]}, [{"op": "test", "path": "/a", "value": [1]}], REFUSED),
    "5 all of it or nothing": (
        {"a": 1},
        [{"op": "replace", "path": "/a", "value": 2}, {"op": "test", "path": "/a", "value": 1}],
        REFUSED,
    ),
    "an empty name is a name": ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
    "a digit is a name in an object": ({"0": 1}, [{"op": "remove", "path": "/0"}], {}),
    "a dash is a name in an object": ({}, [{"op": "add", "path": "/-", "value": 1}], {"-": 1}),
    "nothing lies in a text": ({"a": "text"}, [{"op": "add", "path": "/a/b", "value": 1}], REFUSED),
    "an empty patch": ({"a": 1}, [], {"a": 1}),
}

# RFC 7396, appendix A: original, patch, result.
RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
