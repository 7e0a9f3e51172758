"""The project's own lint: house.py ROOT prints FILE:LINE: RULE and exits 1 if any (house_selftest.py tests it)."""
import os
import re
import sys

# A file includes its own layer and lower ones. First match wins; tests may include everything.
LAYERS = [(r"include/iam/|libacl/", 0), (r"iamd/(embedded\.h|config\.def)$", 0), (r"iamd/sys/", 1),
          (r"iamd/store/", 2), (r"iamd/http/(server\w*|tls|call|exchange|life|listen|conn_watch)\.", 4), (r"iamd/http/", 2), (r"iamd/config\.h$", 3),
          (r"iamd/(authn|authz|idp|audit)/", 3), (r"iamd/api/", 4), (r"iamd/[^/]*$", 5), (r"tools/iamctl/", 0)]
STRANGERS = [("iamd/idp/", "iamd/store/"), ("iamd/store/", "iamd/idp/")]
# Third-party headers and the only files that may include them.
SOLE = [(r"microhttpd\.h", r"iamd/http/server\.c"), (r"sqlite3\.h", r"iamd/store/db_sqlite\.c"),
        (r"libpq-fe\.h", r"iamd/store/db_pg\.c"), (r"(open)?ldap\.h", r"iamd/idp/ldap_conn(|_inner|_search|_tls)\.[ch]"),
        (r"gnutls/.*", r"iamd/(http/tls|idp/ldap_tls_why)\.c"), (r"curl/curl\.h", r"iamd/sys/https\.c|tools/iamctl/client\.c"),
        (r"crypt\.h", r"iamd/authn/password\.c"), (r"yaml\.h", r"tools/iamctl/decl\.c"),
        (r"openssl/.*", r"iamd/(authn/(jose\w*|keyring)|idp/ldap_pem)\.c"),
        (r"(xmlsec|libxml)/.*", r"iamd/idp/saml_xml\.c"), (r"ini\.h", r"iamd/config\.c"),
        (r"(jansson|sodium)\.h", r"(iamd|tools)/.*"), (r"sanitizer/asan_interface\.h", r"libacl/pool\.c")]
LIBC = re.compile(r"(sys|netinet|arpa|net|linux)/\w+\.h|(assert|ctype|dirent|errno|fcntl|fnmatch|getopt|grp|ifaddrs|"
                  r"inttypes|iso646|limits|locale|malloc|math|netdb|poll|pthread|pwd|sched|semaphore|setjmp|signal|"
                  r"spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|"
                  r"syslog|termios|threads|time|unistd|wchar)\.h")
BANNED = re.compile(r"(?<![\w.>])(strcpy|stpcpy|strcat|strncat|v?sprintf|strncpy|strtok(?:_r)?|ato[ifl]|atoll|"
                    r"strto(?:u?ll?|d|f|ld)|gmtime|localtime|asctime|ctime|s?rand|random|system|popen|alloca|gets|"
                    r"mktemp|tmpnam)\s*\(")
SECRET_MEMSET = re.compile(r"\bmemset\s*\([^;]*(passw|secret|token|seed|priv|pem|hash)", re.I)
ATOMICS = re.compile(r"<stdatomic\.h>|\b_Atomic\b|\batomic_\w+|\b__(?:atomic|sync)_\w+")
ATOMICS_IN = re.compile(r"iamd/(authz/publish|sys/lane|sys/metrics)\.[ch]$")
FENCE = re.compile(r"\b(atomic_(?:thread|signal)_fence|__sync_synchronize|__atomic_thread_fence)\b")
SQL = re.compile(r"\b(SELECT\b.*\bFROM|INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|(?:CREATE|DROP|ALTER)"
                 r"\s+(?:UNIQUE\s+|VIRTUAL\s+|TEMP\s+)*(?:TABLE|INDEX|TRIGGER|VIEW))\b")
SQL_TX = re.compile(r"\"[^\"]*\b(PRAGMA|BEGIN IMMEDIATE|SAVEPOINT|ROLLBACK TO|VACUUM|FROM sqlite_schema)\b")
MACHINE = re.compile("|".join([r"\.\./" + "shared", "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/far" + "m/"]))
TOKEN = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
ROUTE = re.compile(r"\b(?:\w+_)?(GET|PUT|POST|PATCH|DELETE)\b\"?\s*,\s*\"(/[^\"]*)\"")
SKIP = re.compile(r"(^|/)(\.git|build[^/]*|var|__pycache__|\.pytest_cache|node_modules|corpus|regression)$")


def tree(root):
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not SKIP.search(n))
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name == ".git":  # of a work tree, where it is a file
                continue
            with open(path, "rb") as f:
                data = f.read()
            if b"\0" not in data:
                yield os.path.relpath(path, root), data.decode("utf-8", "replace")


