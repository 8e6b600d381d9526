"""Reads dama.h (preprocessed, on standard input) and writes C tests that cover every declared function.

    declarations.py names    every function's name, one a line
    declarations.py options  every dama_…_init() of a struct with a struct_size sets it to the struct's size
    declarations.py sizes    first_sizes.txt lists each of those structs, and none is smaller than there
    declarations.py sized    every function and the structs with a struct_size that it takes, for sized.c to cover
    declarations.py rules    deviations of the header from the order of parameters and the types in dama/base.h
    declarations.py hostile  every function with NULL, zero, huge and NaN arguments, each call in a child process

A new function of the header is covered without a change here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import abi_header  # noqa: E402
from abi_header import Function, Header  # noqa: E402


def initializers(declared: list[Function]) -> dict[str, str]:
    """For every struct with a dama_…_init(): the expression that initialises one at a pointer `p`."""
    found = {}
    for f in declared:
        kind = f.parameters[0].rstrip("* ") if f.parameters else ""
        # If the struct may grow, dama_…_init() is a macro over dama_…_init_sized().
        if f.name in (kind + "_init", kind + "_init_sized"):
            others = f.parameters[2 if f.name.endswith("_sized") else 1 :]
            found[kind] = f"{kind}_init(p{''.join(', 0' for _ in others)})"
    return found


def sized_structs(header: Header) -> set[str]:
    """The structs that may grow."""
    return {kind for kind, fields in header.structs.items() if any(field.name == "struct_size" for field in fields)}


def first_sizes(path: Path) -> dict[str, tuple[int, str]]:
    lines = (line.split() for line in path.read_text().splitlines() if not line.startswith("#"))
    return {kind: (int(size), last) for kind, size, last in lines}


def sizes_program(header: Header) -> str:
    """A program that fails if a struct is smaller than its line in first_sizes.txt, or the line does not match it."""
    known = first_sizes(Path(__file__).with_name("first_sizes.txt"))
    differing = sorted(known.keys() ^ sized_structs(header))
    if differing:
        raise SystemExit(f"first_sizes.txt and the header differ in {', '.join(differing)}")
    checks = "\n".join(
        f"    CHECK(sizeof({kind}) >= {size}); CHECK(offsetof({kind}, struct_size) == 0);\n"
        # Padding after the last field would hide a new field, which would not change the size.
        f"    CHECK(offsetof({kind}, {last}) + sizeof((({kind} *)0)->{last}) == {size});"
        for kind, (size, last) in known.items()
    )
    return f'#include <dama.h>\n#include "check.h"\n\nint main(void) {{\n{checks}\n    return check_failures != 0;\n}}\n'


def sized_parameters(header: Header) -> list[str]:
    structs = sized_structs(header)
    return [
        f"{f.name} {bare}"
        for f in header.functions
        if not f.name.endswith("_init_sized")
        for kind in f.parameters
        if (bare := kind.replace("const", "").strip("* ")) in structs
    ]


def options_program(header: Header) -> str:
    # A struct that never grows has no struct_size. Options may always grow.
    sized = sized_structs(header) | {kind for kind in header.structs if kind.endswith("_options")}
    lines = [
        f"    {{ {kind} s, *p = &s; memset(p, 0xA5, sizeof s); {expression};\n"
        f"      CHECK(s.struct_size == sizeof s); CHECK(offsetof({kind}, struct_size) == 0); }}"
        for kind, expression in initializers(header.functions).items()
        if kind in sized
    ]
    body = "\n".join(lines)
    return f'#include <dama.h>\n#include "check.h"\n\nint main(void) {{\n{body}\n    return check_failures != 0;\n}}\n'


#: What a parameter is, in the order of dama/base.h.
MADE, ASKED, INPUT, OPTIONS, RESULT, CANCELLATION = range(6)


def role(header: Header, kind: str, name: str) -> int:
    bare = kind.replace("const", "").replace(" ", "")
    if bare == "dama_cancellation*" and "const" in kind:
        return CANCELLATION
    if bare.rstrip("*") in header.handles and bare.endswith("*"):
        return MADE if bare.endswith("**") else ASKED
    if bare.endswith("*") and "const" in kind:
        return OPTIONS if name == "options" else INPUT
    if bare.endswith("*") or name == "capacity":
        return RESULT
    return OPTIONS if name == "threads" else INPUT


def broken_rules(header: Header) -> list[str]:
    found = []
    for f in header.functions:
        if f.name.endswith("_init_sized"):
            continue
        roles = [role(header, argument.type, argument.name) for argument in f.arguments]
        # Only the first handle is the one that is used; a later handle is an input.
        roles = [INPUT if it == ASKED and {ASKED, INPUT} & set(roles[:i]) else it for i, it in enumerate(roles)]
        if roles != sorted(roles):
            found.append(f"{f.name}: parameters out of order: {', '.join(a.name for a in f.arguments)}")
        if any(argument.type == "int" for argument in f.arguments):
            found.append(f"{f.name}: an int; booleans are int32_t")
    for kind, fields in header.structs.items():
        for field, next_field in zip(fields, fields[1:]):
            if field.type.replace(" ", "") == "constchar*const*" and not next_field.name.endswith("_count"):
                found.append(f"{kind}.{field.name}: its count does not follow it")
        found += [f"{kind}.{field.name}: an int; booleans are int32_t" for field in fields if field.type == "int"]
    return found


HOSTILE = r"""
#include <dama.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The target of every pointer that is not NULL: zeros, so a string is empty and a struct_size is wrong. */
static long long scratch[1 << 22];
static void *pointer(int null) { return null ? NULL : (void *)scratch; }
static const long long integers[] = {0, 1, 77, -1, LLONG_MAX, LLONG_MIN};
static const double reals[] = {0, -1, NAN, INFINITY, 1e300};
static int status_is_wrong(dama_status status) {
    return (int)status < 0 || (int)status > %(last_status)d || (status != DAMA_OK && dama_error_message()[0] == 0);
}

