# SPDX-License-Identifier: MPL-2.0
"""What the style checks share: the C files of the tree, their text without
comments and strings, their functions.

The tokenizer knows just enough C for code that clang-format has formatted.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SKIPPED = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n\\]|\\\n|\\.)*', re.M)
TOKEN = re.compile(r'[A-Za-z_]\w*|\d[\w.]*|\S')
CONTROL = {"if", "for", "while", "switch"}


def files(*folders, ends=(".c", ".h")):
    """Paths below the root, sorted."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.relpath(os.path.join(where, n), ROOT)
                      for n in names if n.endswith(ends)]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def blank(match):
    """As many lines, nothing on them; strings stay strings."""
    text = match.group(0)
    return ('""' if text[0] == '"' else "0" if text[0] == "'" else " ") + \
        "\n" * text.count("\n")


def code_only(text, directives=False):
    """The text without comments, the contents of strings and, unless wanted,
    preprocessor directives; line numbers stay."""
    text = SKIPPED.sub(blank, text)
    return text if directives else DIRECTIVE.sub(blank, text)


class Function:
    def __init__(self, name, line, last, parameters, tokens):
        self.name, self.line, self.last = name, line, last
        self.parameters, self.tokens = parameters, tokens

    def lines(self):
        """Lines of code: constant tables inside are data."""
        words = [t for t, _ in self.tokens]
        total, i = self.last - self.line + 1, 0
        while i + 1 < len(words):
            if words[i:i + 2] == ["static", "const"]:
                while words[i] not in ("=", ";"):
                    i = close_of(self.tokens, i) if words[i] in "([{" else i
                    i += 1
                if words[i:i + 2] == ["=", "{"]:
                    end = close_of(self.tokens, i + 1)
                    total -= self.tokens[end][1] - self.tokens[i + 1][1]
                    i = end
            i += 1
        return total

    def nesting(self):
        """Most control structures inside one another; else-if is one."""
        return Nesting(self.tokens).deepest


def tokens_of(code):
    """[(token, line)]"""
    found, line, at = [], 1, 0
    for match in TOKEN.finditer(code):
        line += code.count("\n", at, match.start())
        at = match.start()
        found.append((match.group(0), line))
    return found


def close_of(tokens, i):
    """Index of the bracket that closes the one at i."""
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j][0] in "([{":
            depth += 1
        elif tokens[j][0] in ")]}":
            depth -= 1
            if depth == 0:
                return j
    return len(tokens) - 1


def parameters_of(tokens, opening):
    """How many things a function is given (doc/adr/0004): a pointer and the
    size_t after it are one; the struct err at the end and the arg that a
    callback gets back are none."""
    inner = [t for t, _ in tokens[opening + 1:close_of(tokens, opening)]]
    if not inner or inner == ["void"]:
        return 0
    depth, each = 0, [[]]
    for token in inner:
        depth += (token in "([{") - (token in ")]}")
        if token == "," and depth == 0:
            each.append([])
        else:
            each[-1].append(token)
    if each[-1][:3] == ["struct", "err", "*"]:
        each.pop()
    count, pointer = 0, False
    for words in each:
        if words == ["void", "*", "arg"]:
            continue
        length = words[0] == "size_t" and "*" not in words
        count += not (length and pointer)
        pointer = "*" in words or "[" in words
    return count


def functions(text):
    tokens = tokens_of(code_only(text))
    found, start, i = [], 0, 0
    while i < len(tokens):
        token = tokens[i][0]
        if token == "{":
            end = close_of(tokens, i)
            head = tokens[start:i]
            words = [t for t, _ in head]
            if words and words[-1] == ")" and "=" not in words:
                opening = words.index("(")
                found.append(Function(words[opening - 1], head[0][1],
                                      tokens[end][1],
                                      parameters_of(head, opening),
                                      tokens[i + 1:end]))
                start = end + 1
            i = end
        elif token == ";":
            start = i + 1
        i += 1
    return found


class Nesting:
    """Walks the statements of a function body."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.deepest = 0
        at = 0
        while at < len(tokens):
            at = self.statement(at, 0)

    def word(self, i):
        return self.tokens[i][0] if i < len(self.tokens) else ""

    def body(self, i, depth):
        self.deepest = max(self.deepest, depth)
        return self.statement(i, depth)

    def block(self, i, depth):
        end = close_of(self.tokens, i)
        i += 1
        while i < end:
            i = self.statement(i, depth)
        return end + 1

    def statement(self, i, depth):
        word = self.word(i)
        if word == "{":
            return self.block(i, depth)
        if word in CONTROL:
            i = self.body(close_of(self.tokens, i + 1) + 1, depth + 1)
            while word == "if" and self.word(i) == "else":
                i += 1
                if self.word(i) == "if":
                    i = close_of(self.tokens, i + 1) + 1
                i = self.body(i, depth + 1)
            return i
        if word == "do":
            return self.plain(self.body(i + 1, depth + 1))
        if word in ("case", "default") or self.word(i + 1) == ":":
            while self.word(i) != ":":
                i += 1
            return i + 1
        if self.word(i + 1) == "(":
            end = close_of(self.tokens, i + 1)
            if self.word(end + 1) == "{":    # a loop macro
                return self.body(end + 1, depth + 1)
        return self.plain(i)

    def plain(self, i):
        while i < len(self.tokens) and self.word(i) != ";":
            i = close_of(self.tokens, i) if self.word(i) in "([{" else i
            i += 1
        return i + 1


def finish(problems, warnings=()):
    """Prints and exits: 1 when there are problems."""
    for line in warnings:
        print("warning:", line)
    for line in problems:
        print(line)
    sys.exit(1 if problems else 0)
