"""house.py finds each planted violation, once and by its rule, and nothing in the clean files."""
import os
import sys
import tempfile

import house

PLANTED = {  # file: (text, words of the report); None: must be clean
    "libacl/a.c": ('/* a */\n#include <jansson.h>\n', "<jansson.h>: only in"),
    "libacl/b.c": ('/* b */\n#include "iamd/sys/log.h"\n', "a layer above"),
    "iamd/sys/c.c": ('/* c */\n#include "iamd/store/store.h"\n', "a layer above"),
    "iamd/authn/d.c": ('/* d */\n#include <microhttpd.h>\n', "only in iamd/http/server"),
    "iamd/authz/d2.c": ('/* d */\n#include <curious.h>\n', "unknown header"),
    "iamd/http/req.c": ('/* e */\n#include "iamd/http/server.h"\n', "a layer above"),
    "iamd/idp/f.c": ('/* f */\n#include "iamd/store/store.h"\n', "do not know each other"),
    "iamd/store/g.c": ('/* g */\nchar *s = "SELECT a FROM b";\n', "SQL stands in"),
    "iamd/api/h.c": ('/* h */\nvoid f(void)\n{\n\tstrcpy(a, b);\n}\n', "strcpy() is banned"),
    "iamd/api/i.c": ('int a;\n', "opens with a comment"),
    "iamd/api/j.c": ('/* j */\n_Atomic int a;\n', "atomics only"),
    "iamd/sys/lane.c": ('/* k */\nvoid f(void) { atomic_thread_fence(x); }\n', "no fences"),
    "iamd/api/l.c": ('/* l */\nvoid f(void) { memset(password, 0, 3); }\n', "on a secret"),
    "iamd/api/m.c": ('/* m */\n#include "users.h"\n', "from the root"),
    "include/iam/n.h": ('/* n */\n\nIAM_API int n(void);\n', "without a contract"),
    "include/iam/err.def": ('X(ODD, "odd")\n', "no code returns IAM_ODD"),
    "iamd/api/routes.c": ('/* r */\nr = { HTTP_GET, "/users/{uid}", 1 };\n', "is not in schema"),
    "o.md": ("see /wo" + "rk/main\n", "one machine"),
    "iamd/api/p.c": ('/* strcpy(a) SELECT a FROM b */\n#include "iamd/config.h"\nchar *s = "system(x)";\n', None),
    "iamd/store/stmts.def": ('STMT(A, "SELECT a FROM b")\n', None),
}


def self_test():
    bad = []
    with tempfile.TemporaryDirectory() as root:
        for path, (text, _) in PLANTED.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        found = house.check(root)
    for path, (_, words) in PLANTED.items():
        rules = [rule for p, _, rule in found if p == path]
        if (len(rules) != 0) if words is None else not (len(rules) == 1 and words in rules[0]):
            bad.append((path, words, rules))
    return bad


if __name__ == "__main__":
    problems = self_test()
    for path, words, rules in problems:
        print(f"{path}: expected {words!r}, got {rules}")
    print(f"{len(PLANTED)} planted files, {len(problems)} wrong")
    sys.exit(1 if problems else 0)