%(structs)s

/* Each calls one function, and returns whether its result is one that it must never return. Bit i of `null` makes the
   i-th parameter NULL; `n` and `x` are the values of its integers and reals. */
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


def hostile_program(header: Header) -> str:
    # Only NULL can be passed for a handle that was never created.
    handles = set(header.handles)
    starts = initializers(header.functions)
    structs = [
        f"/* Initialised, with NULL pointers; or all zeros. */\n"
        f"static {kind} *some_{kind}(int null, long long n) {{\n"
        # Room after it, for an initialiser with a size that the struct does not have.
        f"    static union {{ {kind} s; char room[8192]; }} all; {kind} *p = &all.s;\n    if (null) return NULL;\n"
        f"    memset(&all, 0, sizeof all);\n    if (n) {{ {expression}; }}\n    return p;\n}}"
        for kind, expression in starts.items()
    ]
    wrappers, table = [], []
    for f in header.functions:
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
            elif bare in header.enums:
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
    return HOSTILE % {
        "last_status": max(header.enums["dama_status"].values()),
        "structs": "\n".join(structs),
        "wrappers": "\n".join(wrappers),
        "table": "\n".join(table),
    }


def main() -> None:
    header = abi_header.read(sys.stdin.read())
    if not header.functions:
        raise SystemExit("no declaration found: is this dama.h after the preprocessor?")
    match sys.argv[1]:
        case "names":
            print("\n".join(sorted(f.name for f in header.functions)))
        case "options":
            print(options_program(header))
        case "sizes":
            print(sizes_program(header))
        case "sized":
            print("\n".join(sorted(sized_parameters(header))))
        case "rules":
            if broken := broken_rules(header):
                raise SystemExit("\n".join(broken))
        case "hostile":
            print(hostile_program(header))


main()
