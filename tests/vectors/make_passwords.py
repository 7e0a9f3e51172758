#!/usr/bin/python3
"""Writes passwords.json: published vectors, and what crypt(3) of this machine writes today."""
import crypt
import json

PUBLISHED = [
    # the reference implementation of argon2
    ("password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
    ("password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"),
    ("password", "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"),
    # crypt_blowfish
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
]
COSTLY = ["$6$rounds=656000$abcdefghijklmnop", "$5$rounds=535000$abcdefgh", "$y$jCT$abcdefghijkl"]
SETTINGS = ["$6$rounds=1000$a", "$6$abcdefgh", "$5$x", "$2b$04$abcdefghijklmnopqrstuu", "$2y$05$abcdefghijklmnopqrstuu", "$2a$06$abcdefghijklmnopqrstuu",
            "$y$j75$abcdefghijkl", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1"]

if __name__ == "__main__":
    rows = []
    for password, hashed in PUBLISHED:
        rows.append({"password": password, "hash": hashed})
    for setting in COSTLY + SETTINGS:
        for password in ("correct horse",) if setting in COSTLY else ("correct horse", "Zo\u00eb \u2713", ""):
            rows.append({"password": password, "hash": crypt.crypt(password, setting)})
    print(json.dumps(rows, indent=1))
