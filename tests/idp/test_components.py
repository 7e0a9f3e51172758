"""The directories of tests/components are what the other tests take them for."""
import pathlib
import signal
import socket
import time

import pytest

import directories

KINDS = ["slapd", "ds389", "samba"]


@pytest.fixture(params=KINDS)
def directory(request):
    return request.getfixturevalue(request.param)


def reader(directory, **how):
    return directory.bind(directory.bind_dn, directory.bind_password, **how)


# -- all of them


def test_the_reader_binds_with_starttls_and_ldaps(directory):
    assert reader(directory).code == 0
    assert reader(directory, url=directory.ldaps_url).code == 0


def test_a_wrong_password_is_refused(directory):
    assert directory.bind(directory.users["user000001"], "wrong").code == 49


@pytest.mark.parametrize("name", ["user000000", "lockme"])
def test_a_user_binds(directory, name):
    assert directory.bind(directory.users[name], directory.user_password).code == 0


def test_no_certificate_but_of_our_authority_is_taken(directory, ca):
    assert reader(directory, ca=ca.other_ca).code != 0


def test_the_reader_reads_users_and_not_their_passwords(directory):
    done = directory.client("ldapsearch", "-LLL", "-D", directory.bind_dn, "-w", directory.bind_password,
                            "-b", directory.user_base, f"({directory.login}=user000000)")
    assert "mail: user000000@example.test" in done.stdout
    assert "userPassword" not in done.stdout


def test_nobody_reads_without_a_bind(directory):
    done = directory.client("ldapsearch", "-LLL", "-b", directory.user_base, "mail")
    assert "user000000@" not in done.stdout and done.returncode != 0


def test_nesting_is_twelve_deep(directory):
    groups = directory.groups
    for level in range(1, 12):
        assert groups[f"deep-{level - 1:02d}"].lower() in map(str.lower, directory.members(f"deep-{level:02d}"))
    assert "deep-12" not in groups


def test_groups_go_round_in_a_circle(directory):
    members = {name: directory.members(f"cycle-{name}") for name in "abc"}
    assert all(any(f"cycle-{n}" in m for m in members[g]) for g, n in
               (("acb" if directory.kind() == "samba" else "abc")[i:i + 2] for i in range(2)))
    assert any("cycle-" in m for m in members["c" if directory.kind() != "samba" else "b"])


def test_a_member_is_no_user(directory):
    members = directory.members("not-users")
    users = {dn.lower() for dn in directory.users.values()}
    assert sum(m.lower() in users for m in members) == 1
    assert len(members) == 3


def test_iamd_takes_the_configuration_of_each(directory, admin):
    answer = admin.put("/ldap/config", directory.config())
    assert answer.status == 200, answer
    stored = admin.get("/ldap/config").json()
    assert (stored["host"], stored["port"], stored["lookup-password"]) == (directory.host, directory.port, "********")


def test_a_stopped_directory_comes_back_as_it_was(new_slapd):
    directory = new_slapd()
    before = directory.users
    directory.stop()
    with pytest.raises(OSError):
        socket.create_connection(directory.address, 1)
    directory.start()
    assert directory.users == before


# -- slapd


@pytest.mark.parametrize("name, code, said", [
    ("locked", 49, "Account locked"), ("expired", 49, "Password expired"), ("grace", 0, "grace logins remain"),
    ("mustchange", 0, "Password must be changed"), ("expiring", 0, "Password expires in"),
])
def test_states_of_slapd(slapd, name, code, said):
    bound = slapd.bind(slapd.users[name], slapd.user_password)
    assert bound.code == code and said in bound.text, bound


def test_three_wrong_passwords_lock_at_slapd(new_slapd):
    directory = new_slapd()
    dn = directory.users["lockme"]
    for _ in range(3):
        directory.bind(dn, "wrong")
    bound = directory.bind(dn, directory.user_password)
    assert bound.code == 49 and "Account locked" in bound.text


def test_kinds_of_groups_of_slapd(slapd):
    user = slapd.users["user000000"]
    assert user in slapd.members("group0000") and user in slapd.members("bisgroup0000")
    assert user in slapd.members("ugroup0000", "uniqueMember")
    assert "user000000" in slapd.members("pgroup0000", "memberUid")
    classes = slapd.search("(cn=bisgroup0000)")["cn=bisgroup0000,ou=bisgroups,dc=example,dc=test"]["objectClass"]
    assert {"groupOfNames", "posixGroup"} <= set(classes)
    assert slapd.members("posix-empty", "memberUid") == []


