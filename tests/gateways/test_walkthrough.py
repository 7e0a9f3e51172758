"""The section "Protect a service" of the main README: each command works as it stands there."""
import re
import shutil
import subprocess

import pytest

import gateways
import iamd

PASSWORD = "a password that quickstart printed"


def section(text, title):
    return re.search(rf"^## {title}\n(.*?)^## ", text, re.M | re.S)[1]


def blocks(text):
    return re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)


@pytest.mark.skipif(not shutil.which("nginx") or not shutil.which("jq"), reason="no nginx or no jq here")
def test_the_walk_through_of_the_readme_works_as_pasted(tmp_path):
    daemon = iamd.Daemon(tmp_path / "iamd", superuser_username="admin", superuser_password_hash=iamd.crypt_hash(PASSWORD)).start()
    readme = (gateways.ROOT / "README.md").read_text()
    run_it, protect = section(readme, "Run it"), section(readme, "Protect a service")
    (login,) = [b for b in blocks(run_it) if b.startswith("api=")]
    setting = "\n".join(line for line in login.splitlines() if re.match("api=|token=", line)).replace("…", PASSWORD)
    (call,) = re.findall(r"^call\(\) .*$", run_it, re.M)
    (walk,) = blocks(protect)
    (end,) = re.findall(r"^To end it: `(.*)`$", protect, re.M)
    tree = tmp_path / "tree"
    shutil.copytree(gateways.RECIPES, tree / "tools" / "gateways")
    ports = {"8101": daemon.address[1], "8080": iamd.free_port(), "8000": iamd.free_port()}
    script = "\n".join([setting, call, walk, end])
    for old, new in ports.items():
        gateways.replace(tree, [(f"127.0.0.1:{old}", f"127.0.0.1:{new}")])
        script = script.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}").replace(f"http.server {old} ", f"http.server {new} ")
    script = script.replace("/tmp/hello", str(tmp_path / "hello"))
    try:
        ran = subprocess.run(["bash", "-c", script], cwd=tree, capture_output=True, text=True, timeout=60,
                             stdin=subprocess.DEVNULL, check=False)
    finally:
        daemon.secrets.add(PASSWORD)
        daemon.stop()
    out = ran.stdout
    assert not re.search("curl:|error|No such file|not found", ran.stderr), ran.stderr
    assert "ERR_" not in out.replace("ERR_FORBIDDEN", ""), out
    first, second = (m.start() for m in re.finditer(r"^HTTP/1.1 \d+", out, re.M))
    assert out[:first] == "", "making things answers with nothing"
    assert out[first:].startswith("HTTP/1.1 200") and "Hello from the service" in out[first:second]
    assert out[second:].startswith("HTTP/1.1 403") and "X-Iam-Reason: no-grant" in out[second:]
    why = out[second:].split("\n{", 1)[1]
    assert '"allowed": false' in why and "alice has no full" in why and '"needed"' in why, why
