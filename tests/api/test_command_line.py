"""iamd as a command: options, the configuration file and its errors, the environment."""
import os
import re

import pytest

import iamd


def write(tmp_path, text):
    path = tmp_path / "iamd.conf"
    path.write_text(text if isinstance(text, str) else "")
    if isinstance(text, bytes):
        path.write_bytes(text)
    return str(path)


def check(tmp_path, text, env=None):
    return iamd.run("--config", write(tmp_path, text), "--check-config", env=env)


@pytest.mark.parametrize("text", [
    "", "# comment\n\n; another\n", "listen = 127.0.0.1:9\n", "listen=127.0.0.1:9", "  token_lifetime =  5d \n",
    "token_lifetime = 90m", "token_lifetime = 432000", "argon2_memory_kib = 8", "log_level = debug",
    "listen = [::1]:9, unix:/tmp/x.sock", "api_access = gateway\n", "cookie_secure = yes\n",
])
def test_a_good_configuration_is_found_good(tmp_path, text):
    done = check(tmp_path, text)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text, line, named", [
    ("nonsense = 1\n", 1, "nonsense"),
    ("# x\n\nlisen = 127.0.0.1:1\n", 3, "lisen"),
    ("\nargon2_opslimit = 0\n", 2, "argon2_opslimit"),
    ("argon2_opslimit = 101\n", 1, "argon2_opslimit"),
    ("argon2_opslimit = two\n", 1, "argon2_opslimit"),
    ("argon2_opslimit = 99999999999999999999\n", 1, "argon2_opslimit"),
    ("argon2_opslimit = \n", 1, "argon2_opslimit"),
    ("cookie_secure = maybe\n", 1, "cookie_secure"),
    ("api_access = open\n", 1, "api_access"),
    ("log_level = loud\n", 1, "log_level"),
    ("token_lifetime = 5x\n", 1, "token_lifetime"),
    ("token_lifetime = -5\n", 1, "token_lifetime"),
    ("token_lifetime = 1\n", 1, "token_lifetime"),
    ("signing_key_bits = 1024\n", 1, "signing_key_bits"),
    ("log_level = info\nlog_level = debug\n", 2, "log_level"),
    ("\n\njust words\n", 3, ""),
    ("superuser_username = " + "x" * 97 + "\n", 1, "superuser_username"),
])
def test_an_error_names_file_line_and_option(tmp_path, text, line, named):
    done = check(tmp_path, text)
    assert done.returncode != 0
    message = done.stderr.decode()
    assert re.search(rf"iamd\.conf:{line}\b", message), message
    assert named in message
    started = iamd.run("--config", str(tmp_path / "iamd.conf"))
    assert started.returncode != 0 and f"iamd.conf:{line}" in started.stderr.decode()


@pytest.mark.parametrize("text, named", [
    ("api_access = gateway\nlisten = 0.0.0.0:9\n", "listen"),
    ("api_access = gateway\nlisten = 127.0.0.1:9,192.0.2.1:9\n", "192.0.2.1"),
    ("api_access = gateway\nlisten = [::]:9\n", "listen"),
    ("tls_certificate_file = /tmp/x\n", "tls_key_file"),
    ("tls_key_file = /tmp/x\n", "tls_certificate_file"),
    ("superuser_username = x\n", "superuser_password_hash"),
    ("listen = 127.0.0.1\n", "listen"), ("listen = 127.0.0.1:99999\n", "listen"), ("listen = host.example:1\n", "listen"),
    ("listen = unix:\n", "listen"), ("trusted_proxies = 10.0.0.0/33\n", "trusted_proxies"),
    ("id_token_issuer = https://x/\n", "id_token_audience"),
])
def test_options_that_do_not_fit_are_refused(tmp_path, text, named):
    done = check(tmp_path, text)
    assert done.returncode != 0, done.stdout
    assert named in done.stderr.decode()


def test_gateway_mode_refuses_to_start_on_a_public_address(tmp_path):
    path = write(tmp_path, f"api_access = gateway\nlisten = 0.0.0.0:{iamd.free_port()}\nstate_dir = {tmp_path}/state\n")
    done = iamd.run("--config", path)
    assert done.returncode != 0
    assert b"gateway" in done.stderr and b"loopback" in done.stderr


def test_a_missing_configuration_file_is_named(tmp_path):
    done = iamd.run("--config", str(tmp_path / "none.conf"), "--check-config")
    assert done.returncode != 0 and b"none.conf" in done.stderr


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--config"], ["extra"], ["--check-config", "--nonsense"]])
def test_an_unknown_argument_is_refused(arguments):
    done = iamd.run(*arguments)
    assert done.returncode != 0 and done.stderr


def test_help_and_version_are_printed():
    assert b"--config" in iamd.run("--help").stdout
    assert re.search(rb"\d+\.\d+", iamd.run("--version").stdout)


def dump(*args, env=None):
    done = iamd.run(*args, "--dump-config", env=env)
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^(\w+) = ?(.*)$", done.stdout.decode(), re.M))


def test_the_dump_is_a_configuration_with_every_option(tmp_path):
    table = (iamd.ROOT / "iamd" / "config.def").read_text()
    names = re.findall(r"^OPT\(\w+,\s*(\w+),", table, re.M)
    first = dump()
    assert list(first) == names
    path = write(tmp_path, "".join(f"{k} = {v}\n" for k, v in first.items() if v))
    assert dump("--config", path) == first


def test_the_environment_overrides_the_file(tmp_path):
    path = write(tmp_path, "log_level = debug\ntoken_lifetime = 1h\n")
    options = dump("--config", path, env={"IAMD_LOG_LEVEL": "error"})
    assert (options["log_level"], options["token_lifetime"]) == ("error", "3600") or options["token_lifetime"] == "1h"
    bad = iamd.run("--config", path, "--check-config", env={"IAMD_LOG_LEVEL": "loud"})
    assert bad.returncode != 0 and b"IAMD_LOG_LEVEL" in bad.stderr


def test_the_dump_and_the_check_show_no_hash(tmp_path):
    secret = iamd.crypt_hash("x")
    path = write(tmp_path, f"superuser_username = root\nsuperuser_password_hash = {secret}\n")
    assert dump("--config", path)["superuser_password_hash"] == "********"
    for arguments in (["--dump-config"], ["--check-config"]):
        done = iamd.run("--config", path, *arguments)
        assert secret.encode() not in done.stdout + done.stderr
    bad = iamd.run("--config", write(tmp_path, f"superuser_password_hash = {'x' * 600}\n"), "--check-config")
    assert b"xxxxxxxxxx" not in bad.stdout + bad.stderr


def test_checking_starts_and_creates_nothing(tmp_path):
    done = check(tmp_path, f"state_dir = {tmp_path}/state\n")
    assert done.returncode == 0
    assert not os.path.exists(tmp_path / "state")


def test_an_address_in_use_is_named(new_daemon, tmp_path):
    daemon = new_daemon().start()
    path = write(tmp_path, f"listen = 127.0.0.1:{daemon.address[1]}\nstate_dir = {tmp_path}/other\n")
    done = iamd.run("--config", path)
    assert done.returncode != 0
    assert f"127.0.0.1:{daemon.address[1]}" in done.stderr.decode()


def test_a_second_iamd_on_one_state_directory_is_refused(new_daemon, tmp_path):
    daemon = new_daemon().start()
    path = write(tmp_path, f"listen = 127.0.0.1:{iamd.free_port()}\nstate_dir = {daemon.state_dir}\n")
    done = iamd.run("--config", path)
    assert done.returncode != 0
    assert daemon.superuser().get("/users").status == 200