def test_members_that_are_not_there(slapd):
    dns = set(slapd.search("(objectClass=*)", attributes=["1.1"]))
    assert len([m for m in slapd.members("dangling") if m not in dns]) == 2


def test_hard_names_of_slapd_bind(slapd):
    names = [n for n in slapd.users if not n.startswith("user") and not n.isalpha()]
    assert len(names) >= 10 and "smith, john" in names and "x" * 200 in slapd.users
    for name in names:
        assert slapd.bind(slapd.users[name], slapd.user_password).code == 0, name


def test_two_entries_have_one_uid(slapd):
    assert len(slapd.search("(uid=twin)")) == 2


def test_paging_brings_more_than_a_plain_search(new_slapd):
    directory = new_slapd("--users", "600", "--sizelimit", "100")
    args = ("-LLL", "-D", directory.bind_dn, "-w", directory.bind_password, "-b", directory.user_base, "(uid=user*)", "1.1")
    plain = directory.client("ldapsearch", *args)
    paged = directory.client("ldapsearch", "-E", "pr=100/noprompt", *args)
    assert (plain.returncode, plain.stdout.count("dn: ")) == (4, 100)
    assert (paged.returncode, paged.stdout.count("dn: ")) == (0, 600)


def test_content_synchronisation_is_offered(slapd):
    done = slapd.client("ldapsearch", "-D", slapd.bind_dn, "-w", slapd.bind_password, "-b", slapd.base,
                        "-E", "!sync=ro", "(uid=multi)", "1.1")
    assert done.returncode == 0 and "SyncDone" in done.stdout, done


def test_without_tls_nothing_where_tls_is_required(new_slapd):
    assert reader(new_slapd("--require-tls"), tls=False).code == 13


def test_anybody_reads_where_that_is_allowed(new_slapd):
    directory = new_slapd("--anonymous")
    assert "user000000@" in directory.client("ldapsearch", "-LLL", "-b", directory.user_base, "mail").stdout


@pytest.mark.parametrize("certificate", ["wronghost", "expired", "untrusted"])
def test_bad_certificates_are_seen_by_clients(new_slapd, certificate):
    directory = new_slapd("--server-cert", certificate)
    assert reader(directory).code != 0
    assert reader(directory, tls=False).code == 0


def test_a_client_certificate_is_demanded(new_slapd, ca):
    directory = new_slapd("--client-cert", "demand")
    assert reader(directory, url=directory.ldaps_url).code != 0
    done = directories.run("ldapwhoami", "-Y", "EXTERNAL", "-H", directory.url, "-ZZ", env={
        "LDAPTLS_CACERT": str(ca.ca), "LDAPTLS_CERT": str(ca.certificate("client")),
        "LDAPTLS_KEY": str(ca.key("client"))})
    assert "cn=reader,ou=services" in done.stdout, done


# -- 389-ds


@pytest.mark.parametrize("name, code, said", [
    ("locked", 19, "Exceed password retry limit"), ("expired", 49, "password expired!"),
    ("disabled", 53, "Account inactivated"), ("mustchange", 0, "2.16.840.1.113730.3.4.4"),
])
def test_states_of_389(ds389, name, code, said):
    bound = bound_of_whoami(ds389, name)
    assert bound.code == code and said in bound.text, bound


def bound_of_whoami(directory, name):
    """ldapsearch shows no control of the bind that succeeded."""
    return directories.Bound(directory.client("ldapwhoami", "-D", directory.users[name], "-w",
                                              directory.user_password, "-e", "ppolicy"))


def test_freeipa_like_entries(ds389):
    below = f"cn=accounts,{ds389.base}"
    user = ds389.search("(uid=ipa01)", below, ["*", "memberOf", "entryUUID", "nsUniqueId"])
    values = user[f"uid=ipa01,cn=users,{below}"]
    assert len(values["memberOf"]) == 3, "memberOf goes through nested groups"
    assert values["ipaUniqueID"] and values["entryUUID"] and values["nsUniqueId"]
    assert f"cn=editors,cn=groups,{below}" in ds389.members("staff")


