#!/usr/bin/env python3
"""Writes the golden vectors. A third, independent reading of PROTOCOL.md: it shares no code with agent or host."""

import json
import pathlib
import struct

MAGIC = b"\xffNOVAGC1"
OPEN, DATA, MESSAGE, CREDIT, FINISH, RESULT, ERROR, CANCEL, PART = range(1, 10)
NONCE = bytes(range(0xA0, 0xB0))


def frame(kind, stream, payload=b"", end=0x5A):
    return struct.pack("<IBI", len(payload), kind, stream) + payload + bytes([end])


def field(tag, value):
    if isinstance(value, int):
        value = struct.pack("<Q", value % 2**64)
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("<BI", tag, len(value)) + value


def record(*fields):
    return b"".join(field(tag, value) for tag, value in fields)


def handshake(lowest=1, highest=1, nonce=NONCE):
    return MAGIC + bytes([lowest, highest]) + nonce


def answer(version=1, nonce=NONCE):
    return MAGIC + bytes([version, 0]) + nonce


def write(name, value):
    path = pathlib.Path(__file__).with_name(name)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n")


def frames():
    def one(name, kind, stream, payload):
        return {
            "name": name,
            "kind": kind,
            "stream": stream,
            "payload": payload.hex(),
            "bytes": frame(kind, stream, payload).hex(),
        }

    write(
        "frames.json",
        [
            one("open ping without arguments", OPEN, 1, b"\x02"),
            one("open ping", OPEN, 3, b"\x02" + record((1, "hello"))),
            one("data on channel 0", DATA, 3, b"\x00input"),
            one("data without bytes", DATA, 3, b"\x01"),
            one("message started", MESSAGE, 5, b"\x01" + record((1, 7), (2, 1234))),
            one("credit", CREDIT, 5, struct.pack("<I", 65536)),
            one("most credit", CREDIT, 5, b"\xff\xff\xff\xff"),
            one("finish", FINISH, 5, b""),
            one("empty result", RESULT, 5, b""),
            one("error", ERROR, 7, record((1, "not_found"), (2, "/x: no such file or directory"), (3, 2))),
            one("cancel", CANCEL, 9, b""),
            one("part", PART, 11, b"\x04" + b"abc"),
            one("highest stream", FINISH, 0xFFFFFFFF, b""),
            one("session stream", CREDIT, 0, struct.pack("<I", 1)),
            one("length 255: begins with FF", DATA, 1, b"\x00" + b"x" * 254),
            one("length 0x4EFF: begins like the magic", DATA, 1, b"\x00" + b"y" * 0x4EFE),
            one("payload that looks like a handshake", DATA, 1, b"\x00" + handshake()),
            one("payload of end marks", DATA, 1, b"\x00" + b"\x5a" * 40),
            one("largest", DATA, 1, b"\x02" + b"z" * 32767),
        ],
    )


def records():
    def one(name, *fields):
        shown = []
        for tag, value in fields:
            if isinstance(value, int):
                shown.append({"tag": tag, "int": str(value)})
            else:
                shown.append({"tag": tag, "bytes": (value.encode() if isinstance(value, str) else value).hex()})
        return {"name": name, "fields": shown, "bytes": record(*fields).hex()}

    write(
        "records.json",
        [
            one("empty"),
            one("zero", (1, 0)),
            one("one", (1, 1)),
            one("largest safe integer of a double and one more", (1, 2**53)),
            one("never", (6, 2**64 - 1)),
            one("string", (1, "internal")),
            one("empty string", (1, "")),
            one("repeated tag", (1, "/bin/sh"), (1, "-c"), (1, "true")),
            one("bytes that are no UTF-8", (1, b"/tmp/\xff\xfe")),
            one("highest tag", (255, "x")),
            one("nested", (5, record((1, 80), (2, 24)))),
            one("order of fields is kept", (2, 2), (1, 1), (2, 3)),
        ],
    )


def handshakes():
    def one(name, flush, lowest, highest, version):
        return {
            "name": name,
            "flush": flush,
            "lowest": lowest,
            "highest": highest,
            "nonce": NONCE.hex(),
            "host": handshake(lowest, highest).hex(),
            "guest": answer(version).hex(),
        }

    write(
        "handshakes.json",
        [
            one("without flush", 0, 1, 1, 1),
            one("with flush", 32784, 1, 1, 1),
            one("one filler byte", 1, 1, 1, 1),
            one("host speaks newer versions too", 0, 1, 9, 1),
            one("host speaks only newer versions", 0, 2, 9, 0),
            one("no version at all", 0, 0, 0, 0),
        ],
    )


