#!/usr/bin/python3
"""A TCP relay on 127.0.0.1 that does what networks do on bad days. Standard library only.

As a module: Proxy(host, port) relays from a free port, in a thread of its own, until close().
As a program, without faults: tcp_proxy.py LISTEN:PORT... [--netns-pid PID] [--ready FILE]
relays to ports of 127.0.0.1, with --netns-pid those of that process's network namespace (as root):
so a server that insists on its port numbers is reached. FILE is written once it listens.
"""
import argparse
import asyncio
import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import threading

CLONE_NEWNET = 0x40000000
PASS = {"mode": "pass", "latency": 0.0, "rate": 0, "cut_after": None, "corrupt_at": None}


def listener(port):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(1024)
    sock.setblocking(False)
    return sock


class Relay:
    """All of it runs on one event loop. `faults` is looked at again for each piece of data."""

    def __init__(self, port, target):
        self.target = target
        self.faults = dict(PASS)
        self.connections = set()
        self.accepted = 0
        self.sock = listener(port)
        self.port = self.sock.getsockname()[1]
        self.task = None

    def serve(self):
        self.task = asyncio.ensure_future(self.accept())

    async def accept(self):
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self.sock)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self.accepted += 1
            task = asyncio.ensure_future(self.handle(client))
            self.connections.add(task)
            task.add_done_callback(self.connections.discard)

    async def stop_listening(self):
        if self.sock is None:
            return
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.sock.close()
        self.sock = None

    async def change(self, **faults):
        self.faults.update(faults)
        if self.faults["mode"] == "refuse":
            await self.stop_listening()
        elif self.sock is None:
            self.sock = listener(self.port)
            self.serve()
        if self.faults["mode"] in ("reset", "refuse"):
            self.kill()

    def kill(self):
        for task in list(self.connections):
            task.cancel()

    async def handle(self, client):
        # Sockets are closed here alone, after both pumps: a closed descriptor the loop still watches
        # would be taken for the next connection's.
        server, pumps, orderly = socket.socket(), [], False
        try:
            if self.faults["mode"] == "reset":
                return
            loop = asyncio.get_running_loop()
            client.setblocking(False)
            server.setblocking(False)
            await self.while_hanging()
            await loop.sock_connect(server, self.target)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pumps = [asyncio.ensure_future(self.pump(client, server, "up")),
                     asyncio.ensure_future(self.pump(server, client, "down"))]
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
            orderly = not any(t.exception() for t in done)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for sock in (client, server):
                if not orderly:
                    with contextlib.suppress(OSError):
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()

    async def while_hanging(self):
        while self.faults["mode"] == "hang":
            await asyncio.sleep(0.05)

    async def pump(self, source, sink, way):
        loop, seen = asyncio.get_running_loop(), 0
        while True:
            data = await loop.sock_recv(source, 65536)
            await self.while_hanging()
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
            faults = self.faults
            if faults["latency"]:
                await asyncio.sleep(faults["latency"])
            if faults["rate"]:
                await asyncio.sleep(len(data) / faults["rate"])
            if faults["mode"] == f"drop-{way}":
                continue
            if way == "down":
                data = await self.spoil(data, seen, sink)
            seen += len(data)
            await loop.sock_sendall(sink, data)

    async def spoil(self, data, seen, sink):
        """What of the answer is passed on; `seen` bytes of it went before."""
        cut, at = self.faults["cut_after"], self.faults["corrupt_at"]
        if at is not None and 0 <= at - seen < len(data):
            at -= seen
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        if cut is not None and seen + len(data) >= cut:
            await asyncio.get_running_loop().sock_sendall(sink, data[:max(0, cut - seen)])
            raise ConnectionResetError
        return data


class Proxy:
    """A relay with its thread. Each fault holds until the next, heal() or close(); faults add up."""

    def __init__(self, host, port):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.relay = self.call(self.start(host, port))
        self.host, self.port = "127.0.0.1", self.relay.port

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    @staticmethod
    async def start(host, port):
        relay = Relay(0, (host, port))
        relay.serve()
        return relay

    @property
    def accepted(self):
        """Connections since the beginning."""
        return self.relay.accepted

    @property
    def open(self):
        """Connections now."""
        return len(self.relay.connections)

    def hang(self):
        """Connections are accepted, nothing is read or passed on; open ones stop too."""
        self.call(self.relay.change(mode="hang"))

    def refuse(self):
        """Nobody listens (ECONNREFUSED); open connections are reset."""
        self.call(self.relay.change(mode="refuse"))

    def reset(self):
        """Every connection is reset, open ones too."""
        self.call(self.relay.change(mode="reset"))

    def drop_up(self):
        """What clients say is lost."""
        self.call(self.relay.change(mode="drop-up"))

    def drop_down(self):
        """What the server says is lost."""
        self.call(self.relay.change(mode="drop-down"))

    def cut_after(self, count):
        """A connection is reset once it carried `count` bytes of answers."""
        self.call(self.relay.change(cut_after=count))

    def corrupt(self, at):
        """One bit of byte `at` of the answers is turned over."""
        self.call(self.relay.change(corrupt_at=at))

    def latency(self, seconds):
        """Each piece of data comes so much later, both ways."""
        self.call(self.relay.change(latency=seconds))

    def rate(self, bytes_per_second):
        self.call(self.relay.change(rate=bytes_per_second))

    def heal(self):
        self.call(self.relay.change(**PASS))

    def kill(self):
        """Resets what is open, once."""
        self.call(self.kill_now())

    async def kill_now(self):
        self.relay.kill()

    def close(self):
        async def end():
            await self.relay.stop_listening()
            self.relay.kill()
            await asyncio.gather(*self.relay.connections, return_exceptions=True)

        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


async def run(given):
    pairs = [tuple(int(n) for n in pair.split(":")) for pair in given.pairs]
    relays = [Relay(listen, ("127.0.0.1", port)) for listen, port in pairs]
    if given.netns_pid:  # what listens stays here; new sockets are over there
        with open(f"/proc/{given.netns_pid}/ns/net", encoding="ascii") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
    for relay in relays:
        relay.serve()
    if given.ready:
        pathlib.Path(given.ready).write_text(f"{os.getpid()}\n", encoding="ascii")
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="LISTEN:PORT")
    parser.add_argument("--netns-pid", type=int)
    parser.add_argument("--ready", metavar="FILE")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
