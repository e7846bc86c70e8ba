"""The functions of Rego a policy may call: those on which regorus and OPA give one answer, whatever they are given.

Held by tests/policy_engine/test_one_truth.py: OPA's own cases, and hostile arguments to every function named here, on
both engines. What is not in ALLOWED is refused when a bundle is loaded; DIFFERS and COSTLY say why of some of it.
"""

from collections.abc import Mapping

ARITY: Mapping[str, int] = {
    **dict.fromkeys((
        "abs", "array.reverse", "base64.encode", "base64url.encode", "count",
        "hex.encode", "intersection", "is_array", "is_boolean", "is_null", "is_number", "is_object", "is_set",
        "is_string", "max", "min", "object.keys", "object.union_n", "round", "sort",
        "strings.reverse", "time.clock", "time.date", "time.weekday", "trim_space",
        "type_name", "union",
    ), 1),
    **dict.fromkeys((
        "array.concat", "concat", "contains", "endswith", "net.cidr_contains", "object.filter", "object.remove",
        "object.union", "split", "sprintf", "startswith", "strings.any_prefix_match",
        "strings.any_suffix_match", "trim", "trim_left", "trim_prefix", "trim_right", "trim_suffix",
    ), 2),
    "object.get": 3,
}
"""How many arguments each takes; as a statement of its own, one more, which its result must equal."""

ALLOWED = frozenset(ARITY)
"""`sprintf` with a literal format whose verbs are `%v`, and a literal array of as many values: of any other verb the
engines make different words. `count` of a text differs for characters beyond U+FFFF, of collections it does not."""

DIFFERS: Mapping[str, str] = {
    "array.slice": "a fractional index is an error in one engine and undefined in the other",
    "base64.decode": "line ends in it, and bytes that are no text, are read differently",
    "base64.is_valid": "what is no text is false in one engine and an error in the other",
    "base64url.decode": "padding is needed in one engine only",
    "ceil": "they round negative fractions differently: use round",
    "floor": "they round negative fractions differently: use round",
    "format_int": "they write negative fractions differently",
    "glob.match": "a delimiter longer than a character is an error in one engine: use startswith, or split and compare",
    "glob.quote_meta": "they quote different characters",
    "graph.reachable_paths": "what names no node is an error in one engine",
    "hex.decode": "bytes that are no text are read differently",
    "indexof": "looking for nothing is an error in one engine: use contains, or split",
    "indexof_n": "looking for nothing is an error in one engine: use contains, or split",
    "json.filter": "they disagree about paths into lists",
    "json.is_valid": "what is no text is false in one engine and an error in the other",
    "json.marshal": "they escape characters and write numbers differently",
    "json.match_schema": "they report differently",
    "json.patch": "a wrong patch is an error in one engine and undefined in the other",
    "json.verify_schema": "they report differently",
    "json.unmarshal": "they read large numbers and halves of surrogate pairs differently",
    "lower": "they disagree about letters such as İ: keep names in lower case where they come from",
    "net.cidr_is_valid": "what is no text is false in one engine and an error in the other",
    "object.subset": "wrong types are an error in one engine and false in the other",
    "product": "they multiply fractions differently: use whole numbers and *",
    "regex.match": "the engines read different dialects: use startswith, endswith, contains or split",
    "replace": "replacing nothing differs",
    "semver.compare": "v before a version is an error in one engine",
    "semver.is_valid": "what is no text is false in one engine and an error in the other",
    "strings.count": "they count overlapping parts differently",
    "substring": "a fractional offset is an error in one engine: use split, or trim_prefix",
    "sum": "they add fractions differently: use whole numbers and +",
    "time.format": "they write fractions of a second differently",
    "time.parse_rfc3339_ns": "one engine reads leap seconds, and t or a space in the place of T",
    "time.parse_duration_ns": "one engine reads none",
    "to_number": "a number after a space is an error in one engine",
    "units.parse": "what is no number is an error in one engine and undefined in the other",
    "units.parse_bytes": "what is no number is an error in one engine and undefined in the other",
    "upper": "they disagree about letters such as ß: keep names in one case where they come from",
    "urlquery.decode": "what is not encoded is an error in one engine",
    "urlquery.encode": "they encode different characters",
    "walk": "they disagree about paths into lists",
    "yaml.marshal": "they quote differently",
    "yaml.unmarshal": "they read numbers differently",
}

COSTLY: Mapping[str, str] = {
    "bits.lsh": "one call can take all memory",
    "net.cidr_expand": "one call can take all memory",
    "numbers.range": "one call can take all memory",
    "numbers.range_step": "one call can take all memory",
    "strings.replace_n": "one call can multiply its text without limit",
}