def malformed():
    def one(name, data, seen_by="guest", repeat=1):
        return {"name": name, "by": seen_by, "bytes": data.hex(), "repeat": repeat}

    write(
        "malformed.json",
        [
            one("length above the limit", struct.pack("<IBI", 32769, DATA, 1) + b"\x00" * 40, "both"),
            one("greatest length", b"\xff\xff\xff\xff" + b"\x02\x01\x00\x00\x00", "both"),
            one("wrong end mark", frame(OPEN, 1, b"\x02", end=0x5B), "both"),
            one("end mark of zero", frame(FINISH, 1, b"", end=0), "both"),
            one("unknown kind", frame(10, 1), "both"),
            one("kind zero", frame(0, 1), "both"),
            one("kind that only the guest sends: RESULT", frame(RESULT, 1)),
            one("kind that only the guest sends: ERROR", frame(ERROR, 1)),
            one("kind that only the host sends: OPEN", frame(OPEN, 2, b"\x02"), "host"),
            one("kind that only the host sends: CANCEL", frame(CANCEL, 1), "host"),
            one("open without method", frame(OPEN, 1)),
            one("open on the session's stream", frame(OPEN, 0, b"\x02")),
            one("open on an even stream", frame(OPEN, 2, b"\x02")),
            one("open on a stream already used", frame(OPEN, 1, b"\x02") + frame(OPEN, 1, b"\x02")),
            one("open on a lower stream", frame(OPEN, 3, b"\x02") + frame(OPEN, 1, b"\x02")),
            one("record with a cut length", frame(OPEN, 1, b"\x02\x01\x05\x00")),
            one("record whose field runs past its end", frame(OPEN, 1, b"\x02" + b"\x01\x05\x00\x00\x00four")),
            one("message with a malformed record", frame(MESSAGE, 1, b"\x11\x01"), "both"),
            one("message without type", frame(MESSAGE, 1), "both"),
            one("data without channel", frame(DATA, 1), "both"),
            one("credit of 3 bytes", frame(CREDIT, 1, b"\x01\x02\x03"), "both"),
            one("credit of 5 bytes", frame(CREDIT, 1, b"\x01\x02\x03\x04\x05"), "both"),
            one("part followed by another stream", frame(PART, 1, b"\x02") + frame(OPEN, 3, b"\x02")),
            one("part followed by data", frame(PART, 1, b"\x02") + frame(DATA, 1, b"\x00x"), "both"),
            one("part followed by another stream's part", frame(PART, 1, b"\x02") + frame(PART, 3, b"\x02"), "both"),
            one("parts of more than 1048576 bytes", frame(PART, 1, b"\x02" + b"\x00" * 32767), "both", 33),
        ],
    )


