"""Reads dama.h (preprocessed, on standard input) and writes C tests that cover every declared function.

    declarations.py names    every function's name, one a line
    declarations.py options  every dama_…_init() of a struct with a struct_size sets it to the struct's size
    declarations.py hostile  every function with NULL, zero, huge and NaN arguments, each call in a child process

A function that is added to the header is covered without a change here.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple


class Function(NamedTuple):
    result: str
    name: str
    parameters: list[str]  # types; a function pointer is "callback"


def split_parameters(text: str) -> list[str]:
    """Splits at commas that are not inside parentheses."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]]]


def parameter_type(text: str) -> str:
    if "(*" in text.replace(" ", ""):
        return "callback"
    array = re.fullmatch(r"(.*?)(\w+)\s*\[[^\]]*\]", text)
    if array:
        return array[1].strip() + " *"
    match = re.fullmatch(r"(.*[\s*])\w+", text)
    if not match:
        raise SystemExit(f"cannot read the parameter '{text}'; give it a type and a name")
    return match[1].strip()


def functions(source: str) -> list[Function]:
    source = re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", lambda m: "", source)
    # Bodies of structs and enums may hold function pointers: only declarations outside braces count.
    while "{" in source:
        shorter = re.sub(r"\{[^{}]*\}", " ", source)
        if shorter == source:
            break
        source = shorter
    found = []
    for statement in source.split(";"):
        statement = " ".join(statement.split())
        match = re.fullmatch(r'(?:extern "C" )?(.*?[\s*])(dama_\w+) ?\((.*)\)', statement)
        if not match or statement.startswith("typedef"):
            continue
        parameters = [] if match[3].strip() in ("void", "") else [parameter_type(p) for p in split_parameters(match[3])]
        found.append(Function(match[1].strip(), match[2], parameters))
    return found


def initializers(declared: list[Function]) -> dict[str, str]:
    """For every struct with a dama_…_init(): the expression that initialises one at a pointer `p`."""
    found = {}
    for f in declared:
        kind = f.parameters[0].rstrip("* ") if f.parameters else ""
        if f.name.endswith("_init") and f.name == kind + "_init":
            found[kind] = f"{f.name}(p{''.join(', 0' for _ in f.parameters[1:])})"
            if f.result == "dama_status":
                found[kind] = f"CHECK({found[kind]} == DAMA_OK)"
    return found


def options_program(declared: list[Function], source: str) -> str:
    # A struct that never grows has no size; options always may.
    bodies = dict(re.findall(r"typedef struct (dama_\w+) \{([^{}]*)\}", source))
    sized = {kind for kind, body in bodies.items() if "struct_size" in body or kind.endswith("_options")}
    lines = [
        f"    {{ {kind} s, *p = &s; memset(p, 0xA5, sizeof s); {expression};\n"
        f"      CHECK(s.struct_size == sizeof s); CHECK(offsetof({kind}, struct_size) == 0); }}"
        for kind, expression in initializers(declared).items()
        if kind in sized
    ]
    body = "\n".join(lines)
    return f'#include <dama.h>\n#include "check.h"\n\nint main(void) {{\n{body}\n    return check_failures != 0;\n}}\n'


