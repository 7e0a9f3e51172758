"""Signals, sockets, and the service manager."""
import json
import os
import shutil
import signal
import socket
import threading
import time

import pytest

import certificates
import iamd
import wire

SLOW_HASH = {"argon2_opslimit": 4, "argon2_memory_kib": 65536}  # some 200 ms a login


def login_bytes():
    body = json.dumps({"uid": iamd.SUPERUSER, "password": iamd.SUPERUSER_PASSWORD}).encode()
    return wire.request_bytes("POST", wire.API + "/auth/login", [("Content-Type", "application/json")], body)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_daemon_at_once_with_status_0(new_daemon, number):
    daemon = new_daemon().start()
    began = time.monotonic()
    daemon.signal(number)
    assert daemon.process.wait(10) == 0
    assert time.monotonic() - began < 5


def test_sigterm_lets_running_requests_finish(new_daemon):
    daemon = new_daemon(**SLOW_HASH).start()
    daemon.login()  # replaces the crypt(3) hash by a slow one
    iamd.wait_until(lambda: daemon.sql("SELECT password_hash FROM users")[0][0].startswith("$argon2id$"), what="rehash")
    connections = [wire.Connection(daemon.address) for _ in range(4)]
    for c in connections:
        c.send(login_bytes())
    time.sleep(0.1)
    daemon.signal(signal.SIGTERM)
    statuses = [getattr(c.receive(), "status", None) for c in connections]
    assert statuses == [200] * 4
    assert daemon.process.wait(15) == 0


def test_sigterm_waits_for_nobody_who_is_slow(new_daemon):
    daemon = new_daemon(drain_timeout=1).start()
    idle = wire.Connection(daemon.address)
    assert idle.ask(wire.request_bytes("GET", wire.API + "/auth/jwks")).status == 200
    half = wire.Connection(daemon.address)
    half.send(login_bytes()[:-5])
    headless = wire.Connection(daemon.address)
    headless.send(b"GET /acs/api")
    time.sleep(0.1)
    began = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(15) == 0
    assert time.monotonic() - began < 6
    assert idle.is_closed() and headless.is_closed()


