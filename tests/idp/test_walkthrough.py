"""The section "Connect your directory" of the main README: each command works as it stands there."""
import json
import re
import shutil
import socket
import subprocess

import pytest

import directories
import iamd

PASSWORD = "a password that quickstart printed"


def section(text, title):
    return re.search(rf"^## {title}\n(.*?)^## ", text, re.M | re.S)[1]


def blocks(text):
    return re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)


def free_pair():
    """A port whose next one is free as well."""
    while True:
        port = iamd.free_port()
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                pass


def documents(text):
    """The JSON documents and words of the output, in order."""
    decoder, found, text = json.JSONDecoder(), [], text.lstrip()
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    return found


@pytest.mark.skipif(bool(directories.Slapd.missing()) or not shutil.which("jq"), reason="no slapd or no jq here")
def test_the_walk_through_of_the_readme_works_as_pasted(tmp_path):
    daemon = iamd.Daemon(tmp_path / "iamd", superuser_username="admin", superuser_password_hash=iamd.crypt_hash(PASSWORD)).start()
    readme = (iamd.ROOT / "README.md").read_text()
    run_it, connect = section(readme, "Run it"), section(readme, "Connect your directory")
    (login,) = [b for b in blocks(run_it) if b.startswith("api=")]
    setting = "\n".join(line for line in login.splitlines() if re.match("api=|token=", line)).replace("…", PASSWORD)
    (call,) = re.findall(r"^call\(\) .*$", run_it, re.M)
    (walk,) = blocks(connect)
    (end,) = re.findall(r"^To end it: `(.*)`$", connect, re.M)
    script = "\n".join([setting, call, walk])
    for old, new in (("127.0.0.1:8101", "{}:{}".format(*daemon.address)), ("10389", str(free_pair())),
                     ("/tmp/slapd", str(tmp_path / "slapd"))):
        script, end = script.replace(old, new), end.replace(old, new)
    try:
        ran = subprocess.run(["bash", "-c", script], cwd=iamd.ROOT, capture_output=True, text=True, timeout=120,
                             stdin=subprocess.DEVNULL, check=False)
    finally:
        ended = subprocess.run(["bash", "-c", end], cwd=iamd.ROOT, capture_output=True, text=True, timeout=60, check=False)
        daemon.secrets.update((PASSWORD, "reader-password", "user-password"))
    assert ended.returncode == 0, ended.stderr
    assert not re.search("curl:|jq:|error|No such file|not found", ran.stderr), ran.stderr
    said = documents(ran.stdout)
    assert not any("ERR_" in json.dumps(d) for d in said), ran.stdout
    assert said[0]["code"] == "TEST_PASSED", "the configuration is stored without a word"
    assert (said[1]["uid"], said[1]["provider_type"], said[1]["is_remote"]) == ("user000001", "ldap", True)
    check_rest(said[2:])
    daemon.stop()


def check_rest(said):
    members, asked, would, done = said
    assert [m["user"]["uid"] for m in members["array"]] == [f"user{n:06}" for n in range(10)]
    assert asked["dry_run"] and would["dry_run"] and not done["dry_run"]
    assert would["state"] == "idle" and would["entries_read"] > 0 and would["changes"] == [], would
