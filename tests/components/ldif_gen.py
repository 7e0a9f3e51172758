#!/usr/bin/python3
"""Writes test entries as LDIF, the same for the same arguments. README.md lists them.

  ldif_gen.py [--users 20] [--groups 5] [--base DN] [--memberof] [--special [--openldap | --ds389]]
  ldif_gen.py --large --users 100000 --groups 10000

Plain: userNNNNNN below ou=people (password user-password), and of each kind of group N with ten users.
--memberof writes what the overlay would: a bulk load runs none.
--special adds the hard cases; the states of passwords are written each server's own way.
--large writes users, groups that are members of each other ten by ten, and one group of all users.
"""
import argparse
import base64
import hashlib
import sys

PASSWORD, READER_PASSWORD = "user-password", "reader-password"
MEMBERS = 10  # users of a group
PERSON = ("inetOrgPerson", "posixAccount")
UNITS = ("people", "groups", "ugroups", "pgroups", "bisgroups", "services", "branch")
DEPTH = 12  # of the chain of nested groups


def line(name, value):
    raw = value.encode()
    if raw and raw[0] not in b" :<" and raw[-1:] != b" " and all(31 < c < 127 for c in raw):
        return f"{name}: {value}\n"
    return f"{name}:: {base64.b64encode(raw).decode()}\n"


def ssha(password, salt=b"saltsalt"):
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def escaped(value):
    """As a value in a DN (RFC 4514 section 2.4)."""
    out = "".join("\\" + c if c in ',+"\\<>;=' else c for c in value)
    if out[:1] in ("#", " "):
        out = "\\" + out
    if out.endswith(" ") and not out.endswith("\\ "):
        out = out[:-1] + "\\ "
    return out


HASH = ssha(PASSWORD)


class Tree:
    """Entries in the order they were added, parents first."""

    def __init__(self, base, memberof):
        self.base = base
        self.memberof = memberof
        self.entries = {}  # dn -> [(name, value)]
        self.numbers = 0

    def add(self, dn, classes, *values):
        self.entries[dn] = [("objectClass", c) for c in classes] + list(values)
        return dn

    def dn(self, uid, unit="people"):
        return f"uid={escaped(uid)},ou={unit},{self.base}"

    def group_dn(self, name, unit="groups"):
        return f"cn={escaped(name)},ou={unit},{self.base}"

    def unit(self, name):
        self.add(f"ou={name},{self.base}", ["organizationalUnit"], ("ou", name))

    def user(self, uid, *more, unit="people", cn=None, mail=None, password=True):
        number, self.numbers = self.numbers, self.numbers + 1
        cn = cn or f"User {uid}"
        values = [("uid", uid), ("cn", cn), ("sn", cn.split()[-1]), ("displayName", cn),
                  ("uidNumber", str(10000 + number)), ("gidNumber", "10000"), ("homeDirectory", "/nowhere")]
        if mail != "":
            values.append(("mail", mail or f"user{number:06d}@example.test"))
        if password:
            values.append(("userPassword", HASH))
        return self.add(self.dn(uid, unit), PERSON, *values, *more)

    def group(self, name, members, unit="groups", classes=("groupOfNames",), attribute="member", more=()):
        values = [("cn", name), ("description", f"The group {name}"), *more]
        return self.add(self.group_dn(name, unit), classes, *values, *((attribute, m) for m in members))

    def set_memberof(self):
        for dn, values in list(self.entries.items()):
            for name, value in values:
                if name in ("member", "uniqueMember") and value in self.entries:
                    self.entries[value].append(("memberOf", dn))

    def write(self, out):
        if self.memberof:
            self.set_memberof()
        for dn, values in self.entries.items():
            out.write(line("dn", dn) + "".join(line(n, v) for n, v in values) + "\n")


