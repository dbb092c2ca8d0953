#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""generate.py INTERFACE HEAD SYMBOLS LAYOUT OUTPUT.h OUTPUT.c OUTPUT.map: the typed functions of libmcumgr.

INTERFACE is io.mcumgr.varlink, HEAD the page of conventions that begins the header, SYMBOLS the hand-written symbols, LAYOUT the
places of all members (layout.py)."""

import re
import sys

sys.dont_write_bytecode = True  # the source may be read-only
import idl  # noqa: E402

# Words that a C or C++ program cannot have as a member get an underscore.
KEYWORDS = set("""auto bool case catch char class const default delete double else enum explicit export false float for friend
goto if inline int long namespace new operator private protected public register return short signed sizeof static struct switch
template this throw true try typedef typename union unsigned using virtual void volatile while""".split())
SIZE, OBJECT = "size_t size;", "json_object *object;"  # how structs of arguments and of replies begin
COMMON = ["device", "timeoutMs", "lease"]  # first in every struct of arguments, so that a method's own are last


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def comment(lines, indent=""):
    """Lines of the interface's comment as one of C's."""
    if not lines:
        return []
    first, *rest = [line.replace("*/", "* /") for line in lines]
    out = [f"{indent}/* {first}"] + [f"{indent} * {line}".rstrip() for line in rest]
    return out[:-1] + [out[-1] + " */"]


class Struct:
    """One C struct and the rows of its fields."""

    def __init__(self, tag, fields, owner, begins):
        self.tag, self.fields, self.owner, self.begins = tag, fields, owner, begins
        self.is_args = begins == SIZE
        self.reserved = KEYWORDS | {"size" if begins == SIZE else "object"}
        names = [self.member(name) for name, _ in fields]
        assert len(set(names)) == len(names), f"{tag}: two members of one name"

    def member(self, name):
        word = snake(name)
        return word + "_" if word in self.reserved else word

    def enum(self, name):
        return f"mcumgr_{snake(self.owner)}_{snake(name)}"

    def c_type(self, name, t):
        """The declarator of a member: 'const char *' or 'int64_t '."""
        plain = {"string": "const char *", "bytes": "struct mcumgr_bytes ", "object": "json_object *", "int": "int64_t ",
                 "bool": "bool "}
        if t.values:
            return f"enum {self.enum(name)} "
        if t.name in plain:
            if t.nullable and not t.shape and t.name in ("int", "bool"):
                return f"struct mcumgr_{t.name} "
            return plain[t.name]
        assert t.name and t.name != "float", f"{self.tag}.{name}: no C type for this"
        return f"const struct mcumgr_{snake(t.name)} *"

    def declarations(self):
        yield self.begins
        for name, t in self.fields:
            c, m = self.c_type(name, t), self.member(name)
            pointer = c.endswith("*") or t.shape
            note = "" if not t.nullable else " /* optional */" if self.is_args else " /* or NULL */" if pointer else ""
            if t.shape:
                assert t.name not in ("bytes", "bool", "object", "") or not t.shape, f"{self.tag}.{name}: no such arrays"
                item = c.strip() if not c.endswith("*") else c
                yield f"size_t n_{m};"
                if t.shape == "map":
                    yield f"const char *const *{m}_names;"
                yield (f"{item}const *{m};" if item.endswith("*") else f"const {item} *{m};") + note
            else:
                yield f"{c}{m};{note}"

    def row(self, name, t):
        kind = "ENUM" if t.values else {"string": "STRING", "bytes": "BYTES", "object": "OBJECT", "int": "INT",
                                        "bool": "BOOL"}.get(t.name, "STRUCT")
        m, tag = self.member(name), f"struct {self.tag}"
        parts = [f'"{name}"', f"TYPED_{kind}"]
        if t.shape:
            parts += [f".shape = TYPED_{t.shape.upper()}", f".count = offsetof({tag}, n_{m})"]
        if t.shape == "map":
            parts.append(f".names = offsetof({tag}, {m}_names)")
        if t.nullable:
            parts.append(".nullable = true")
        parts.append(f".offset = offsetof({tag}, {m})")
        if kind == "STRUCT":
            parts.append(f".type = &type_mcumgr_{snake(t.name)}")
        if kind == "ENUM":
            parts.append(f".words = words_{self.enum(name)}")
        return "\t{ " + ", ".join(parts) + " },"

    def enums(self):
        for name, t in self.fields:
            if t.values:
                yield self.enum(name), t.values

    def header(self):
        return [f"struct {self.tag} {{"] + [f"\t{line}" for line in self.declarations()] + ["};"]

    def table(self):
        rows = [self.row(name, t) for name, t in self.fields]
        return [f"static const struct typed_field fields_{self.tag}[] = {{", *rows, "\t{ NULL },", "};"]


class Method:
    def __init__(self, member):
        self.member, self.word = member, snake(member.name)
        self.name = f"mcumgr_{self.word}"
        common = [f for c in COMMON for f in member.fields if f[0] == c]
        own = [f for f in member.fields if f[0] not in COMMON]
        for name, t in own:
            assert not (t.shape and t.name not in ("string", "int")), f"{member.name}.{name}: no such arguments"
            assert t.name in ("string", "bytes", "object", "int", "bool", ""), f"{member.name}.{name}: no such arguments"
        self.args = Struct(f"{self.name}_args", common + own, member.name, SIZE)
        self.reply = Struct(f"{self.name}_reply", member.reply, member.name, OBJECT)
        self.stream = bool(member.streams)
        self.single = member.streams != "requires"

    def functions(self):
        """(name, declaration)"""
        args, reply = f"const struct {self.args.tag} *args", f"struct {self.reply.tag}"
        if self.single:
            yield self.name, (f"int {self.name}(struct mcumgr *m, {args}, {reply} **ret_reply,\n"
                              f"\tstruct mcumgr_error **ret_error)")
        if self.stream:
            yield f"{self.name}_stream", (f"int {self.name}_stream(struct mcumgr *m, {args}, {self.name}_func func,\n"
                                          f"\tvoid *user, struct mcumgr_error **ret_error)")
        if self.single:
            yield f"{self.name}_reply_free", f"void {self.name}_reply_free({reply} *reply)"

    def header(self):
        lines = comment(self.member.comment) + self.args.header() + self.reply.header()
        if self.stream:
            lines.append(f"typedef int (*{self.name}_func)(struct mcumgr *m, const struct {self.reply.tag} *reply, void *user);")
        return lines + [declaration + ";" for _, declaration in self.functions()]

    def code(self):
        lines = [*self.args.table(), *self.reply.table(),
                 f"static const struct typed_method method_{self.word} = {{",
                 f'\t"{self.member.name}",',
                 f"\t{{ sizeof(struct {self.args.tag}), fields_{self.args.tag} }},",
                 f"\t{{ sizeof(struct {self.reply.tag}), fields_{self.reply.tag} }},",
                 f"\t{'false' if self.single else 'true'},", "};", ""]
        bodies = {self.name: f"CALL_BODY({self.word})", f"{self.name}_stream": f"STREAM_BODY({self.word})",
                  f"{self.name}_reply_free": "typed_free(reply);"}
        if self.stream:
            lines += [f"STREAM_CALLBACK({self.word})", ""]
        for name, declaration in self.functions():
            lines += [declaration, "{", f"\t{bodies[name]}", "}", ""]
        return lines


def enum_lines(tag, values):
    upper = tag.upper()
    return [f"enum {tag} {{", f"\t{upper}_OTHER, /* absent, or a word that this library does not know */",
            *[f"\t{upper}_{snake(v).upper()}," for v in values], "};", f"const char *{tag}_name(enum {tag} value);"]


def enum_code(tag, values):
    words = ", ".join(f'"{v}"' for v in values)
    return [f"static const char *const words_{tag}[] = {{ NULL, {words}, NULL }};", "",
            f"const char *{tag}_name(enum {tag} value)", "{",
            f"\treturn typed_word(words_{tag}, {len(values) + 1}, (int)value);", "}", ""]


# Of org.varlink.service: (name, what it is, its field)
VARLINK_ERRORS = [("InvalidParameter", "An argument is not what it must be: `parameter` names it.", "parameter"),
                  ("MethodNotFound", "The daemon is older than the method.", "method"),
                  ("ExpectedMore", "The method answers only as a stream.", None)]


def read_layout(text):
    """{'struct mcumgr_x' or 'enum mcumgr_x': [members]}"""
    layout = {}
    for line in text.splitlines():
        if line.startswith("\t"):
            layout[name].append(line[1:])
        elif line and not line.startswith("#"):
            name = line
            layout[name] = []
    return layout


def error_struct(errors, layout):
    """All fields of all errors in one struct; each may be absent. Errors stand by topic in the interface, and their fields in
    each of them: it is the layout that keeps the order."""
    merged = {name: idl.Type(True, "", "string") for _, _, name in VARLINK_ERRORS if name}
    for e in errors:
        for name, t in e.fields:
            known = merged.setdefault(name, idl.Type(True, t.shape, t.name, t.fields, t.values))
            assert (known.shape, known.name) == (t.shape, t.name), f"{e.name}.{name} is of another type in another error"
    info = Struct("mcumgr_error_info", list(merged.items()), "ErrorInfo", OBJECT + "\n\tenum mcumgr_error_code code;")
    places = [re.search(r"\w+(?=;)", line).group() for line in layout.get(f"struct {info.tag}", [])]
    info.fields.sort(key=lambda f: places.index(info.member(f[0])) if info.member(f[0]) in places else len(places))
    return info


class Api:
    def __init__(self, text, layout=None):
        self.interface, _, members = idl.read(text)
        self.types = [(m, Struct(f"mcumgr_{snake(m.name)}", m.fields, m.name, OBJECT))
                      for m in members if m.kind == "type"]
        self.methods = [Method(m) for m in members if m.kind == "method"]
        codes = (layout or {}).get("enum mcumgr_error_code", [])
        self.errors = sorted((m for m in members if m.kind == "error"),
                             key=lambda m: codes.index(m.name) if m.name in codes else len(codes))
        self.info = error_struct(self.errors, layout or {})
        structs = [s for _, s in self.types] + [s for m in self.methods for s in (m.args, m.reply)] + [self.info]
        self.enums = [e for s in structs for e in s.enums()]
        tags = [tag for tag, _ in self.enums]
        assert len(set(tags)) == len(tags), "two enumerations of one name"

    def functions(self):
        names = [name for m in self.methods for name, _ in m.functions()] + [f"{tag}_name" for tag, _ in self.enums]
        return names + ["mcumgr_error_code", "mcumgr_error_info", "mcumgr_error_info_free"]

    def error_codes(self):
        return ["enum mcumgr_error_code {", "\tMCUMGR_ERROR_OTHER, /* what this library does not know */",
                *[line for name, text, _ in VARLINK_ERRORS
                  for line in [f"\t/* {text} */", f"\tMCUMGR_ERROR_{snake(name).upper()},"]],
                *[line for e in self.errors
                  for line in [*comment(e.comment, "\t"), f"\tMCUMGR_ERROR_{snake(e.name).upper()},"]], "};"]

    def header(self, head):
        blocks = [head.rstrip("\n").split("\n")]
        blocks.append(["/* ---- errors ---- */"])
        blocks.append(self.error_codes())
        blocks.append(["/* What an error says, as a struct; every field may be absent. */"] + self.info.header())
        blocks.append(["/* Of no error at all (NULL) the code is OTHER, and there is no information: -EINVAL. */",
                       "enum mcumgr_error_code mcumgr_error_code(const struct mcumgr_error *error);",
                       "int mcumgr_error_info(const struct mcumgr_error *error, struct mcumgr_error_info **ret);",
                       "void mcumgr_error_info_free(struct mcumgr_error_info *info);"])
        blocks.append(["/* ---- enumerations ---- */"])
        blocks += [enum_lines(*e) for e in self.enums]
        blocks.append(["/* ---- types ---- */"])
        blocks.append([f"struct {s.tag};" for _, s in self.types])
        blocks += [comment(m.comment) + s.header() for m, s in self.types]
        blocks.append(["/* ---- methods ---- */"])
        blocks += [m.header() for m in self.methods]
        blocks.append(["#ifdef __cplusplus", "}", "#endif"])
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    def code(self):
        lines = ["/* SPDX-License-Identifier: MIT */", "/* Generated from io.mcumgr.varlink by libclient/api/generate.py. */",
                 '#include "libclient/api/body.h"', ""]
        for e in self.enums:
            lines += enum_code(*e)
        for _, s in self.types:
            lines.append(f"static const struct typed_struct type_{s.tag};")
        lines.append("")
        for _, s in self.types:
            lines += [*s.table(), f"static const struct typed_struct type_{s.tag} = {{ sizeof(struct {s.tag}), fields_{s.tag} }};", ""]
        for m in self.methods:
            lines += m.code()
        names = ", ".join([f'"org.varlink.service.{name}"' for name, *_ in VARLINK_ERRORS] + [f'"{e.name}"' for e in self.errors])
        lines += [*self.info.table(), f"static const char *const error_names[] = {{ {names} }};", "", "ERROR_FUNCTIONS", ""]
        return "\n".join(lines)

    def symbols(self, base):
        return base.replace("local:", "".join(f"\t{name};\n" for name in self.functions()) + "local:")


def main(interface, head, symbols, layout, header_out, code_out, map_out):
    def text(path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    api = Api(text(interface), read_layout(text(layout)))
    for path, content in ((header_out, api.header(text(head))), (code_out, api.code()), (map_out, api.symbols(text(symbols)))):
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