HOSTILE = r"""
#include <dama.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* What every pointer that is not NULL points to: zeros, so that a string is empty and a struct_size is wrong. */
static long long scratch[1 << 22];
static void *pointer(int null) { return null ? NULL : (void *)scratch; }
static const long long integers[] = {0, 1, 77, -1, LLONG_MAX, LLONG_MIN};
static const double reals[] = {0, -1, NAN, INFINITY, 1e300};
static int status_is_wrong(dama_status status) {
    return (int)status < 0 || (int)status > 8 || (status != DAMA_OK && dama_error_message()[0] == 0);
}

%(structs)s

/* Each calls one function; the result says whether it returned something it never should. Bit i of `null` makes the
   i-th parameter NULL; `n` and `x` are what its integers and its reals are. */
%(wrappers)s
static const struct { const char *name; int parameters; int (*call)(unsigned null, long long n, double x); } calls[] = {
%(table)s
};

int main(void) {
    int failures = 0, count = 0;
    const int functions = (int)(sizeof calls / sizeof *calls);
    for (int f = 0; f < functions; f++) {
        /* All NULL, none NULL, and each alone, for every integer and every real. */
        for (int p = -2; p < calls[f].parameters; p++) {
            unsigned null = p == -2 ? ~0u : p == -1 ? 0 : 1u << p;
            fflush(NULL);
            /* The library is loaded, but never called in the parent: a child may use it. */
            pid_t child = fork();
            if (child < 0) { perror("fork"); return 1; }
            if (child == 0) {
                alarm(60);
                int wrong = 0;
                for (unsigned n = 0; n < sizeof integers / sizeof *integers; n++)
                    for (unsigned x = 0; x < sizeof reals / sizeof *reals; x++) {
                        memset(scratch, 0, 1 << 16);
                        if (calls[f].call(null, integers[n], reals[x])) {
                            fprintf(stderr, "%%s(null %%x, integers %%lld, reals %%g): status without a message, or no "
                                    "status at all\n", calls[f].name, null, integers[n], reals[x]);
                            wrong = 1;
                        }
                    }
                _exit(wrong);
            }
            int status;
            if (waitpid(child, &status, 0) != child) { perror("waitpid"); return 1; }
            count++;
            if (status != 0) {
                failures++;
                if (WIFSIGNALED(status))
                    fprintf(stderr, "%%s: signal %%d with NULL for %%s%%d\n", calls[f].name, WTERMSIG(status),
                            p == -2 ? "everything " : p == -1 ? "nothing " : "parameter ", p);
            }
        }
    }
    printf("%%d functions, %%d sets of arguments\n", functions, count);
    return failures != 0;
}
"""


def hostile_program(declared: list[Function], source: str) -> str:
    # A handle is a struct without a body: only NULL can be passed for one that was never created.
    handles = set(re.findall(r"typedef struct (dama_\w+) \1\s*;", " ".join(source.split())))
    starts = initializers(declared)
    structs = [
        f"/* Initialised, its pointers NULL; or all zeros. */\n"
        f"static {kind} *some_{kind}(int null, long long n) {{\n"
        f"    static {kind} s; {kind} *p = &s;\n    if (null) return NULL;\n"
        f"    memset(p, 0, sizeof s);\n    if (n) {{ {expression}; }}\n    return p;\n}}"
        for kind, expression in starts.items()
    ]
    wrappers, table = [], []
    for f in declared:
        arguments = []
        for i, kind in enumerate(f.parameters):
            bare = kind.replace("const", "").replace("struct", "").strip()
            if kind == "callback" or (bare.count("*") == 1 and bare.rstrip("* ") in handles):
                arguments.append("NULL")
            elif bare.count("*") == 1 and bare.rstrip("* ") in starts:
                arguments.append(f"some_{bare.rstrip('* ')}(null >> {i} & 1, n)")
            elif "*" in kind:
                arguments.append(f"({kind})pointer(null >> {i} & 1)")
            elif bare in ("float", "double"):
                arguments.append(f"({bare})x")
            elif re.fullmatch(r"(u?int\d+_t|size_t|int|unsigned|long|char|_?[Bb]ool)", bare):
                arguments.append(f"({bare})n")
            elif re.search(rf"\}} {bare}|enum {bare}", source):
                arguments.append(f"({bare})n")  # an enum: values that it does not have
            else:
                arguments.append(f"({bare})0")  # a callback's type
        call = f"{f.name}({', '.join(arguments)})"
        if f.result == "dama_status":
            body = f"return status_is_wrong({call});"
        elif f.result == "void":
            body = f"{call}; return 0;"
        elif f.result.replace(" ", "") == "constchar*":
            body = f"const char *text = {call}; return text != NULL && strlen(text) > (1 << 20);"
        else:
            body = f"(void){call}; return 0;"
        wrappers.append(
            f"static int call_{f.name}(unsigned null, long long n, double x) {{\n"
            f"    (void)null; (void)n; (void)x; {body}\n}}"
        )
        table.append(f'    {{"{f.name}", {len(f.parameters)}, call_{f.name}}},')
    return HOSTILE % {"structs": "\n".join(structs), "wrappers": "\n".join(wrappers), "table": "\n".join(table)}


def main() -> None:
    source = sys.stdin.read()
    declared = functions(source)
    if not declared:
        raise SystemExit("no declaration found: is this dama.h after the preprocessor?")
    match sys.argv[1]:
        case "names":
            print("\n".join(sorted(f.name for f in declared)))
        case "options":
            print(options_program(declared, source))
        case "hostile":
            print(hostile_program(declared, source))


main()