def plain(tree, users, groups):
    names = [f"user{i:06d}" for i in range(users)]
    for name in names:
        tree.user(name)
    for g in range(groups):
        some = sorted({names[(g * MEMBERS + j) % users] for j in range(MEMBERS)}) if users else []
        dns = [tree.dn(n) for n in some] or [tree.base]
        tree.group(f"group{g:04d}", dns)
        tree.group(f"ugroup{g:04d}", dns, "ugroups", ["groupOfUniqueNames"], "uniqueMember")
        tree.group(f"pgroup{g:04d}", some, "pgroups", ["namedObject", "posixGroup"], "memberUid",
                   [("gidNumber", str(20000 + g))])
        tree.group(f"bisgroup{g:04d}", dns, "bisgroups", ["groupOfNames", "posixGroup"], "member",
                   [("gidNumber", str(40000 + g))])


def odd_users(tree):
    for uid in ("jörg.müller", "smith, john", "a+b=c", "#hash", "star*paren(x)", "back\\slash", 'quote"d',
                "semi;<>", "with space", "emoji😀", "x" * 200):
        tree.user(uid)
    tree.user("MixedCase")
    tree.user("multi", ("mail", "second@example.test"), ("cn", "Alias Name"))
    tree.user("nomail", mail="")
    tree.user("nopassword", password=False)
    tree.user("twin")
    tree.user("twin", unit="branch")
    tree.add(f"cn=printer,ou=services,{tree.base}", ["device"], ("cn", "printer"))


def odd_groups(tree, users):
    below = tree.group("deep-00", [tree.dn("multi"), tree.dn("nomail")])
    for level in range(1, DEPTH):
        below = tree.group(f"deep-{level:02d}", [below, tree.dn(f"user{level % max(users, 1):06d}")])
    tree.group("cycle-a", [tree.group_dn("cycle-b"), tree.dn("multi")])
    tree.group("cycle-b", [tree.group_dn("cycle-c"), tree.dn("nomail")])
    tree.group("cycle-c", [tree.group_dn("cycle-a"), tree.group_dn("cycle-c")])
    tree.group("dangling", [tree.dn("does-not-exist"), tree.group_dn("gone"), tree.dn("multi")])
    tree.group("not-users", [f"cn=printer,ou=services,{tree.base}", f"ou=people,{tree.base}", tree.dn("multi")])
    tree.group("odd-users", [dn for dn in tree.entries if dn.startswith("uid=") and ",ou=people," in dn
                             and not dn.startswith("uid=user0")])
    tree.group("everyone", [tree.dn(f"user{i:06d}") for i in range(users)] or [tree.base])
    for name in ("Group, with comma", "group/with:signs", "größe", "g" * 200):
        tree.group(name, [tree.dn("smith, john"), tree.dn("multi")])
    posix = ["namedObject", "posixGroup"]
    tree.group("posix-odd", ["multi", "does-not-exist", "smith, john"], "pgroups", posix, "memberUid",
               [("gidNumber", "30001")])
    tree.group("posix-empty", [], "pgroups", posix, "memberUid", [("gidNumber", "30002")])


def openldap_states(tree):
    """Of the ppolicy overlay; its operational attributes go in by a bulk load only."""
    tree.unit("policies")

    def policy(name, *values):
        dn = f"cn={name},ou=policies,{tree.base}"
        tree.add(dn, ["applicationProcess", "pwdPolicy"], ("cn", name), ("pwdAttribute", "userPassword"),
                 ("pwdLockout", "TRUE"), ("pwdMaxFailure", "3"), ("pwdLockoutDuration", "0"), *values)
        return ("pwdPolicySubentry", dn)

    policy("default")
    aging = policy("aging", ("pwdMaxAge", "86400"), ("pwdMustChange", "TRUE"))
    grace = policy("grace", ("pwdMaxAge", "86400"), ("pwdGraceAuthNLimit", "1000"))
    warn = policy("warn", ("pwdMaxAge", "1576800000"), ("pwdExpireWarning", "1576799999"))
    old = ("pwdChangedTime", "20200101000000Z")
    tree.user("locked", ("pwdAccountLockedTime", "000001010000Z"))
    tree.user("expired", old, aging)
    tree.user("grace", old, grace)
    tree.user("mustchange", ("pwdReset", "TRUE"), aging)
    tree.user("expiring", ("pwdChangedTime", "20250101000000Z"), warn)
    tree.user("lockme")


def ds389_states(tree):
    """ds389.sh does the rest once the server runs."""
    tree.user("disabled", ("nsAccountLock", "true"))
    for uid in ("locked", "expired", "mustchange", "lockme"):
        tree.user(uid)


