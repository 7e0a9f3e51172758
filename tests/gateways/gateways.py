"""Runs a recipe of tools/gateways with the real program, its addresses replaced by ours."""
import os
import pathlib
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ROOT / "tools" / "gateways"
sys.path.insert(0, str(ROOT / "tests" / "api"))

import iamd  # noqa: E402

# What the recipes name, as their README says; each must occur, or the recipe is not what we test.
CLIENTS, IAMD, SERVICE = "127.0.0.1:8080", "127.0.0.1:8101", "127.0.0.1:8000"
APACHE_IAMD = '"127.0.0.1", 8101'

KINDS = {
    "nginx": ("nginx/nginx.conf", "nginx", ["nginx", "-p", "{dir}", "-e", "stderr", "-g", "daemon off;", "-c", "{conf}"]),
    "nginx-cached": ("nginx/nginx.conf", "nginx", ["nginx", "-p", "{dir}", "-e", "stderr", "-g", "daemon off;", "-c", "{conf}"]),
    "dcos-router": ("nginx/dcos-router.conf", "nginx", ["nginx", "-p", "{dir}", "-e", "stderr", "-g", "daemon off;", "-c", "{conf}"]),
    "caddy": ("caddy/Caddyfile", "caddy", ["caddy", "run", "--config", "{conf}", "--adapter", "caddyfile"]),
    "haproxy": ("haproxy/haproxy.cfg", "haproxy", ["haproxy", "-db", "-f", "{conf}"]),
    "apache": ("apache/apache.conf", "apache2", ["apache2", "-d", "{dir}", "-f", "{conf}", "-D", "FOREGROUND"]),
}
CACHE_MODULES = ("ndk_http_module.so", "ngx_http_set_misc_module.so")
MODULES = pathlib.Path("/usr/lib/nginx/modules")


def missing(kind):
    """Why this gateway cannot run here; None when it can."""
    program = KINDS[kind][1]
    if shutil.which(program) is None:
        return f"no {program} here"
    if kind == "nginx-cached" and not all((MODULES / m).exists() for m in CACHE_MODULES):
        return "no libnginx-mod-http-set-misc here"
    if kind == "apache" and not list(pathlib.Path("/usr/lib").glob("*/lua/5.3/socket/core.so")):
        return "no lua-socket here"
    return None


def replace(folder, pairs):
    for old, new in pairs:
        found = 0
        for path in folder.rglob("*"):
            if path.is_file():
                text = path.read_text()
                found += text.count(old)
                path.write_text(text.replace(old, new))
        assert found, f"{old!r} stands nowhere in {folder}"


def use_cache(folder):
    """What iamd-server-cached.conf says is to be done."""
    modules = "".join(f"load_module {MODULES / m};\n" for m in CACHE_MODULES)
    conf = folder / "nginx.conf"
    text = conf.read_text()
    for old, new in (("include iamd-server.conf;", "include iamd-server-cached.conf;"),
                     ("http {\n", "http {\n    proxy_cache_path cache keys_zone=iamd:10m inactive=10s max_size=64m;\n")):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    conf.write_text(modules + text)


class Gateway:
    def __init__(self, kind, iamd_address, service_address):
        self.kind = kind
        self.strip = "/service/hello" if kind == "dcos-router" else ""
        conf, _, command = KINDS[kind]
        # Not below pytest's folder: workers that gave up root's rights must reach it.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"iamd-{kind}."))
        folder = self.directory / "recipe"
        shutil.copytree(RECIPES / pathlib.Path(conf).parent, folder)
        self.address = ("127.0.0.1", iamd.free_port())
        self.log_file = self.directory / "gateway.log"
        named = ["{}:{}".format(*a) for a in (self.address, iamd_address, service_address)]
        pairs = [(CLIENTS, named[0]), (IAMD, named[1]), (SERVICE, named[2])]
        if kind == "apache":
            pairs[1] = (APACHE_IAMD, '"{}", {}'.format(*iamd_address))
            pairs.append(("Define here /etc/iamd/gateways/apache", f"Define here {folder}"))
        if kind == "caddy":
            pairs[0] = ("http://:8080", f"http://:{self.address[1]}")
        if kind == "haproxy":
            pairs.append(("/etc/iamd/gateways/haproxy", str(folder)))
            pairs.append(("abns@iamd-questions", f"abns@iamd-questions-{self.address[1]}"))
        replace(folder, pairs)
        if kind == "nginx-cached":
            use_cache(folder)
        os.chmod(self.directory, 0o755)
        self.command = [c.format(dir=self.directory, conf=folder / pathlib.Path(conf).name) for c in command]
        self.process = None

    def start(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                start_new_session=True, env={**os.environ, "HOME": str(self.directory)},
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 16384), limit)))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.kind} ended with {self.process.returncode}:\n{self.log()}")
            try:
                socket.create_connection(self.address, 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"{self.kind} does not listen:\n{self.log()}")

    def log(self):
        return self.log_file.read_text(errors="replace")

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.kind} did not end on SIGTERM") from None

    def close(self):
        self.stop()
        shutil.rmtree(self.directory)
