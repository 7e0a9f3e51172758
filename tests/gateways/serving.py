"""What stands around a gateway: the service behind it, and a tap on the wire to iamd."""
import asyncio
import base64
import hashlib
import json
import struct
import threading

WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Loop:
    """An event loop in a thread of its own, with one listening socket."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self.call(asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=4096, limit=1 << 20))
        self.address = self.server.sockets[0].getsockname()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self):
        async def end():
            self.server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        self.call(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def serve(self, reader, writer):
        try:
            await self.talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class Seen:
    """One request as it arrived."""

    def __init__(self, head):
        lines = head.split(b"\r\n")
        self.method, self.target, _ = lines[0].split(b" ", 2)
        self.headers = [(n.strip().lower().decode("latin-1"), v.strip().decode("latin-1"))
                        for n, _, v in (line.partition(b":") for line in lines[1:] if line)]
        self.body = b""

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    def first(self, name):
        return next(iter(self.all(name)), None)


async def read_body(reader, seen):
    if "chunked" in (seen.first("transfer-encoding") or ""):
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            seen.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    elif seen.first("content-length"):
        seen.body = await reader.readexactly(int(seen.first("content-length")))


async def echo_frames(reader, writer):
    """Masked frames of less than 126 bytes come back unmasked; a close frame ends it."""
    while True:
        first, length = struct.unpack("!BB", await reader.readexactly(2))
        mask = await reader.readexactly(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(length & 0x7f)))
        writer.write(struct.pack("!BB", first, len(data)) + data)
        await writer.drain()
        if first & 0x0f == 8:
            return


class Service(Loop):
    """Answers every request with what it saw of it; /…/ws speaks WebSocket."""

    def __init__(self):
        self.seen = []
        super().__init__()

    def since(self, mark):
        return self.seen[mark:]

    async def talk(self, reader, writer):
        while True:
            seen = Seen((await reader.readuntil(b"\r\n\r\n"))[:-4])
            await read_body(reader, seen)
            self.seen.append(seen)
            if (seen.first("upgrade") or "").lower() == "websocket":
                key = seen.first("sec-websocket-key").encode()
                accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest())
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
                await echo_frames(reader, writer)
                return
            body = json.dumps({"target": seen.target.decode("latin-1"), "headers": seen.headers,
                               "sha256": hashlib.sha256(seen.body).hexdigest()}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()


class Tap(Loop):
    """Passes bytes between a gateway and iamd, and notes each question's head."""

    def __init__(self, target):
        self.target = target
        self.questions = []
        self.connections = 0
        super().__init__()

    async def talk(self, reader, writer):
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection(*self.target)

        async def answers():
            try:
                while data := await up_reader.read(65536):
                    writer.write(data)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        back = asyncio.ensure_future(answers())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = Seen(head[:-4])
                self.questions.append(seen)
                up_writer.write(head)
                if seen.first("content-length"):
                    up_writer.write(await reader.readexactly(int(seen.first("content-length"))))
                await up_writer.drain()
        finally:
            up_writer.close()
            back.cancel()
