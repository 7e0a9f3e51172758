#!/usr/bin/python3
"""Fills a provisioned Samba AD database before samba starts: samba_populate.py SMB_CONF USERS BIG

README.md lists the entries. Users of no test of their own have no password: setting one takes long.
"""
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

PASSWORD, READER_PASSWORD = "User-passw0rd", "Reader-passw0rd"
SECOND = 10 ** 7  # AD counts 100 ns
DAY = 86400 * SECOND  # Samba takes less for "never"
IN_2020 = "132223104000000000"
SET_BY_HAND = "local_oid:1.3.6.1.4.1.7165.4.3.20:0"  # Samba's own: pwdLastSet may be written
HALF_AN_HOUR = str(-1800 * SECOND)
NORMAL, DISABLED, NO_PASSWORD_NEEDED = 512, 2, 32
UNIVERSAL_SECURITY, GLOBAL_DISTRIBUTION = str(0x80000008 - 2 ** 32), "2"
DEPTH = 12


class Domain:
    def __init__(self, conf):
        parameters = LoadParm()
        parameters.load(conf)
        self.db = SamDB(session_info=system_session(parameters), lp=parameters)
        self.base = str(self.db.domain_dn())

    def modify(self, dn, flag=ldb.FLAG_MOD_REPLACE, controls=(), **values):
        message = ldb.Message(ldb.Dn(self.db, dn))
        for name, value in values.items():
            message[name] = ldb.MessageElement(value if isinstance(value, list) else [value], flag, name)
        self.db.modify(message, controls=list(controls))

    def add(self, dn, **values):
        self.db.add({**values, "dn": dn})
        return dn

    def user(self, name, unit="People", cn=None, password=PASSWORD, **more):
        dn = f"CN={cn or name},OU={unit},{self.base}"
        values = {"objectClass": "user", "sAMAccountName": name, "userPrincipalName": f"{name}@example.test",
                  "displayName": f"User {name}", "mail": f"{name}@example.test",
                  "userAccountControl": str(NORMAL | NO_PASSWORD_NEEDED)}
        values.update(more)
        self.add(dn, **values)
        if password:
            self.db.setpassword(f"(sAMAccountName={ldb.binary_encode(name)})", password)
            self.modify(dn, userAccountControl=str(NORMAL))
        return dn

    def group(self, name, members=(), cn=None, **more):
        values = {"objectClass": "group", "sAMAccountName": name, **more}
        if members:
            values["member"] = list(members)
        return self.add(f"CN={cn or name},OU=Groups,{self.base}", **values)


def states(domain):
    domain.modify(domain.user("disabled"), userAccountControl=str(NORMAL | DISABLED))
    domain.modify(domain.user("accountexpired"), accountExpires=IN_2020)
    domain.modify(domain.user("mustchange"), pwdLastSet="0")
    domain.user("locked")  # samba.sh locks it by wrong passwords
    domain.user("lockme")
    old = domain.user("passwordexpired")
    domain.add(f"CN=short,CN=Password Settings Container,CN=System,{domain.base}", **{
        "objectClass": "msDS-PasswordSettings", "msDS-PasswordSettingsPrecedence": "1",
        "msDS-PasswordReversibleEncryptionEnabled": "FALSE", "msDS-PasswordHistoryLength": "0",
        "msDS-PasswordComplexityEnabled": "FALSE", "msDS-MinimumPasswordLength": "1",
        "msDS-MinimumPasswordAge": "0", "msDS-MaximumPasswordAge": str(-2 * DAY), "msDS-LockoutThreshold": "0",
        "msDS-LockoutObservationWindow": HALF_AN_HOUR, "msDS-LockoutDuration": HALF_AN_HOUR,
        "msDS-PSOAppliesTo": old})
    domain.modify(old, controls=[SET_BY_HAND], pwdLastSet=IN_2020)


def odd_users(domain):
    """Names that are hard in a DN, in a filter, or no id of ours."""
    domain.user("altupn", userPrincipalName="alternative.name@corp.example")
    domain.user("jmueller", cn="Jörg Müller")
    domain.user("jörg.müller", userPrincipalName="joerg.mueller@example.test")
    domain.user("with space", userPrincipalName="with.space@example.test")
    domain.user("paren(x)", userPrincipalName="paren.x@example.test")
    for name, cn in (("comma", "Smith\\, John"), ("plus", "a\\+b\\=c"), ("hash", "\\#hash"),
                     ("quote", 'quote\\"d'), ("backslash", "back\\\\slash"), ("star", "star*paren(x)")):
        domain.user(name, cn=cn)
    for name in ("twin1", "twin2"):  # one mail for both
        domain.user(name, mail="twin@example.test")


def groups(domain, users):
    below = domain.group("deep-00", users[:2])
    for level in range(1, DEPTH):
        below = domain.group(f"deep-{level:02d}", [below, users[level % len(users)]])
    a = domain.group("cycle-a", users[:1])
    b = domain.group("cycle-b", [a])
    c = domain.group("cycle-c", [b, users[1]])
    domain.modify(a, ldb.FLAG_MOD_ADD, member=c)
    domain.group("distribution", users[:2], groupType=GLOBAL_DISTRIBUTION)
    domain.group("universal", users[5:7], groupType=UNIVERSAL_SECURITY)
    contact = domain.add(f"CN=A Contact,OU=People,{domain.base}", objectClass="contact", mail="contact@example.test")
    computer = domain.add(f"CN=PC1,CN=Computers,{domain.base}", objectClass="computer", sAMAccountName="PC1$",
                          userAccountControl="4096")
    domain.group("not-users", [contact, computer, users[0]])
    domain.group("group with comma", users[:2], cn="Group\\, with comma")
    domain.group("größe", users[:2])
    domain.group("empty")


def main():
    conf, count, big = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    domain = Domain(conf)
    domain.db.transaction_start()
    try:
        domain.modify(domain.base, lockoutThreshold="3", lockoutDuration=HALF_AN_HOUR,
                      lockOutObservationWindow=HALF_AN_HOUR, maxPwdAge="0")
        for unit in ("People", "Groups", "Services", "Many"):
            domain.add(f"OU={unit},{domain.base}", objectClass="organizationalUnit")
        domain.user("reader", unit="Services", password=READER_PASSWORD)
        users = [domain.user(f"user{i:06d}", uidNumber=str(10000 + i), gidNumber="10000") for i in range(count)]
        states(domain)
        odd_users(domain)
        groups(domain, users)
        domain.group("big", [domain.user(f"many{i:05d}", unit="Many", password=None) for i in range(big)])
    except BaseException:
        domain.db.transaction_cancel()
        raise
    domain.db.transaction_commit()


if __name__ == "__main__":
    main()
