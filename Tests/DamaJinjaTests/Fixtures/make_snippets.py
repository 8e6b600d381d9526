#!/usr/bin/env python3
"""Writes snippets.json: small templates, each for one rule of the language, and what jinja2 makes of them."""

from __future__ import annotations

import json
from pathlib import Path

from environment import DATE, rendered

VARIABLES = {
    "n": 7, "m": -3, "x": 2.5, "t": True, "f": False, "z": None, "s": "Hello, World", "e": "", "w": "  a b \n",
    "u": "Grüße\u00a0ß İ ǆ 漢字 \U0001f600 e\u0301", "l": [3, 1, 2], "k": ["b", "A", "c", "a"], "empty": [],
    "d": {"b": 1, "A": 2, "items": 3, "c": {"e": [1, {"f": "g"}]}},
    "rows": [{"role": "user", "n": 2, "content": "hi"}, {"role": "assistant", "n": 1, "content": "yo"},
             {"role": "user", "n": 3}],
    "html": "<a href=\"x\">'&'</a>", "q": "it's \"q\" \\ \t\r", "lines": "a\nb\r\nc\u2028d\n",
}  # fmt: skip

SNIPPETS = r"""
{{ n + 1 }} {{ n - 10 }} {{ n * 2 }} {{ n / 2 }} {{ n // 2 }} {{ m // 2 }} {{ n % 4 }} {{ m % 4 }} {{ n ** 2 }} {{ 2 ** -1 }}
{{ -n }} {{ +n }} {{ -2 ** 2 }} {{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ 7.0 // 2 }} {{ -7.5 % 2 }}
{{ 1 == 1.0 }} {{ true == 1 }} {{ "1" == 1 }} {{ none == false }} {{ [1, 2] == [1, 2] }} {{ {"a": 1} == {"a": 1.0} }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ "a" < "b" }} {{ [1, 2] < [1, 3] }} {{ 3 >= 3 }} {{ 2 != 3 }}
{{ 1 in l }} {{ 9 not in l }} {{ "lo" in s }} {{ "b" in d }} {{ "" in e }} {{ 1 in nothing }}
{{ not t }} {{ t and "yes" }} {{ f or "no" }} {{ e or z or 0 }} {{ not n == 8 }} {{ n and not f or x }}
{{ "a" ~ 1 ~ none ~ 2.0 ~ true ~ [1, "x"] }}
{{ "yes" if n > 3 else "no" }}|{{ "yes" if n > 9 }}|{{ "a" if f else "b" if t else "c" }}
{{ s[0] }}{{ s[-1] }} {{ s[1:4] }} {{ s[::-1] }} {{ s[:-3] }} {{ s[-3:] }} {{ s[10:2:-2] }} {{ l[1:] }} {{ l[::-1] }} {{ l[5:] }}
{{ l[9] is undefined }} {{ d.nothing is defined }} {{ nothing is defined }} {{ d["b"] }} {{ d.b }} {{ d.c.e[1].f }} {{ d["items"] }}
{{ d.items() | list }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.get("b") }} {{ d.get("q") }} {{ d.get("q", 5) }}
{{ {"a": 1, "b": [true, none, 1.5]} }} {{ (1,) }} {{ () }} {{ (1, "a") }} {{ [] }} {{ {} }}
{{ "it's" }} {{ ["it's", 'say "x"', "both ' and \""] }} {{ ["\n\t\\é\u200b\x07"] }}
{{ 1_000 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 0.1 + 0.2 }} {{ 100000000000000000000.0 }} {{ 1e22 }} {{ 5e-324 }}
{{ u | upper }} {{ u | lower }} {{ u | title }} {{ u | capitalize }} {{ u | length }} {{ u[::-1] }}
{{ u.upper() }} {{ u.title() }} {{ "hello wORLD it's".title() }} {{ "hello wORLD it's" | title }} {{ "ab-cd (ef)" | title }}
[{{ w | trim }}] [{{ w.strip() }}] [{{ w.lstrip() }}] [{{ w.rstrip() }}] [{{ "xxaxx".strip("x") }}] [{{ "xyaxy" | trim("xy") }}]
{{ "a,b,,c".split(",") }} {{ " a  b ".split() }} {{ "a,b,c".split(",", 1) }} {{ "a,b,c".rsplit(",", 1) }} {{ "".split() }} {{ "".split(",") }} {{ " a b c ".split(none, 1) }}
{{ lines.splitlines() }} {{ lines.splitlines(true) }} {{ "a-b-c".partition("-") }} {{ "a-b-c".rpartition("-") }} {{ "abc".partition("-") }}
{{ s.startswith("Hell") }} {{ s.endswith(("x", "ld")) }} {{ s.find("o") }} {{ s.rfind("o") }} {{ s.find("q") }} {{ s.count("l") }} {{ "aaa".count("aa") }} {{ s.index("W") }}
{{ s.replace("l", "L") }} {{ s.replace("l", "L", 1) }} {{ s | replace("o", "0") }} {{ "ab".replace("", "-") }} {{ s | replace("l", "", 2) }}
{{ "a".isalpha() }} {{ "1".isdigit() }} {{ "a1".isalnum() }} {{ "A".isupper() }} {{ "a".islower() }} {{ " ".isspace() }} {{ "".isalpha() }} {{ "½".isnumeric() }}
{{ "x".removeprefix("x") }}| {{ "abc".removesuffix("bc") }} {{ "7".zfill(3) }} {{ "-7".zfill(4) }} [{{ "a".center(4) }}] [{{ "ab".center(5, "*") }}] [{{ "a".ljust(3) }}] [{{ "a".rjust(3, ".") }}]
{{ ",".join(["a", "b"]) }} {{ l | join("-") }} {{ rows | join(", ", attribute="role") }} {{ empty | join("x") }}
{{ "%s is %d and %.2f %% %5s|%-5s|%05d" % ("a", 3, 1.005, "r", "l", 42) }} {{ "%s" % 5 }} {{ "%(a)s" % {"a": 1} }} {{ "%r" % "x" }} {{ "%x" % 255 }} {{ "%+d" % 3 }}
{{ "{} {1} {a}".format(1, 2, a=3) if f else "{0} {1} {a}".format(1, 2, a=3) }} {{ "{{}}".format() }} {{ "%s-%s" | format("a", "b") }}
{{ l | sort }} {{ l | sort(reverse=true) }} {{ k | sort }} {{ k | sort(case_sensitive=true) }} {{ rows | sort(attribute="n") | map(attribute="n") | list }}
{{ l | first }} {{ l | last }} {{ l | min }} {{ l | max }} {{ l | sum }} {{ rows | sum(attribute="n") }} {{ empty | first is defined }} {{ k | max }}
{{ l | reverse | list }} {{ "abc" | reverse }} {{ [1, 2, 1, 3, 2] | unique | list }} {{ ["a", "A"] | unique | list }}
{{ rows | map(attribute="content", default="-") | list }} {{ k | map("upper") | join }} {{ l | map("string") | list }}
{{ l | select("odd") | list }} {{ l | reject("odd") | list }} {{ [0, 1, ""] | select | list }} {{ l | select("gt", 1) | list }}
{{ rows | selectattr("role", "equalto", "user") | list | length }} {{ rows | rejectattr("content") | list }} {{ rows | selectattr("content", "defined") | map(attribute="n") | list }}
{{ d | dictsort }} {{ d | items | list }} {% for key, group in rows | groupby("role") %}{{ key }}:{{ group | length }} {% endfor %}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3, 4, 5] | batch(2, 0) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }} {{ [1, 2, 3, 4, 5] | slice(3, 0) | list }}
{{ -5 | abs }} {{ "5" | int }} {{ "5.7" | int }} {{ "x" | int }} {{ "x" | int(9) }} {{ "ff" | int(base=16) }} {{ 3.9 | int }} {{ "2.5" | float }} {{ "x" | float }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 2.1 | round(0, "ceil") }} {{ 2.19 | round(1, "floor") }} {{ 42 | round }} {{ 1234.5 | round(-2) }}
{{ nothing | default("d") }} {{ e | default("d") }}| {{ e | default("d", true) }} {{ z | d("n", true) }} {{ d.q | default(3) }}
{{ "a\nb\n\nc" | indent }}| {{ "a\nb" | indent(2, true) }}| {{ "a\n\nb\n" | indent(1, blank=true) }}| {{ "a\nb" | indent("> ") }}
{{ "hello big world" | truncate(9) }} {{ "hello big world" | truncate(9, true) }} {{ "hello big world" | truncate(9, true, "…", 0) }} {{ "hi" | truncate(3) }}
{{ "one two" | wordcount }} {{ html | escape }} {{ html | e }} {{ "a b/ü?&" | urlencode }} {{ "abc" | center(7) }}|
{{ d | tojson }} {{ d | tojson(indent=2) }} {{ [u, 1.0, none, true] | tojson }} {{ {"b": 1, "a": 2} | tojson(sort_keys=true) }} {{ [] | tojson(indent=2) }} {{ [1, 2] | tojson(separators=(",", ":")) }} {{ q | tojson }} {{ u | tojson(ensure_ascii=true) }}
{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {{ range(0) | list }} {{ dict(a=1, b=2) }} {{ dict({"a": 1}, b=2) }}
{% for i in l %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }}/{{ loop.previtem | default("-") }}/{{ loop.nextitem | default("-") }} {% endfor %}
{% for i in l if i > 1 %}{{ i }}:{{ loop.length }} {% else %}none{% endfor %}{% for i in empty %}x{% else %}none{% endfor %}
{% for a, b in d.items() %}{{ a }}={{ b }};{% endfor %}{% for c in "abc" %}{{ c }}-{% endfor %}{% for k in d %}{{ k }} {% endfor %}
{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1, 2, 3] %}{{ loop.cycle("a", "b") }}{% if loop.changed(i > 1) %}!{% endif %}{% endfor %}
{% for n in [{"v": 1, "c": [{"v": 2, "c": [{"v": 3}]}]}] recursive %}{{ n.v }}@{{ loop.depth }}{% if n.c %}({{ loop(n.c) }}){% endif %}{% endfor %}
{% set a = 1 %}{% for i in l %}{% set a = a + i %}{{ a }} {% endfor %}{{ a }}
{% set ns = namespace(a=1, b="x") %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}
{% if f %}{% elif n == 7 %}seven{% else %}other{% endif %} {% if not nothing %}undefined is false{% endif %}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set c = 1, 2 %}{{ c }} {% set x %}block {{ n }}{% endset %}{{ x }}|{% set y | upper %}abc{% endset %}{{ y }}
{% macro m(a, b=2, c="x") %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=3) }} {{ m(1, 2, 3) }} [{{ m() }}]
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}
{% macro m(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) m(5) %}called with {{ y }}{% endcall %}
{% macro f(n) %}{% if n > 1 %}{{ n * (f(n - 1) | int) }}{% else %}1{% endif %}{% endmacro %}{{ f(10) }}
{% set v = 1 %}{% macro m() %}{{ v }}{% endmacro %}{% set v = 2 %}{{ m() }}{% for v in [3] %}{{ m() }}{% endfor %}
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }} {% filter upper | replace("A", "x") %}abc{% endfilter %}
{% generation %}said {{ n }}{% endgeneration %} {% raw %}{{ not run }} {% if %}{% endraw %} {# a comment #}{#- another -#} end
{{ strftime_now("%d %b %Y") }} {{ strftime_now("%Y-%m-%d %H:%M:%S %A %B %j %-d %e %p %I %y") }}
{{ n is number }} {{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ l is iterable }} {{ n is iterable }} {{ z is none }} {{ t is boolean }} {{ t is true }} {{ 1 is true }} {{ n is integer }} {{ x is float }} {{ n is divisibleby 7 }} {{ n is odd }} {{ n is not even }} {{ range is callable }} {{ s is not string }} {{ 3 is eq 3 }} {{ 3 is in [1, 3] }} {{ "A" is upper }} {{ s is sequence }}
{{ "\x41\u00e9\U0001F600\101\q\\" }} {{ 'a' "b" 'c' }} {{ "multi
line" }}
{{ [1, 2] + [3] }} {{ "ab" * 3 }} {{ [0] * 2 }} {{ 3 * "x" }} {{ "a" + "b" }} {{ (1, 2) + (3,) }}
{{ messages[0]["role"] if messages else "no messages" }} {{ rows[0].role }} {{ rows[0]['content'][0] }} {{ rows[-1].content is undefined }}
{{ "a" in "abc" and "b" in ["b"] or "c" }} {{ (n > 3) | string }} {{ n | string ~ "x" }} {{ -n | abs }} {{ 1 - -1 }}
{% if (rows | length) > 2 and rows[0]["role"] == "user" and not (rows[0].role != "user") %}ok{% endif %}
{% set j = joiner("; ") %}{% for i in l %}{{ j() }}{{ i }}{% endfor %}
{{ d.b.c.d }}
{{ nothing.x }}
{{ nothing + 1 }}
{{ "a" + 1 }}
{{ 1 / 0 }}
{{ l.append(4) }}
{{ d.update({"x": 1}) }}
{{ raise_exception("no") }}
{{ "a" | nofilter }}
{{ n is notest }}
{{ nofunction() }}
{{ l[1, 2] }}
{{ 5 in 5 }}
{% for i in 5 %}{% endfor %}
{% if n %}
{% endif %}
{{ n
{{ (n }}
{% unknown %}
{% set a b %}
{{ 1 2 }}
{{ "abc }}
{# no end
{% for %}{% endfor %}
{% macro %}{% endmacro %}
{{ {"a" 1} }}
{{ -"a" }}
{{ "b" < 1 }}
{{ [1, "a"] | sort }}
{% if rows | selectattr("role", "eq", "nobody") %}a generator is true{% endif %} {% if d.items() %}yes{% endif %}{% if {}.items() %}no{% endif %}
{% set g = l | map("string") %}{{ g | join("-") }}|{{ g | join("-") }}|{% for i in g %}{{ i }}{% else %}used up{% endfor %}
{% set g = l | select %}{{ g | first }} {{ g | first }} {{ 9 in g }} {{ g | list }} {{ (l | reverse)[0] is defined }} {{ d.keys()[0] is defined }}
{{ l | map("string") | length }}
{{ l | select | last }}
{{ (l | select) + [1] }}
{{ l | reject("odd") | tojson }}
{{ d.keys() | length }} {{ d.items() | last }} {{ d.keys() }} {{ d.values() is sequence }} {{ l | map("string") is iterable }} {{ "b" in d.keys() }} {{ l | unique is sequence }}
{% for i in l %}{% continue %}{% else %}no pass ended{% endfor %} {% for i in l %}{% if loop.first %}{% break %}{% endif %}{% else %}nor here{% endfor %} {% for i in l %}{% if loop.last %}{% break %}{% endif %}{{ i }}{% else %}one did{% endfor %}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, b=2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}
{% macro m() %}x{% endmacro %}{% call m() %}never{% endcall %}
{{ "abcabc".find("a", 1) }} {{ "abcabc".rfind("a", 0, 3) }} {{ "abcabc".find("a", -2) }} {{ "abcabc".count("c", 3) }} {{ "abc".startswith("b", 1) }} {{ "abc".endswith("b", 0, 2) }} {{ "abc".find("", 4) }} {{ "abc".find("", 3) }} {{ "abc".startswith("", 4) }} {{ "abc".index("c", -1) }}
{{ "abcabc".index("a", 4) }}
{{ "a\tbc\td\n\te".expandtabs(4) }} {{ "a\tb".expandtabs() }} {{ "a\tb".expandtabs(0) }}
{{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 0xdead_beef }}
{{ "ΑΣ ΣΑΣ Σ ΑΣ. Α'Σ".lower() }} {{ "ΟΔΟΣ".capitalize() }} {{ "ΟΔΟΣ ΟΔΟΣ".title() }}
{{ "a" % 1 }}
{{ "%s" % (1, 2) }}
{{ "a" % [1] }} {{ "%s" % [1, 2] }} {{ "a" % d }}
{{ rows | sort(attribute="role,n") | map(attribute="n") | list }} {{ k | sort(attribute="x") }}
{{ [] in d }}
{{ d.get([]) }}
{{ nothing | int }}
{{ nothing | float }}
{{ nothing | attr("x") }}
{{ nothing <= nothing }}
{{ 5 | trim(5) }}
{{ n is none 5 }}
{{ 1 if n is defined if t else 2 }}
{{ true | round }} {{ x is even }} {{ 4.0 is even }} {{ 3.0 is odd }} {{ "a-b c_d, e" | wordcount }} {{ nothing is callable }}
{{ u.split("ß") }} {{ "ﬁ".upper() }} {{ "ŉ" | title }} {{ "ÀÉ" | lower }}
"""

