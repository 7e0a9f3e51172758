"""What iamd's figures stand beside: nginx, raw cryptography, a program that only links."""
import os
import pathlib
import subprocess
import time

import procs

HERE = pathlib.Path(__file__).resolve().parent
CORES = len(os.sched_getaffinity(0))
OWN_HEADERS = {"content-length", "content-type", "date", "connection", "server", "keep-alive"}
HASH_LANE_NICE = 10  # of iamd/sys/lane.c

NGINX_CONF = """
worker_processes {cores};
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log {directory}/access.log combined buffer=64k flush=1s;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 60s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {host}:{port} reuseport;
        location = {path} {{
            default_type "{content_type}";
{headers}
            return 200 '{body}';
        }}
    }}
}}
"""


class Nginx:
    """Answers `path` with the very bytes and headers that iamd answered it with."""

    def __init__(self, bench, path, iamd_port):
        status, headers, body = procs.get(iamd_port, path)
        if status != 200:
            raise procs.Failed(f"GET {path}: {status}")
        text = body.decode()
        if "'" in text or "$" in text or "\\" in text:
            raise procs.Failed("the answer cannot stand in nginx's configuration")
        self.bench, self.port = bench, procs.free_port()
        directory = bench.directory / "nginx"
        directory.mkdir(exist_ok=True)
        content_type = next((v for k, v in headers if k.lower() == "content-type"), "text/plain")
        config = directory / "nginx.conf"
        config.write_text(NGINX_CONF.format(
            cores=CORES, directory=directory, host=procs.HOST, port=self.port, path=path, body=text,
            content_type=content_type, headers="\n".join(
                f"            add_header {k} {self._value(k, v)};" for k, v in headers
                if k.lower() not in OWN_HEADERS)))
        self.process = bench.start(
            ["nginx", "-p", directory, "-e", directory / "error.log", "-c", config], "nginx")
        procs.wait_for_answer(self.port, path, self.process, "nginx", timeout=20)
        own = procs.get(self.port, path)[2]
        if own != body:
            raise procs.Failed("nginx does not answer the same bytes")

    @staticmethod
    def _value(name, value):
        """A request id differs from answer to answer, there as here."""
        if "request-id" in name.lower():
            return "$request_id"
        return '"' + value.replace('"', '\\"') + '"'

    def stop(self):
        self.bench.stop(self.process)


SMALL_CONF = """
worker_processes {cores};
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log {directory}/access.log combined buffer=64k flush=1s;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 60s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{more}
}}
"""

NO_CONTENT = """
    server {{
        listen {host}:{port} reuseport;
        location = /ready {{ return 200 "ready"; }}
        location / {{ return 204; }}
    }}
"""

AUTH_REQUEST = """
    upstream authority {{
        server {host}:{authority};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {host}:{port} reuseport;
        location = /ready {{ return 200 "ready"; }}
        location = /check {{
            internal;
            proxy_pass http://authority/acs/api/v1/auth/check;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
        }}
        location / {{
            auth_request /check;
            root {directory}/pages;
            try_files /page =404;
        }}
    }}
"""


class Small:
    """An nginx with one server block."""

    def __init__(self, bench, name, block, **values):
        self.bench, self.port = bench, procs.free_port()
        directory = bench.directory / name
        (directory / "pages").mkdir(parents=True)
        (directory / "pages" / "page").write_text("here\n")
        for place in (bench.directory, directory, directory / "pages"):
            place.chmod(0o755)  # the workers are another user
        values = {"directory": directory, "host": procs.HOST, "port": self.port, **values}
        config = directory / "nginx.conf"
        config.write_text(SMALL_CONF.format(cores=CORES, directory=directory, more=block.format(**values)))
        self.process = bench.start(["nginx", "-p", directory, "-e", directory / "error.log", "-c", config], name)
        procs.wait_for_answer(self.port, "/ready", self.process, "nginx", timeout=20)

    def stop(self):
        self.bench.stop(self.process)


class NoContent(Small):
    """Answers 204 to everything."""

    def __init__(self, bench, name):
        super().__init__(bench, name, NO_CONTENT)


class AuthRequest(Small):
    """A small file behind auth_request, which asks the port given."""

    def __init__(self, bench, name, authority):
        super().__init__(bench, name, AUTH_REQUEST, authority=authority)


def compile_c(bench, source, name, libraries):
    """A small C program, optimised; its path."""
    out = bench.directory / name
    command = [os.environ.get("CC", "cc"), "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", str(out),
               str(source), *libraries]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise procs.Failed(f"{' '.join(command)}\n{built.stderr}")
    return out


class Crypto:
    """crypto_bench.c: the same computations as a login, and nothing around them."""

    def __init__(self, bench):
        self.bench = bench
        self.program = compile_c(bench, HERE / "crypto_bench.c", "crypto_bench",
                                 ["-lsodium", "-lcrypto", "-lpthread"])

    def _command(self, what, seconds):
        command = [str(self.program), what, str(seconds), str(CORES)]
        # At the priority at which iamd does the same, so that other work on the machine takes as much.
        return ["nice", "-n", str(HASH_LANE_NICE), *command] if what == "pwhash" else command

    def per_second(self, what, seconds):
        out = subprocess.run(self._command(what, seconds), capture_output=True, text=True, check=True,
                             timeout=seconds + 60).stdout
        return float(out.split()[0])

    def start_load(self, what, seconds):
        return self.bench.start(self._command(what, seconds), "load")


LINKED_ONLY = """
#include <stdio.h>
#include <unistd.h>
int main(void) { puts("ready"); fflush(stdout); for (;;) pause(); }
"""


def linked_only_memory(bench, binary):
    """Memory of a program that links what the binary links and does nothing with it."""
    wanted = subprocess.run(["objdump", "-p", str(binary)], capture_output=True, text=True, check=True).stdout
    needed = [line.split()[1] for line in wanted.splitlines() if line.split()[:1] == ["NEEDED"]]
    source = bench.directory / "linked_only.c"
    source.write_text(LINKED_ONLY)
    program = compile_c(bench, source, "linked_only",
                        ["-Wl,--no-as-needed", "-Wl,-z,now", *(f"-l:{n}" for n in needed)])
    process = bench.start([program], "linked_only", stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(0.2)
    memory = procs.memory_kib(process.pid)
    bench.stop(process)
    return memory