def test_a_draining_daemon_takes_no_new_connection(new_daemon):
    daemon = new_daemon(drain_timeout=3).start()
    half = wire.Connection(daemon.address)
    half.send(login_bytes()[:-5])
    time.sleep(0.1)
    daemon.signal(signal.SIGTERM)
    time.sleep(0.3)
    if daemon.running():
        try:
            with wire.Connection(daemon.address, timeout=2) as c:
                answer = c.ask(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answer is None or answer.status == 503
        except OSError:
            pass
    assert daemon.process.wait(15) == 0


def test_a_restart_binds_the_same_port_at_once(new_daemon):
    daemon = new_daemon().start()
    with wire.Connection(daemon.address) as c:
        c.ask(wire.request_bytes("GET", wire.API + "/auth/jwks"))
        for _ in range(3):
            daemon.restart()


# -- reload

def reload(daemon, **options):
    daemon.options.update(options)
    daemon.write_config()
    daemon.signal(signal.SIGHUP)


def test_sighup_takes_over_what_is_reloadable(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    assert admin.put("/users/a", {"password": "123456"}).status == 400
    reload(daemon, password_min_length=6)
    iamd.wait_until(lambda: admin.put("/users/a", {"password": "123456"}).status in (201, 409), what="reload")


def test_sighup_says_what_needs_a_restart(new_daemon):
    daemon = new_daemon().start()
    reload(daemon, connection_limit=100)
    daemon.wait_for_log("connection_limit")
    assert daemon.superuser().get("/users").status == 200


def test_sighup_with_a_broken_file_changes_nothing(new_daemon):
    daemon = new_daemon().start()
    admin = daemon.superuser()
    reload(daemon, nonsense=1, password_min_length=1)
    daemon.wait_for_log("nonsense")
    assert admin.put("/users/a", {"password": "123456"}).status == 400
    assert admin.get("/users").status == 200


def test_a_sighup_that_fails_half_way_switches_nothing(new_daemon):
    daemon = new_daemon(trusted_proxies="10.9.9.9").start()
    reload(daemon, trusted_proxies="127.0.0.1", access_log="/nonexistent/log")
    daemon.wait_for_log("reload_failed")
    daemon.client().post("/auth/login", {"uid": "x", "password": "not it"},
                         headers=[("X-Forwarded-For", "203.0.113.9")])
    daemon.wait_for_log("action=password-login")
    assert "203.0.113.9" not in daemon.log()


def test_tls_is_not_switched_on_by_sighup(new_daemon, tmp_path):
    daemon = new_daemon().start()
    pair = certificates.make(tmp_path, "one")
    reload(daemon, tls_certificate_file=pair[0], tls_key_file=pair[1])
    daemon.wait_for_log("cannot be switched on or off")
    assert daemon.login()


def test_sighup_many_times_under_load_drops_no_request(new_daemon):
    daemon = new_daemon().start()
    token, failures, stop = daemon.login(), [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                if daemon.client(token).get("/users/bootstrapuser").status != 200:
                    failures.append("status")
            except (AssertionError, OSError) as e:
                failures.append(repr(e))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(15):
        daemon.signal(signal.SIGHUP)
        time.sleep(0.05)
    stop.set()
    for t in threads:
        t.join()
    assert failures == []


# -- sockets

def test_a_unix_socket_serves_beside_tcp(new_daemon, tmp_path):
    path = f"{tmp_path}/s"
    daemon = new_daemon()
    daemon.options["listen"] = "127.0.0.1:{},unix:{}".format(daemon.address[1], path)
    daemon.start()
    token = daemon.login()
    assert daemon.client(token).get("/users", address=path).status == 200
    assert daemon.client().get("/users", address=path).status == 401
    daemon.kill()
    assert os.path.exists(path)
    daemon.start()  # the socket file of the killed one is no obstacle
    assert daemon.client(token).get("/users", address=path).status == 200
    daemon.stop()
    assert not os.path.exists(path)


def test_callers_of_a_unix_socket_are_a_trusted_proxy(new_daemon, tmp_path):
    path = f"{tmp_path}/s"
    daemon = new_daemon()
    daemon.options["listen"] = "127.0.0.1:{},unix:{}".format(daemon.address[1], path)
    daemon.start()
    headers = [("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-Proto", "https")]
    answer = daemon.client().post("/auth/login", {"uid": iamd.SUPERUSER, "password": iamd.SUPERUSER_PASSWORD},
                                  headers=headers, address=path)
    assert "Secure" in answer.all("set-cookie")[0]
    daemon.wait_for_log("srcip=192.0.2.9 ")


def test_gateway_mode_serves_a_unix_socket(new_daemon, tmp_path):
    path = f"{tmp_path}/s"
    daemon = new_daemon(api_access="gateway", listen=f"unix:{path}")
    daemon.address = path
    daemon.start()
    assert daemon.client().get("/users").status == 200


def test_several_addresses_serve_alike(new_daemon):
    ports = [iamd.free_port(), iamd.free_port()]
    daemon = new_daemon(listen=",".join(f"127.0.0.1:{p}" for p in ports))
    daemon.address = ("127.0.0.1", ports[0])
    daemon.start()
    token = daemon.login()
    for port in ports:
        assert daemon.client(token).get("/users", address=("127.0.0.1", port)).status == 200


def test_ipv6_serves(new_daemon):
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
            port = s.getsockname()[1]
    except OSError as e:
        pytest.skip(f"no IPv6 here: {e}")
    daemon = new_daemon(listen=f"[::1]:{port}")
    daemon.address = ("::1", port)
    daemon.start()
    assert daemon.login()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_socket_passed_by_the_service_manager_serves(new_daemon, tmp_path, kind):
    activate = shutil.which("systemd-socket-activate")
    if not activate:
        pytest.skip("systemd-socket-activate is not installed")
    daemon = new_daemon(listen="none")
    where = f"{tmp_path}/s" if kind == "unix" else "127.0.0.1:{}".format(daemon.address[1])
    if kind == "unix":
        daemon.address = where
    passed = [a for name in os.environ if name.endswith("SAN_OPTIONS") for a in ("-E", name)]
    daemon.start(command=[activate, *passed, "-l", where])
    token = daemon.login()
    assert daemon.client(token).get("/users").status == 200


PASS_A_SOCKET = """
import os, socket, sys
s = socket.create_server((sys.argv[1], 0))
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_gateway_mode_takes_a_passed_loopback_socket(new_daemon):
    daemon = new_daemon(api_access="gateway")
    daemon.start(command=["/usr/bin/python3", "-c", PASS_A_SOCKET, "127.0.0.1"])
    assert daemon.log().count("server.listening") == 2


def test_gateway_mode_refuses_a_passed_socket_that_other_machines_reach(new_daemon):
    daemon = new_daemon(api_access="gateway", listen="none")
    daemon.start(wait=False, command=["/usr/bin/python3", "-c", PASS_A_SOCKET, "0.0.0.0"])
    assert daemon.process.wait(10) == 2
    daemon.process = None
    assert "loopback addresses and Unix sockets only, not on 0.0.0.0" in daemon.log()


def test_listening_nowhere_is_refused(new_daemon):
    daemon = new_daemon(listen="none")
    daemon.start(wait=False)
    assert daemon.process.wait(10) != 0
    daemon.process = None
    assert "listen" in daemon.log()


def test_the_service_manager_is_told_and_fed(new_daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.settimeout(10)
        daemon = new_daemon()
        daemon.start(env={"NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": "400000"})
        lines = []

        def wait_for(line, within=10):
            deadline = time.monotonic() + within
            while line not in lines and time.monotonic() < deadline:
                lines.extend(manager.recv(4096).decode().split("\n"))
            assert line in lines, lines

        wait_for("READY=1")
        began, beats = time.monotonic(), 0
        while time.monotonic() - began < 1.2:
            beats += manager.recv(4096).decode().count("WATCHDOG=1")
        assert beats >= 3, "a watchdog of 400 ms starves"
        reload(daemon)
        wait_for("RELOADING=1")
        lines.clear()
        wait_for("READY=1")
        daemon.signal(signal.SIGTERM)
        wait_for("STOPPING=1")


def test_ready_is_not_told_before_the_socket_answers(new_daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.settimeout(20)
        daemon = new_daemon()
        daemon.start(wait=False, env={"NOTIFY_SOCKET": f"{tmp_path}/notify"})
        while "READY=1" not in manager.recv(4096).decode().split("\n"):
            pass
        assert daemon.client().get("/health/ready", root=True).status == 200


def test_a_watchdog_meant_for_another_process_is_ignored(new_daemon, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"{tmp_path}/notify")
        manager.settimeout(0.8)
        daemon = new_daemon()
        daemon.start(env={"NOTIFY_SOCKET": f"{tmp_path}/notify", "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
        seen = ""
        with pytest.raises(TimeoutError):
            while True:
                seen += manager.recv(4096).decode() + "\n"
        assert "READY=1" in seen and "WATCHDOG=1" not in seen


def test_the_process_keeps_secrets_out_of_core_files_and_off_other_processes(enforce):
    status = open(f"/proc/{enforce.process.pid}/limits", encoding="ascii").read()
    core = next(line for line in status.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4] == "0"