# -- Samba


@pytest.mark.parametrize("name, data", [
    ("disabled", "533"), ("accountexpired", "701"), ("passwordexpired", "532"), ("mustchange", "773"),
    ("locked", "775"),
])
def test_states_of_samba(samba, name, data):
    bound = samba.bind(samba.users[name], samba.user_password)
    assert bound.code == 49 and f"data {data}," in bound.text, bound


@pytest.mark.parametrize("name", ["user000000@example.test", "EXAMPLE\\user000000",
                                  "alternative.name@corp.example", "altupn@example.test"])
def test_names_a_domain_takes_for_a_bind(samba, name):
    assert samba.bind(name, samba.user_password).code == 0


def test_no_simple_bind_without_tls_at_samba(samba):
    assert reader(samba, tls=False).code == 8


def test_big_has_two_thousand_users(samba):
    members = samba.members("big")
    assert len(members) == 2000
    assert len(samba.search("(objectClass=user)", "OU=Many," + samba.base, ["1.1"])) == 2000


def test_members_come_in_ranges_when_asked_for(samba):
    done = samba.client("ldapsearch", "-LLL", "-D", samba.bind_dn, "-w", samba.bind_password, "-b",
                        samba.groups["big"], "-s", "base", "(objectClass=*)", "member;range=1900-*")
    assert done.stdout.count("member;range=1900-*: ") == 100


def test_the_rule_in_chain_finds_nested_members(samba):
    chain = f"(&(objectClass=user)(memberOf:1.2.840.113556.1.4.1941:={samba.groups['deep-11']}))"
    assert len(samba.search(chain, attributes=["1.1"])) == 12


def test_two_users_share_a_mail(samba):
    assert len(samba.search("(mail=twin@example.test)")) == 2


def test_hard_names_of_samba_bind(samba):
    names = ["comma", "plus", "hash", "quote", "backslash", "star", "jmueller", "jörg.müller", "with space", "paren(x)"]
    for name in names:
        assert samba.bind(samba.users[name], samba.user_password).code == 0, name


# -- the network


def url(relay):
    return f"ldap://127.0.0.1:{relay.port}"


def asked(directory, relay, seconds=20):
    """The code of a bind through the relay; None when no answer came in time."""
    try:
        done = directories.run("ldapwhoami", "-x", "-H", url(relay), "-D", directory.bind_dn, "-w",
                               directory.bind_password, timeout=seconds)
    except directories.subprocess.TimeoutExpired:
        return None
    return directories.Bound(done).code


@pytest.mark.parametrize("fault, code", [
    (("hang",), None), (("drop_up",), None), (("drop_down",), None), (("refuse",), -1), (("reset",), -1),
    (("cut_after", 5), -1), (("corrupt", 0), -2), (("latency", 0.05), 0), (("rate", 200), 0),
])
def test_faults_and_their_end(slapd, proxy, fault, code):
    relay = proxy(slapd)
    assert asked(slapd, relay) == 0
    name, *value = fault
    getattr(relay, name)(*value)
    seen = asked(slapd, relay, 2 if code is None else 20)
    assert seen == code or (code == -2 and seen not in (0,)), seen
    relay.heal()
    assert asked(slapd, relay) == 0


def test_a_kept_connection_is_killed_once(slapd, proxy):
    relay = proxy(slapd)
    with socket.create_connection((relay.host, relay.port), 5) as sock:
        sock.settimeout(5)
        deadline = time.monotonic() + 5
        while relay.open != 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        relay.kill()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert (asked(slapd, relay), relay.accepted) == (0, 2)


# -- what is left behind


def test_nothing_is_left_running(ca):
    directory = directories.Slapd(ca)
    directory.start()
    pid = directory.pid
    directory.close()
    stat = pathlib.Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rsplit(") ", 1)[1][0] == "Z"
    assert not directory.folder.exists()


def test_a_pid_of_somebody_else_is_left_alone(ca):
    directory = directories.Slapd(ca)
    with directories.subprocess.Popen(["sleep", "60"]) as other:
        (directory.folder / "slapd.pid").write_text(f"{other.pid} 1\n")
        directory.close()
        assert other.poll() is None
        other.send_signal(signal.SIGTERM)