def layer(path):
    return next((n for pattern, n in LAYERS if re.match(pattern, path)), 9)


def blank(text, strings):
    """The text without comments (and without what stands in strings), lines kept."""
    def cut(m):
        keep = m[0][0] in "\"'" and not strings
        return m[0] if keep else "\n" * m[0].count("\n") if m[0][0] == "/" else '""'
    return TOKEN.sub(cut, text)


def check_include(path, name, angle):
    if not angle and path.startswith("tests/"):
        return None
    if not angle:
        target = "include/" + name if name.startswith("iam/") else name
        if not re.match(r"(iam|iamd|libacl|tests|tools)/", name):
            return f'"{name}": include from the root of the tree'
        if layer(target) > layer(path):
            return f'"{name}": a layer above this file'
        if any(path.startswith(a) and target.startswith(b) for a, b in STRANGERS):
            return f'"{name}": idp and store do not know each other'
        return None
    for header, files in SOLE:
        if re.fullmatch(header, name):
            fine = path.startswith("tests/") or re.fullmatch(files, path)
            return None if fine else f"<{name}>: only in {files}"
    known = LIBC.fullmatch(name) or path.startswith("tests/")
    return None if known else f"<{name}>: unknown header; add it to house.py with the file that may include it"


def check_c(path, text):
    if path.endswith(".c") and not text.lstrip().startswith("/*"):
        yield 1, "a .c file opens with a comment: what it does, what it does not, its invariants"
    bare, coded = blank(text, True).split("\n"), blank(text, False).split("\n")
    for n, (line, with_strings) in enumerate(zip(bare, coded), 1):
        m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', with_strings)
        if m:
            problem = check_include(path, m[2], m[1] == "<")
            if problem:
                yield n, problem
        if path.startswith("tests/"):
            continue
        for m in BANNED.finditer(line):
            yield n, f"{m[1]}() is banned"
        if SECRET_MEMSET.search(line):
            yield n, "memset() on a secret: sodium_memzero()"
        if FENCE.search(line):
            yield n, "no fences: the thread sanitizer does not see them"
        if ATOMICS.search(with_strings) and not ATOMICS_IN.match(path):
            yield n, "atomics only in authz/publish, sys/lane and sys/metrics"
        if '"' in with_strings and not path.endswith("stmts.def"):
            driver = path == "iamd/store/db_sqlite.c" and SQL_TX.search(with_strings)
            if not driver and (SQL.search(with_strings) or SQL_TX.search(with_strings)):
                yield n, "SQL stands in iamd/store/stmts.def and schema/ only"
    if path.startswith("include/iam/"):
        for m in re.finditer(r"(?:^|\n\n)((?:(?!\n\n).)*?IAM_API(?:(?!\n\n).)*)", text, re.S):
            if "/*" not in m[1] and "define" not in m[1]:
                yield text[:m.start(1)].count("\n") + 1, "a public function without a contract above it"


def check_codes(files):
    used = "".join(t for p, t in files.items() if p.endswith(".c") and re.match(r"iamd/(?!http/problem)|libacl/(?!base/err)", p))
    for n, line in enumerate(files.get("include/iam/err.def", "").split("\n"), 1):
        m = re.match(r"X\((\w+),", line)
        if m and not re.search(rf"\bIAM_{m[1]}\b", used):
            yield "include/iam/err.def", n, f"no code returns IAM_{m[1]}"


def check_routes(files):
    table = files.get("iamd/api/routes.c", "")
    documented, path = set(), None
    for line in files.get("schema/openapi.yaml", "").split("\n"):
        path = m[1] if (m := re.match(r"  [\"']?(/[^:\"']*)[\"']?:", line)) else path if re.match(r"\s|$|#", line) else None
        if path and (m := re.match(r"    (get|put|post|patch|delete):", line)):
            documented.add((m[1].upper(), re.sub(r"\{\w+\}", "{}", path)))
    for m in ROUTE.finditer(table):
        if (m[1], re.sub(r"\{\w+\}|:\w+", "{}", m[2])) not in documented:
            yield "iamd/api/routes.c", table[:m.start()].count("\n") + 1, f"{m[1]} {m[2]} is not in schema/openapi.yaml"


def check(root):
    files = dict(tree(root))
    found = [*check_codes(files), *check_routes(files)]
    for path, text in files.items():
        if re.search(r"\.(c|h|def)$|\.h\.in$", path):
            found += [(path, n, rule) for n, rule in check_c(path, text)]
        found += [(path, n, "a path of one machine") for n, line in enumerate(text.split("\n"), 1) if MACHINE.search(line)]
    return sorted(found)


if __name__ == "__main__":
    problems = check(sys.argv[1])
    for where, at, rule in problems:
        print(f"{where}:{at}: {rule}")
    sys.exit(1 if problems else 0)