def dialogues():
    """Steps in order. `varies`: the payload is an example, the real one differs (numbers of processes, times)."""

    def host(data, repeat=1):
        return {"from": "host", "bytes": data.hex(), "repeat": repeat}

    def guest(data, varies=False):
        return {"from": "guest", "bytes": data.hex(), "varies": varies}

    begin = [host(handshake()), guest(answer())]
    ping = frame(OPEN, 1, b"\x02" + record((1, "hi")))
    pong = frame(RESULT, 1, record((1, "hi")))
    started = frame(MESSAGE, 1, b"\x01" + record((1, 1), (2, 4242)))
    exit_record = record((1, 3), (2, 0), (4, 1), (5, 3), (6, 4), (7, 900), (8, 800), (9, 1500), (10, 2500))
    # One dialogue a paragraph, one step or two a line.
    # fmt: off
    write("dialogues.json", [
        {"name": "ping", "steps": begin + [host(ping), guest(pong)]},
        {"name": "two at once", "steps": begin + [
            host(ping + frame(OPEN, 3, b"\x02" + record((1, "ho")))),
            guest(pong + frame(RESULT, 3, record((1, "ho"))))]},
        {"name": "an argument in parts", "steps": begin + [
            host(frame(PART, 1, b"\x02\x01\x06") + frame(PART, 1, b"\x00\x00\x00abc") + frame(OPEN, 1, b"def")),
            guest(frame(RESULT, 1, record((1, "abcdef"))))]},
        {"name": "unknown tags are ignored", "steps": begin + [
            host(frame(OPEN, 1, b"\x02" + record((200, "later"), (1, "hi"), (201, 5)))), guest(pong)]},
        {"name": "unknown method", "steps": begin + [
            host(frame(OPEN, 1, b"\xfe")),
            guest(frame(ERROR, 1, record((1, "unimplemented"), (2, "no such method"))))]},
        {"name": "unknown streams and message types are ignored", "steps": begin + [
            host(frame(DATA, 99, b"\x00x") + frame(CREDIT, 99, b"\x01\x00\x00\x00") + frame(FINISH, 99)
                 + frame(CANCEL, 99) + frame(MESSAGE, 99, b"\xfe") + ping), guest(pong)]},
        {"name": "an integer of the wrong size", "steps": begin + [
            host(frame(OPEN, 1, b"\x06" + record((1, b"\x01")))),
            guest(frame(ERROR, 1, record((1, "invalid_argument"), (2, "an integer field is not 8 bytes"))))]},
        {"name": "no such process", "steps": begin + [
            host(frame(OPEN, 1, b"\x06" + record((1, 99), (2, 15)))),
            guest(frame(ERROR, 1, record((1, "not_found"), (2, "no such running process"))))]},
        {"name": "no such file", "steps": begin + [
            host(frame(OPEN, 1, b"\x0a" + record((1, "/no/such/file")))),
            guest(frame(ERROR, 1, record((1, "not_found"), (2, "/no/such/file: no such file or directory"), (3, 2))))]},
        {"name": "a new session in the middle of a frame", "steps": begin + [
            host(frame(OPEN, 1, b"\x02" + record((1, "lost")))[:-3]), host(b"\xff", 32784),
            host(handshake(nonce=NONCE[::-1])),
            guest(answer(nonce=NONCE[::-1])), host(ping), guest(pong)]},
        {"name": "a session that breaks and is opened anew", "steps": begin + [
            host(frame(FINISH, 1, end=0) + ping + handshake(nonce=NONCE[::-1])),
            guest(answer(nonce=NONCE[::-1])), host(ping), guest(pong)]},
        {"name": "no common version, then one", "steps": [
            host(handshake(7, 9)), guest(answer(0)), host(ping + handshake()), guest(answer()),
            host(ping), guest(pong)]},
        {"name": "a guest that goes on", "steps": begin + [
            host(frame(OPEN, 1, b"\x03" + record((1, bytes(range(32))),
                                                 (14, record((1, "gen-2"), (2, 1), (3, "box1")))))),
            guest(frame(RESULT, 1, record((1, "gen-2"))))]},
        {"name": "a guest that goes on without entropy", "steps": begin + [
            host(frame(OPEN, 1, b"\x03" + record((14, record((1, "gen-2")))))),
            guest(frame(ERROR, 1, record((1, "invalid_argument"), (2, "a continued guest needs entropy"))))]},
        {"name": "a process", "steps": begin + [
            host(frame(OPEN, 1, b"\x04" + record((1, "/bin/sh"), (1, "-c"), (1, "echo hi; exit 3")))),
            guest(started, True), guest(frame(DATA, 1, b"\x01hi\n")), host(frame(CREDIT, 1, struct.pack("<I", 3))),
            guest(frame(RESULT, 1, exit_record), True)]},
        {"name": "a process of a request", "steps": begin + [
            host(frame(OPEN, 1, b"\x04" + record((1, "true"), (13, "trace-1")))), guest(started, True),
            guest(frame(RESULT, 1, exit_record), True)]},
        {"name": "a process that is left", "steps": begin + [
            host(frame(OPEN, 1, b"\x04" + record((1, "cat"), (7, 1), (14, 10_000)))), guest(started, True),
            host(frame(MESSAGE, 1, b"\x12" + record((1, 60_000)))), host(frame(CANCEL, 1)),
            host(frame(OPEN, 3, b"\x02")), guest(frame(RESULT, 3))]},
        {"name": "a request id that would break a line", "steps": begin + [
            host(frame(OPEN, 1, b"\x04" + record((1, "true"), (13, "a\nb")))),
            guest(frame(ERROR, 1, record((1, "invalid_argument"),
                                         (2, "the request id is not of at most 128 printable characters"))))]},
        {"name": "a process with input", "steps": begin + [
            host(frame(OPEN, 1, b"\x04" + record((1, "cat"), (7, 1)))), guest(started, True),
            host(frame(DATA, 1, b"\x00hello")), guest(frame(DATA, 1, b"\x01hello")), host(frame(FINISH, 1)),
            guest(frame(RESULT, 1, exit_record), True)]},
    ])
    # fmt: on


frames()
records()
handshakes()
malformed()
dialogues()