def ipa(tree):
    """As FreeIPA lays a directory out."""
    below = f"cn=accounts,{tree.base}"
    users = [f"uid=ipa{i:02d},cn=users,{below}" for i in range(5)]
    for name, dn in (("accounts", below), ("users", f"cn=users,{below}"), ("groups", f"cn=groups,{below}")):
        tree.add(dn, ["nsContainer"], ("cn", name))
    for i, dn in enumerate(users):
        uid = f"ipa{i:02d}"
        tree.add(dn, [*PERSON, "inetUser", "krbPrincipalAux", "ipaObject"], ("uid", uid), ("cn", f"Ipa {uid}"),
                 ("sn", uid), ("uidNumber", str(50000 + i)), ("gidNumber", str(50000 + i)), ("homeDirectory", "/nowhere"),
                 ("krbPrincipalName", f"{uid}@EXAMPLE.TEST"), ("mail", f"{uid}@example.test"),
                 ("ipaUniqueID", f"8f4f2b1e-0000-11ee-8000-{i:012x}"), ("userPassword", HASH))

    def group(name, members, posix):
        return tree.add(f"cn={name},cn=groups,{below}", ["groupOfNames", "nestedGroup", "ipaUserGroup", "ipaObject"]
                        + (["posixGroup"] if posix else []), ("cn", name),
                        *([("gidNumber", str(60000 + len(members)))] if posix else []),
                        ("ipaUniqueID", f"8f4f2b1e-1111-11ee-8000-{len(tree.entries):012x}"),
                        *(("member", m) for m in members))

    editors = group("editors", users[1:3], False)
    staff = group("staff", [editors, users[0]], True)
    group("ipausers", [staff, users[4]], False)


def large(users, groups, base, out):
    """Straight to the output: entries are too many to keep."""
    for i in range(users):
        out.write(f"dn: uid=user{i:06d},ou=people,{base}\nobjectClass: inetOrgPerson\nuid: user{i:06d}\n"
                  f"cn: User {i}\nsn: {i}\nmail: user{i:06d}@example.test\nuserPassword: {HASH}\n\n")
    for g in range(groups):
        below = range(g * MEMBERS + 1, min(g * MEMBERS + MEMBERS + 1, groups))
        members = [f"uid=user{(g * MEMBERS + j) % users:06d},ou=people," for j in range(MEMBERS)]
        members += [f"cn=group{b:05d},ou=groups," for b in below]
        out.write(f"dn: cn=group{g:05d},ou=groups,{base}\nobjectClass: groupOfNames\ncn: group{g:05d}\n"
                  + "".join(f"member: {m}{base}\n" for m in dict.fromkeys(members)) + "\n")
    out.write(f"dn: cn=everyone,ou=groups,{base}\nobjectClass: groupOfNames\ncn: everyone\n")
    out.writelines(f"member: uid=user{i:06d},ou=people,{base}\n" for i in range(users))
    out.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--base", default="dc=example,dc=test")
    for flag in ("memberof", "special", "openldap", "ds389", "large"):
        parser.add_argument("--" + flag, action="store_true")
    given = parser.parse_args()
    tree = Tree(given.base, given.memberof)
    if not given.ds389:  # there the suffix has its own access rules
        tree.add(given.base, ["dcObject", "organization"], ("o", "Example"), ("dc", given.base.split(",")[0][3:]))
    for name in UNITS:
        tree.unit(name)
    tree.add(f"cn=reader,ou=services,{given.base}", ["applicationProcess", "simpleSecurityObject"],
             ("cn", "reader"), ("userPassword", ssha(READER_PASSWORD)))
    if given.large:
        tree.write(sys.stdout)
        large(given.users, given.groups, given.base, sys.stdout)
        return
    plain(tree, given.users, given.groups)
    if given.special:
        odd_users(tree)
        odd_groups(tree, given.users)
        if given.openldap:
            openldap_states(tree)
        if given.ds389:
            ds389_states(tree)
            ipa(tree)
    tree.write(sys.stdout)


if __name__ == "__main__":
    main()