WHITESPACE = [
    "a\n  {% if t %}\n  b\n  {% endif %}\nc\n", "a {% if t %} b {% endif %} c", "  {%+ if t %}\n x\n  {%- endif %}\n y",
    "{% if t -%}\n\n  x  \n{%- endif %}", "a\n\n{{- s -}}\n\nb", "a\n  {{ s }}\n  b\n", "x{# c #}\ny\n  {# d #}\n z",
    "a\r\nb\rc\n{% if t %}\r\nd\r\n{% endif %}\r\n", "\n\n{% set a = 1 %}\n\n{{ a }}\n\n", "  {% for i in l %}  {{ i }}  {% endfor %}  ",
    "\t {% if t %}\t\n\tq\n\t {% endif %}\n", "{% if t +%}\n x{% endif %}", "{%- if t %} x {%- endif -%} y", "a{%- raw -%} b {%- endraw -%} c",
    "a\n  {% raw %}\n b {{ }}\n  {% endraw %}\n c", "a {{ '%}' }} {{ '}}' }} b", "{{ {'a': {'b': 1}} }}", "{% if t %}{% endif %}\n\n",
    "\u00a0 {% if t %}x{% endif %}", "x\u2028  {% if t %}y{% endif %}", "", "\n", "plain", "a { b } { % c # }", "{{ s }}\n", "a\n\n",
    "{{- s }}", "{{ s -}}   \n z", "{#- x -#}  y", "  {#+ x #}y", "{% set x = '\n' %}a{{ x }}b",
]  # fmt: skip


def main() -> None:
    templates = [line for line in split(SNIPPETS) if line] + WHITESPACE
    cases = [{"template": template, "text": rendered(template, VARIABLES)} for template in templates]
    path = Path(__file__).with_name("snippets.json")
    content = {"date": DATE, "variables": VARIABLES, "cases": cases}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def split(text: str) -> list[str]:
    """One template a line; a line that leaves a string open goes on."""
    lines: list[str] = []
    for line in text.strip("\n").split("\n"):
        if lines and lines[-1].endswith('{{ "multi'):
            lines[-1] += "\n" + line
        else:
            lines.append(line)
    return lines


if __name__ == "__main__":
    main()
