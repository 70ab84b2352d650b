#!/usr/bin/env python3
"""Check a Counterfoil history, with nothing but Python's standard library and no line of Counterfoil's own code.

    python3 verify.py history EXPORT.ndjson --key KEY [--archive FOLDER] [--seen NOTE]    everything below, by position
    python3 verify.py receipt RECEIPT.json --key KEY                                      one client's proof, offline
    python3 verify.py statement FILE --key KEY                                            a signed statement, JSON or CSV

EXPORT is what `counterfoil audit export` writes. KEY is a verifier key (`counterfoil audit keys`), which you should have had
from the operator by another way than the export. FOLDER is the archive of checkpoints outside the database. NOTE is a
checkpoint that you kept from an earlier day (`GET /v1/checkpoints`): whoever rewrote the history since has not that one.

Only what is signed is proven. What stands behind the last checkpoint, and everything where no key is given, is nobody's word:
the last line says so, and the exit code is 1. `--unsigned-tail SECONDS` lets an end pass that is so young, by the time that
the export says it was made at and the time that the last checkpoint signs; you know whether that time can be.

What is derived here from the events alone, and compared with what the export says:

* positions run from 1 without a gap, each event is the one whose hash is kept, and every seal chains to the one before;
* the Merkle tree (RFC 6962) over all events has the roots that were signed (Ed25519), and clients' receipts are of it;
* every entry balances per book and currency; no client's liability is negative at any position; what clients may claim
  is what the treasury's Custody_Control holds, at every position;
* every stream is a story that can be: a transfer is credited once and for its amount, a payout leaves at most once, by
  bytes that were prepared and whose hash is its transaction id, and what failed was given back; what our own wallets
  send each other, lend and stake likewise, and a sweep goes from its address to a wallet of ours;
* balances and guard rows are what the events make them;
* an event that the program itself cannot read, or not fold into every view, is named; one that an operator has settled is told.

An event type that this file does not know is no error: its lines count like all lines, and it is listed as
"not known to this verifier, a newer version wrote it: postings checked, story not". A kind of line that it does not know
is one: a newer verifier reads it. A check says `holds` of what it has looked at; where the history has nothing for it to
look at, it says `none`.

Three readers go through the file at the same time, each in a process of its own: the hashes, the receipts, the books.
"""

import argparse
import base64
import gc
import hashlib
import hmac
import json
import multiprocessing
import re
import sys
import time
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

FORMAT = "counterfoil-export/1"
TOLD_MAX = 100  # findings of one check that are told; the others are counted
AMOUNT_MAX = 2**63 - 1
RECEIPT_LEAVES = 1024


# Findings ------------------------------------------------------------------------------------------------------------


class Findings:
    """What does not hold, by check, each with its position. A check without findings holds of what it has looked at."""

    def __init__(self, *checks):
        self.checks = {check: [] for check in checks}
        self.more = dict.fromkeys(checks, 0)
        self.seen = dict.fromkeys(checks, 0)  # how much each has looked at: nothing holds of nothing
        self.notes = []

    def wrong(self, check, position, sentence):
        if len(self.checks[check]) < TOLD_MAX:
            self.checks[check].append((position, sentence))
        else:
            self.more[check] += 1

    @property
    def ok(self):
        return not any(self.checks.values())


ORDER = "positions run from 1 without a gap"
HASHES = "every event is the one whose hash is kept"
SEALS = "every event is sealed, and the seals chain"
CHECKPOINTS = "every checkpoint is signed and is of this history"
ARCHIVE = "the archive has this history's checkpoints"
KEPT = "the checkpoints that you kept are of this history"
RECEIPTS = "the receipts that clients hold are of this history"
ENTRIES = "every entry balances per book and currency, in amounts above zero"
ACCOUNTS = "every line is posted to an account that was opened"
LIABILITIES = "no client liability is negative at any position"
CUSTODY = "what clients may claim is what Custody_Control holds, at every position"
STREAMS = "every stream's versions run from 1, each once"
DEPOSITS = "every transfer is credited once, to its owner, for its amount"
PAYOUTS = "every payout leaves at most once, by bytes that were prepared for it"
INSTRUCTIONS = "what our wallets send each other leaves at most once, by bytes that were prepared for it, and is booked"
SWEEPS = "every sweep is from its address to a wallet of ours, by instructions that it gave"
READABLE = "every event can be read, and is in every view"
OTHERS = "every other story is one that can be"
BALANCES = "balances are what the events make them"
GUARD = "the guard is what the events make it"


# Ed25519 (RFC 8032) --------------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)  # X, Y, Z, T: x = X/Z, y = Y/Z, xy = T/Z


def add_points(one, other):
    """The group's addition in extended coordinates (RFC 8032, 5.1.4)."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_point(encoded):
    """32 bytes -> the point, or None where they are none (RFC 8032, 5.1.3)."""
    if len(encoded) != 32:
        return None
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def encode_point(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Multiples:
    """A fixed point's multiples by any scalar, from a table of 64 x 16: a checkpoint a minute is many in a year."""

    def __init__(self, point):
        self.rows = []
        for _ in range(64):
            row = [IDENTITY]
            for _ in range(15):
                row.append(add_points(row[-1], point))
            self.rows.append(row)
            point = add_points(row[-1], point)

    def times(self, scalar):
        found = IDENTITY
        for row in self.rows:
            found = add_points(found, row[scalar & 15])
            scalar >>= 4
        return found


BASE = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


class Key:
    """A verifier key: <name>+<key id>+<base64 of 0x01 and the public key> (C2SP signed-note)."""

    base = None

    def __init__(self, text):
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raw = b""
        point = decode_point(raw[1:])
        if raw[:1] != b"\x01" or point is None or not name:
            raise ValueError(f"{text!r} is no Ed25519 verifier key: it has the form name+id+key")
        self.name, self.public = name, raw[1:]
        self.id = sha256(name.encode() + b"\n\x01" + self.public).digest()[:4]
        if self.id.hex() != key_id:
            raise ValueError(f"{text!r}: the id does not belong to the key")
        self.negative = Multiples((P - point[0], point[1], 1, P - point[3]))
        Key.base = Key.base or Multiples(BASE)

    def verifies(self, message, signature):
        """Whether s * B - h * A is R."""
        if len(signature) != 64:
            return False
        s = int.from_bytes(signature[32:], "little")
        if s >= L:
            return False
        h = int.from_bytes(hashlib.sha512(signature[:32] + self.public + message).digest(), "little") % L
        return encode_point(add_points(Key.base.times(s), self.negative.times(h))) == signature[:32]


def shown(minor, currency):
    """Minor units as an amount in their unit; what is no number as it is."""
    if type(minor) is not int:
        return f"{minor!r} {currency}"
    digits = str(abs(minor)).zfill(7)
    return f"{'-' if minor < 0 else ''}{digits[:-6]}.{digits[-6:]} {currency}"


def open_note(note, keys):
    """The text of a note that one of the keys signed. Raises ValueError."""
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise ValueError("it is no signed note")
    text += "\n"
    for line in lines.splitlines():
        name, _, encoded = line[2:].partition(" ")
        signature = base64.b64decode(encoded, validate=True)
        for key in keys:
            if (name, signature[:4]) == (key.name, key.id):
                if key.verifies(text.encode(), signature[4:]):
                    return text
                raise ValueError(f"the signature of {key.name} does not fit the text")
    raise ValueError("no key that is known has signed it")


# The Merkle tree (RFC 6962) ------------------------------------------------------------------------------------------


def node(left, right):
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """Grows leaf by leaf and knows its root: the hashes of the complete subtrees at its right edge."""

    def __init__(self):
        self.size = 0
        self.edge = []

    def add(self, leaf):
        self.size += 1
        size = self.size
        while not size & 1:
            leaf = sha256(b"\x01" + self.edge.pop() + leaf).digest()
            size >>= 1
        self.edge.append(leaf)

    def root(self):
        if not self.edge:
            return sha256(b"").digest()
        found = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            found = node(left, found)
        return found


def full_root(leaves):
    """Of a power of two of leaves."""
    while len(leaves) > 1:
        leaves = [sha256(b"\x01" + leaves[at] + leaves[at + 1]).digest() for at in range(0, len(leaves), 2)]
    return leaves[0]


def consistent(old_size, old_root, size, root, path):
    """Whether the path shows that the old tree is how the new one begins (RFC 9162, 2.1.4.2)."""
    if old_size == size:
        return old_root == root and not path
    if old_size & (old_size - 1) == 0:
        path = [old_root, *path]
    if not path:
        return False
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node(sibling, old), node(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and (old, new) == (old_root, root)


# Reading -------------------------------------------------------------------------------------------------------------

TEXT = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
EVENT = re.compile(
    rb'\{"kind":"event","position":(\d{1,18}),"stream":' + TEXT + rb',"version":(\d{1,18}),"topic":' + TEXT
    + rb',"hash":"([0-9a-f]{64})","(state|text)":(.*)\}\n'
)  # fmt: skip


DECODER = json.JSONDecoder()


def content_of(raw):
    """The same as json.loads, without asking which encoding it is."""
    text = raw.decode()
    found, end = DECODER.raw_decode(text)
    if end != len(text):
        raise ValueError(f"there is more behind it: {text[end : end + 20]!r}")
    return found


def unquoted(text):
    """The bytes that stand between quotation marks in JSON."""
    return json.loads(b'"' + text + b'"').encode() if b"\\" in text else text


def event_of(line):
    """(position, stream, version, topic, hash, state) as bytes and numbers, or None where the line is no event line."""
    match = EVENT.fullmatch(line)
    if match is None:
        return None
    position, stream, version, topic, kept, form, state = match.groups()
    if form == b"text":
        state = json.loads(state).encode()
    return int(position), unquoted(stream), int(version), unquoted(topic), kept, state


KINDS = {
    "header": {"format": str, "made_at": str, "head": int, "keys": list, "shown": dict},
    "set_aside": {"position": int, "reason": str, "views": list},
    "seal": {"first": int, "last": int, "previous": str, "hash": str},
    "checkpoint": {"number": int, "size": int, "blind": str, "note": str, "receipts": list},
    "balance": {
        "position": int, "book": str, "account": str, "type": str, "currency": str,
        "amount_minor": int, "pending_minor": int,
    },
    "guard": {"position": int, "ledger_account_id": str, "currency": str, "balance_minor": int},
    "end": {"head": int, "events": int, "seals": int, "checkpoints": int},
}  # fmt: skip
"""Every kind of line beside events, and exactly what stands in it: what nobody looks at is no part of an export."""

MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What it raises to read something of another form."""


def wrong_form(number, content):
    """What is wrong with the form of a line, or None."""
    if type(content) is not dict or content.get("kind") not in KINDS:
        kind = content.get("kind") if type(content) is dict else content
        return f"it is of no kind that this verifier knows: {str(kind)[:40]!r}"
    kind, fields = content["kind"], KINDS[content["kind"]]
    for name in content:
        if name != "kind" and name not in fields:
            return f"{kind} has no {name[:40]!r} that this verifier knows"
    for name, form in fields.items():
        if type(content.get(name)) is not form and (name != "made_at" or name in content):
            return f"{kind} needs {name}"  # the first exports did not say when they were made
    if (kind == "header") != (number == 1):
        return f"it is {kind}: an export begins with its header, and has one"
    return None


class Reader:
    """Goes through an export line by line."""

    def __init__(self, options):
        self.options = options

    def read(self, path):
        gc.disable()  # nothing here refers to itself, and looking for it would cost a third of the time
        with open(path, "rb", buffering=1 << 20) as file:
            for number, line in enumerate(file, start=1):
                if line.startswith(b'{"kind":"event"'):
                    self.event(number, line)
                else:
                    self.other(number, line)
        self.end()

    def other(self, number, line):
        try:
            content = json.loads(line)
            wrong = wrong_form(number, content)
        except MISSHAPEN as error:
            content, wrong = {}, f"it cannot be read: {error}"
        if wrong:
            self.unknown_line(number, wrong)
        handle = getattr(self, f"on_{content.get('kind')}", None) if type(content) is dict else None
        if handle is not None:
            try:
                handle(content)
            except MISSHAPEN as error:
                self.damaged(content["kind"], f"line {number} cannot be read: {error!r}")

    def unknown_line(self, number, sentence):
        """The reader of hashes tells of these; the others pass over them."""

    def result(self):
        """What goes from the reader's process to the one that judges."""
        return SimpleNamespace(findings=self.findings)


# The hashes ----------------------------------------------------------------------------------------------------------


class Hashes(Reader):
    """Order, hashes, seals, the tree, checkpoints, the archive."""

    def __init__(self, options):
        super().__init__(options)
        self.findings = Findings(ORDER, HASHES, SEALS, CHECKPOINTS, ARCHIVE, KEPT)
        self.position = 0  # of the last event
        self.counts = {"events": 0, "seals": 0, "checkpoints": 0}
        self.begun = self.ended = False
        self.tree = Tree()
        self.sealed = 0  # up to there
        self.previous = bytes(32)
        self.digest = sha256(self.previous)
        self.keys = [Key(text) for text in options.key]
        self.last_checkpoint = None  # (number, size, time)
        self.signed = (0, "")  # how far somebody whose key is known has signed, and the time that was signed with it
        self.made_at = None  # as the export says
        self.roots = {}  # by size, where the archive, or the auditor, has a checkpoint
        self.notes = {}  # by number
        self.archive = list(read_archive(options.archive)) if options.archive else []
        self.kept = [found for path in options.seen for found in read_kept(path)]
        self.awaited = set()  # sizes at which the root is to be remembered
        for check, others in ((ARCHIVE, self.archive), (KEPT, self.kept)):
            for name, content in others:
                try:
                    note = json.loads(content)["checkpoint"] if check == ARCHIVE else content
                    self.awaited.add(Checkpoint(note.split("\n\n")[0] + "\n").size)
                except MISSHAPEN:
                    self.findings.wrong(check, 0, f"{name} is no checkpoint")

    def unknown_line(self, number, sentence):
        self.findings.wrong(ORDER, self.position, f"line {number}, behind position {self.position}: {sentence}")

    def damaged(self, kind, sentence):
        check = {"seal": SEALS, "checkpoint": CHECKPOINTS}.get(kind, ORDER)
        self.findings.wrong(check, self.position, f"{sentence} (behind position {self.position})")

    def event(self, number, line):
        found = event_of(line)
        if found is None:
            self.unknown_line(number, "it is no event line as the format has it")
            return
        position, stream, version, topic, kept, state = found
        self.counts["events"] += 1
        if self.ended:
            self.findings.wrong(ORDER, position, f"line {number} stands behind the export's end")
        expected = self.position + 1
        if position < expected:
            self.findings.wrong(ORDER, position, f"it stands behind position {self.position}")
            return
        if position > expected:
            missing = f"{expected}" if position == expected + 1 else f"{expected} to {position - 1}"
            self.findings.wrong(ORDER, expected, f"missing: {missing}; {position} follows {self.position}")
            for _ in range(min(position - expected, 1_000_000)):
                self.tree.add(bytes(32))
        self.position = position
        data = b"".join(
            (
                position.to_bytes(8, "big"),
                len(stream).to_bytes(4, "big"),
                stream,
                version.to_bytes(8, "big"),
                len(topic).to_bytes(4, "big"),
                topic,
                len(state).to_bytes(4, "big"),
                state,
            )
        )
        leaf = sha256(b"\x00" + data)
        if leaf.hexdigest().encode() != kept:
            self.findings.wrong(HASHES, position, f"the event is not the one that was kept ({topic.decode()})")
        self.tree.add(leaf.digest())
        self.digest.update(data)
        if position in self.awaited:
            self.roots[position] = self.tree.root()

    def on_header(self, content):
        if content.get("format") != FORMAT:
            self.findings.wrong(ORDER, 0, f"this is no {FORMAT}, but {content.get('format')!r}")
        self.made_at, self.begun = content.get("made_at"), True
        if not self.keys:
            self.keys = [Key(each["key"]) for each in content["keys"] if each["purpose"] == "checkpoints"]
            self.findings.notes.append("the keys are the export's own: give --key to be sure who signed")

    def on_seal(self, content):
        self.counts["seals"] += 1
        first, last = content["first"], content["last"]
        where = f"the seal over {first} to {last}"
        if first != self.sealed + 1 or last < first:
            self.findings.wrong(SEALS, first, f"{where} does not follow the one that ends at {self.sealed}")
        elif bytes.fromhex(content["previous"]) != self.previous:
            self.findings.wrong(SEALS, first, f"{where} does not name the hash of the one before it")
        if last != self.position:
            self.findings.wrong(SEALS, last, f"{where} stands behind position {self.position}")
        elif self.digest.hexdigest() != content["hash"]:
            self.findings.wrong(
                SEALS, first, f"{where}: an event between {first} and {last} is not the one that was sealed"
            )
        self.sealed = last
        self.previous = bytes.fromhex(content["hash"])
        self.digest = sha256(self.previous)

    def on_checkpoint(self, content):
        self.counts["checkpoints"] += 1
        number, size = content["number"], content["size"]
        where = f"checkpoint {number} over {size} events"
        self.notes[number] = content["note"]
        if size != self.tree.size:
            self.findings.wrong(CHECKPOINTS, size, f"{where}: the history stands at {self.tree.size} there")
        before = self.last_checkpoint or (0, 0, "")
        try:
            signed = Checkpoint(open_note(content["note"], self.keys))
            receipts = [open_note(note, self.keys).splitlines() for note in content["receipts"]]
        except ValueError as error:
            self.findings.wrong(CHECKPOINTS, size, f"{where}: {error}")
            self.last_checkpoint = (number, size, before[2])
            return
        if (signed.number, signed.size) != (number, size):
            self.findings.wrong(CHECKPOINTS, size, f"{where}: what is signed is {signed.number} over {signed.size}")
        elif number != before[0] + 1 or size <= before[1] or signed.time < before[2]:
            self.findings.wrong(CHECKPOINTS, size, f"{where} does not follow {before[0]} over {before[1]}")
        if size == self.tree.size and signed.root != self.tree.root():
            sentence = (
                f"{where}: an event between {before[1] + 1} and {size}, or before, is not the one that was signed"
            )
            self.findings.wrong(CHECKPOINTS, size, sentence)
        elif size == self.tree.size:
            self.reach(signed)
        told = [[f"{signed.origin}/receipts", str(number), signed.time, root] for root in signed.receipts]
        if receipts != told:
            self.findings.wrong(CHECKPOINTS, size, f"{where}: the notes of its receipts are not those that it names")
        self.last_checkpoint = (number, size, signed.time)

    def reach(self, signed):
        """So far the history is the one that was signed."""
        self.signed = max(self.signed, (signed.size, signed.time))

    def on_end(self, content):
        if self.ended:
            self.findings.wrong(ORDER, self.position, "the export has more than one end")
        self.ended = True
        if content["head"] != self.position:
            self.findings.wrong(
                ORDER, self.position, f"the history ends here, and the export says at {content['head']}"
            )
        for name, count in self.counts.items():
            if content[name] != count:
                self.findings.wrong(
                    ORDER, self.position, f"there are {count} {name}, and the export says {content[name]}"
                )

    def end(self):
        if not self.begun:
            self.findings.wrong(ORDER, 0, "the export has no header")
        if not self.ended:
            self.findings.wrong(ORDER, self.position, "the export is cut off here: its last line is missing")
        if self.sealed < self.position:
            self.findings.wrong(SEALS, self.sealed + 1, f"positions {self.sealed + 1} to {self.position} have no seal")
        self.check_archive()
        self.check_kept()
        seen = {ORDER: "events", HASHES: "events", SEALS: "seals", CHECKPOINTS: "checkpoints"}
        self.findings.seen.update({check: self.counts[name] for check, name in seen.items()})
        self.findings.seen.update({ARCHIVE: len(self.archive), KEPT: len(self.kept)})
        self.findings.notes.insert(0, f"{self.counts['events']:,} events, {self.counts['seals']:,} seals,"
                                      f" {self.counts['checkpoints']:,} checkpoints")  # fmt: skip

    def result(self):
        told = ("findings", "position", "signed", "made_at", "counts")
        return SimpleNamespace(**{name: getattr(self, name) for name in told})

    def check_archive(self):
        """Every archived checkpoint is signed, adds to the one before, and is of this history."""
        before = None
        for expected, (name, content) in enumerate(self.archive, start=1):
            try:
                kept = json.loads(content)
                signed = Checkpoint(open_note(kept["checkpoint"], self.keys))
                path = [base64.b64decode(step, validate=True) for step in kept["consistency"]]
            except MISSHAPEN as error:
                self.findings.wrong(ARCHIVE, 0, f"{name}: {error}")
                continue
            where = f"{name}, checkpoint {signed.number} over {signed.size} events"
            if (signed.number, kept["number"]) != (expected, expected):
                self.findings.wrong(ARCHIVE, signed.size, f"{where} stands where checkpoint {expected} belongs")
            if before and not consistent(before.size, before.root, signed.size, signed.root, path):
                self.findings.wrong(ARCHIVE, signed.size, f"{where} does not add to the one before")
            if signed.size > self.tree.size:
                self.findings.wrong(ARCHIVE, self.tree.size, f"{where}: the history ends at {self.tree.size}")
            elif self.roots.get(signed.size) != signed.root:
                self.findings.wrong(ARCHIVE, signed.size, f"{where} is not of this history")
            elif self.notes.get(signed.number) != kept["checkpoint"]:
                self.findings.wrong(ARCHIVE, signed.size, f"{where} is another one in the export")
            else:
                self.reach(signed)
            before = signed
        if self.archive and self.last_checkpoint and before and self.last_checkpoint[0] > before.number:
            behind = self.last_checkpoint[0] - before.number
            self.findings.notes.append(f"{behind} checkpoints are not in the archive yet")

    def check_kept(self):
        """Every checkpoint that the auditor kept is signed and of this history, whatever the export has of it."""
        for name, note in self.kept:
            try:
                signed = Checkpoint(open_note(note, self.keys))
            except MISSHAPEN as error:
                self.findings.wrong(KEPT, 0, f"{name}: {error}")
                continue
            where = f"{name}, checkpoint {signed.number} over {signed.size} events"
            if signed.size > self.tree.size:
                sentence = f"{where}: the history ends at {self.tree.size}, what you have seen is not in it"
                self.findings.wrong(KEPT, self.tree.size, sentence)
            elif self.roots.get(signed.size) != signed.root:
                self.findings.wrong(KEPT, signed.size, f"{where} is not of this history: it was rewritten since")
            else:
                self.reach(signed)


class Checkpoint:
    """The text of a checkpoint (C2SP tlog-checkpoint): origin, size, root, and lines of Counterfoil's own."""

    def __init__(self, text):
        origin, size, root, number, self.time, *receipts = text.removesuffix("\n").split("\n")
        if not number.startswith("number ") or any(not line.startswith("receipts ") for line in receipts):
            raise ValueError("it is no checkpoint")
        self.origin, self.size, self.number = origin, int(size), int(number[7:])
        self.time = self.time.removeprefix("time ")
        self.root = base64.b64decode(root, validate=True)
        self.receipts = [line[9:] for line in receipts]


ENDORSES = "counterfoil: from now on this key signs in the place of the one that signs this"


def with_endorsed(keys, folder):
    """These keys, and those that they endorse by notes in the archive, one after the other."""
    known, notes = list(keys), [path.read_text() for path in sorted(Path(folder).glob("keys/*.note"))]
    found = True
    while found:
        found = False
        for note in list(notes):
            try:
                said, key, _ = open_note(note, [Key(text) for text in known]).split("\n", 2)
            except ValueError:
                continue
            notes.remove(note)
            if said == ENDORSES and key not in known:
                known.append(key)
                found = True
    return known


def read_archive(folder):
    """(name, content) of every archived checkpoint, by number."""
    paths = sorted(Path(folder).rglob("*.json"), key=lambda path: int(path.stem) if path.stem.isdigit() else -1)
    if not paths:
        raise SystemExit(f"there is no checkpoint in {folder}")
    for path in paths:
        yield path.name, path.read_bytes()


def read_kept(path):
    """(name, note) of every checkpoint in a file: a note, an archived checkpoint, or what GET /v1/checkpoints answered."""
    text = Path(path).read_bytes().decode()
    try:
        found = json.loads(text)
    except ValueError:
        return [(Path(path).name, text)]
    several = found["data"] if type(found) is dict and "data" in found else [found]
    notes = [each.get("note") or each.get("checkpoint") for each in several if type(each) is dict]
    if not notes or not all(type(note) is str for note in notes):
        raise ValueError(f"{path} holds no checkpoint")
    return [(Path(path).name, note) for note in notes]


# The receipts --------------------------------------------------------------------------------------------------------

SORTED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class Receipts(Reader):
    """The entries that clients hold receipts of, and the trees that each checkpoint names for them."""

    def __init__(self, options):
        super().__init__(options)
        self.findings = Findings(RECEIPTS)
        self.entries = []  # (position, account, hash) since the last checkpoint
        self.shown = {}
        self.left_out = 0  # the position of the last event that has no entries

    def on_header(self, content):
        self.shown = {topic.encode(): fields for topic, fields in content["shown"].items()}

    def event(self, number, line):
        found = event_of(line)
        if found is None:
            return
        position, stream, version, topic, _, raw = found
        shown = self.shown.get(topic)
        if position == self.left_out:
            return
        if shown is None and b'"postings"' not in raw:
            return
        try:
            state = content_of(raw)
            for account, text in entries_of(stream.decode(), version, topic.decode(), state, shown):
                self.entries.append((position, account, sha256(text.encode()).digest()))
        except MISSHAPEN as error:
            self.findings.wrong(RECEIPTS, position, f"no entry can be made of the event: {error!r}")

    def damaged(self, kind, sentence):
        self.findings.wrong(RECEIPTS, self.left_out, sentence)

    def on_set_aside(self, content):
        if not content["views"]:
            self.left_out = content["position"]

    def on_checkpoint(self, content):
        number, size, blind = content["number"], content["size"], bytes.fromhex(content["blind"])
        leaves = []
        for position, account, entry in self.entries:
            salt = hmac.digest(blind, position.to_bytes(8, "big") + account.encode(), "sha256")
            leaves.append(sha256(b"\x00" + salt + entry).digest())
        leaves.sort()
        self.findings.seen[RECEIPTS] += len(self.entries)
        self.entries = []
        roots = []
        for tree, start in enumerate(range(0, len(leaves), RECEIPT_LEAVES)):
            part = leaves[start : start + RECEIPT_LEAVES]
            for place in range(RECEIPT_LEAVES - len(part)):
                filler = b"filler" + tree.to_bytes(4, "big") + place.to_bytes(4, "big")
                part.append(hmac.digest(blind, filler, "sha256"))
            roots.append(base64.b64encode(full_root(sorted(part))).decode())
        if roots != [line[9:] for line in content["note"].split("\n") if line.startswith("receipts ")]:
            sentence = f"checkpoint {number} over {size} events: its receipt trees are not those of its events"
            self.findings.wrong(RECEIPTS, size, sentence)

    def end(self):
        pass


def entries_of(stream, version, topic, state, shown):
    """(account, text) of each client that an event concerns: what a receipt may show of it."""
    owner = state.get("account_id") or state.get("order", {}).get("account_id")
    lines = {}
    for posting in state.get("postings", ()):
        if posting["book"] != "treasury":
            line = {name: value for name, value in posting.items() if name != "book"}
            lines.setdefault(posting["book"], []).append(line)
    if shown is not None and owner is not None and owner != "treasury":
        lines.setdefault(owner, [])
    for account, own in lines.items():
        entry = {
            "account_id": account,
            "lines": own,
            "occurred_at": state["occurred_at"],
            "stream": stream,
            "topic": topic,
            "version": version,
        }
        if account == owner and shown:
            for name in shown:
                entry[name] = state[name]
        yield account, SORTED.encode(entry)


# The books -----------------------------------------------------------------------------------------------------------

CLIENT_ASSET, CLEARING, CUSTODY_CONTROL = "System_Hot_Wallet_Asset", "Clearing_Account", "Custody_Control"
IN_TRANSIT = "In_Transit_Asset"
ENDED = ("confirmed", "failed", "withdrawn", "deferred")  # an instruction or a sweep
TREASURY = {
    "Payin_Wallets_Asset": "asset",
    "Hot_Wallet_Asset": "asset",
    "Cold_Wallet_Asset": "asset",
    "Gas_Wallet_Asset": "asset",
    "Staked_Asset": "asset",
    "In_Transit_Asset": "asset",
    "Custody_Control": "liability",
    "Network_Fee_Expense": "expense",
    "Fee_Revenue": "revenue",
    "Operator_Capital": "equity",
    "Suspense": "liability",
    "Lost_History": "asset",
}
WALLETS = {
    "hot": "Hot_Wallet_Asset",
    "cold": "Cold_Wallet_Asset",
    "gas": "Gas_Wallet_Asset",
    "payin": "Payin_Wallets_Asset",
}
DEBIT_NORMAL = ("asset", "expense")


class Books(Reader):
    """Entries, accounts, balances at every position; and the stories, which need the same events."""

    def __init__(self, options):
        super().__init__(options)
        self.findings = Findings(
            READABLE, ENTRIES, ACCOUNTS, LIABILITIES, CUSTODY, STREAMS, DEPOSITS, PAYOUTS, INSTRUCTIONS, SWEEPS, OTHERS,
            BALANCES, GUARD,
        )  # fmt: skip
        self.kinds = {("treasury", code): kind for code, kind in TREASURY.items()}
        self.debits = {}  # (book, account, currency) -> debits minus credits
        self.pending = {}  # the same -> detected and not confirmed
        self.ids = {}  # ledger account id -> (book, account)
        self.versions = {}  # stream -> its last version
        self.stories = Stories(self)
        self.unknown = {}  # topic -> (how often, the first position)
        self.newer = None  # (position, format level) of the first that this verifier does not read
        self.entries = 0
        self.set_aside = {}  # position -> (why, the views that leave it out; none: all do)
        self.settled = {}  # position -> what an operator said
        self.position = 0  # of the last event
        self.said_at = None  # the position of the balance lines
        self.due, self.due_pending = {}, {}  # what they are yet to say
        self.guards = set()

    def event(self, number, line):
        found = event_of(line)
        if found is None:
            return
        position, stream, version, topic, _, raw = found
        self.position = position
        known = self.versions.get(stream, 0)
        if version != known + 1:
            self.findings.wrong(STREAMS, position, f"{stream.decode()} has version {version} behind {known}")
        self.versions[stream] = version
        if not self.set_aside.get(position, ("", ["some"]))[1]:
            return
        try:
            state = content_of(raw)
            if type(state["occurred_at"]) is not str or type(state["actor"]) is not str:
                raise ValueError("it says no time, or no actor")
            self.findings.seen[READABLE] += 1
            postings = state.get("postings")
            if postings:
                self.entries += 1
                self.post(position, postings)
            if topic == b"format.raised/1" and state["level"] > FORMAT_LEVEL and self.newer is None:
                self.newer = position, state["level"]
            if topic == b"event.settled/1":
                self.settled[state["position"]] = state["reason"]
            tell = STORIES.get(topic)
            if tell is not None:
                check, wrong = tell(self.stories, stream.decode(), version, state)
                self.findings.seen[check] += 1
                if wrong:
                    self.findings.wrong(check, position, wrong)
            elif topic not in PLAIN:
                often, first = self.unknown.get(topic, (0, position))
                self.unknown[topic] = often + 1, first
        except Impossible as impossible:
            self.findings.wrong(impossible.check, position, str(impossible))
        except MISSHAPEN as error:
            self.findings.wrong(OTHERS, position, f"{topic.decode()} is not as such events are: {error!r}")

    def damaged(self, kind, sentence):
        check = {"balance": BALANCES, "guard": GUARD}.get(kind, READABLE)
        self.findings.wrong(check, self.position, sentence)

    def on_set_aside(self, content):
        self.set_aside[content["position"]] = (content["reason"], content["views"])

    def post(self, position, postings):
        """Move what the lines move, and look at everything that they touch."""
        sums, custody, liabilities = {}, {}, []
        for posting in postings:
            book, account, currency = posting["book"], posting["account"], posting["currency"]
            amount, side = posting["amount_minor"], posting["side"]
            if type(amount) is not int or not 0 < amount <= AMOUNT_MAX or side not in ("debit", "credit"):
                self.findings.wrong(ENTRIES, position, f"{account}: {side} {amount!r} is no line")
                continue
            change = amount if side == "debit" else -amount
            sums[book, currency] = sums.get((book, currency), 0) + change
            key = (book, account, currency)
            self.debits[key] = balance = self.debits.get(key, 0) + change
            kind = self.kinds.get((book, account))
            if kind is None:
                self.findings.wrong(ACCOUNTS, position, f"{account} of {book} was never opened")
            if account == (CUSTODY_CONTROL if book == "treasury" else CLIENT_ASSET):
                custody[currency] = custody.get(currency, 0) + change
            elif balance > 0 and kind == "liability" and book != "treasury":
                liabilities.append(key)
        for (book, currency), difference in sums.items():
            if difference:
                self.findings.wrong(ENTRIES, position, f"book {book} is off by {shown(difference, currency)}")
        for currency, difference in custody.items():
            if difference:
                self.findings.wrong(
                    CUSTODY, position, f"what clients claim and what is held part by {shown(difference, currency)}"
                )
        for key in liabilities:
            if self.debits[key] > 0:
                self.findings.wrong(
                    LIABILITIES, position, f"{key[1]} of {key[0]} is {shown(-self.debits[key], key[2])}"
                )

    def on_balance(self, content):
        """What the table says; it stands behind the event that it reflects."""
        position = content["position"]
        self.findings.seen[BALANCES] += 1
        if position != self.position or self.said_at not in (None, position):
            self.findings.wrong(BALANCES, position, f"its balances stand behind position {self.position}")
        if self.said_at is None:
            self.said_at = position
            self.due = dict(self.debits)
            self.due_pending = dict(self.pending)
        key = (content["book"], content["account"], content["currency"])
        kind = self.kinds.get(key[:2])
        debits = self.due.pop(key, 0)
        amount = debits if kind in DEBIT_NORMAL else -debits
        for name, events in (("amount_minor", amount), ("pending_minor", self.due_pending.pop(key, 0))):
            if content[name] != events:
                sentence = (
                    f"{name} of {key[1]} of {key[0]}: the events say {shown(events, key[2])},"
                    f" the table {shown(content[name], key[2])}"
                )
                self.findings.wrong(BALANCES, position, sentence)
        if content["type"] != kind:
            self.findings.wrong(
                BALANCES, position, f"{key[1]} of {key[0]} is of type {kind}, in the table {content['type']}"
            )

    def on_guard(self, content):
        self.findings.seen[GUARD] += 1
        owner = self.ids.get(content["ledger_account_id"])
        if owner is None or self.kinds[owner] != "liability" or (owner, content["currency"]) in self.guards:
            self.findings.wrong(GUARD, content["position"], f"{content['ledger_account_id']} has no row in the events")
            return
        self.guards.add((owner, content["currency"]))
        balance = -self.debits.get((*owner, content["currency"]), 0)
        if balance != content["balance_minor"]:
            said, kept = (shown(each, content["currency"]) for each in (balance, content["balance_minor"]))
            sentence = f"{owner[1]} of {owner[0]}: the events say {said}, the guard {kept}"
            self.findings.wrong(GUARD, content["position"], sentence)

    def on_end(self, content):
        head = content["head"]
        for key, amount in (*self.due.items(), *self.due_pending.items()):
            if amount:
                self.findings.wrong(
                    BALANCES, self.said_at, f"{key[1]} {key[2]} of {key[0]} is missing: {amount} in the events"
                )
        if self.said_at is None and any(self.debits.values()):
            self.findings.wrong(BALANCES, head, "the export holds no balances at all")
        for owner in self.ids.values():
            if self.kinds[owner] == "liability" and (owner, "USDT") not in self.guards:
                self.findings.wrong(GUARD, head, f"{owner[1]} of {owner[0]} has no guard row")

    def end(self):
        liabilities = sum(kind == "liability" and book != "treasury" for (book, _), kind in self.kinds.items())
        self.findings.seen.update({ENTRIES: self.entries, ACCOUNTS: self.entries, CUSTODY: self.entries})
        self.findings.seen.update({LIABILITIES: liabilities, STREAMS: len(self.versions)})
        for position, (reason, views) in sorted(self.set_aside.items()):
            where = f"left out of {', '.join(views)}" if views else "it cannot be read, and is left out"
            if position in self.settled:
                said = f"position {position}: {where} ({reason}); settled by an operator: {self.settled[position]}"
                self.findings.notes.append(said)
            else:
                self.findings.wrong(READABLE, position, f"{where}: {reason}")
        if self.newer:
            position, level = self.newer
            self.findings.notes.append(
                f"from position {position:,} on a newer version wrote (format level {level}, this verifier reads"
                f" {FORMAT_LEVEL}): take that version's verify.py"
            )
        for topic, (count, first) in sorted(self.unknown.items()):
            name = topic.decode(errors="replace")
            self.findings.notes.append(
                f"{name} ({count:,} events, the first at position {first:,}) is not known to this verifier, a newer version"
                " wrote it: postings checked, story not"
            )


def entry(*lines):
    """(book, account, side, amount, currency) as postings, without those of nothing."""
    names = ("book", "account", "side", "amount_minor", "currency")
    return [dict(zip(names, line)) for line in lines if line[3]]


def given_back(lines):
    """The same amount the other way: debits stand first again."""
    other = {"debit": "credit", "credit": "debit"}
    return [line | {"side": other[line["side"]]} for line in reversed(lines)]


class Impossible(Exception):
    """An event of a stream that cannot have one."""

    def __init__(self, check, sentence):
        super().__init__(sentence)
        self.check = check


class Stories:
    """What may happen in a stream, event type by event type. Each method gives a check and what is wrong, or None."""

    def __init__(self, books):
        self.books = books
        self.deposits = {}  # stream -> (status, key of its pending amount, amount)
        self.payouts = {}  # stream -> Payout, until it has ended
        self.ended = {}  # stream -> how it ended
        self.instructions = {}  # stream -> Instruction
        self.sweeps = {}  # stream -> Sweep
        self.txids = {}  # of every attempt -> the stream of its payout or instruction
        self.addresses = {}  # deposit address -> (account, ledger account)
        self.last_sweeps = {}  # deposit address -> the stream of its last sweep
        self.set_aside = set()  # deposit addresses in quarantine
        self.wallets = {}  # role -> the address that plays it
        self.rotations = {}  # role -> how far its rotation has come: "asked", or (from, to)
        self.seeds = 1  # how many seeds deposit addresses come from
        self.seed_asked = False
        self.former = {}  # an address that another has replaced -> its role
        self.permissions = {}  # wallet's stream -> its declarations of who may sign
        self.granted = set()  # (address, permission id) that was ever declared
        self.lost = {}  # txid -> what left in history that a restore lost
        self.lost_equals = {}  # (payee, amount) -> the txids of what paid that
        self.said_of_lost = {}  # txid -> the payout that it was said to be, or "written off"
        self.restored = False
        self.unexplained = set()  # txids that nothing here asked for

    # Deposits

    def detected(self, stream, version, state):
        wrong = self.place(stream, state)
        status = self.deposits.get(stream, ("absent",))[0]
        if status == "confirmed":
            wrong = wrong or "it was credited already"
        self.no_longer_pending(stream)
        fact = state["transfer"]
        key = (state["account_id"], state["ledger_account"], fact["currency"])
        self.books.pending[key] = self.books.pending.get(key, 0) + fact["amount_minor"]
        self.deposits[stream] = ("detected", key, fact["amount_minor"])
        return DEPOSITS, wrong

    def confirmed(self, stream, version, state):
        wrong = self.place(stream, state)
        if self.deposits.get(stream, ("absent",))[0] == "confirmed":
            wrong = wrong or "it was credited already"
        self.no_longer_pending(stream)
        self.deposits[stream] = ("confirmed", None, 0)
        fact, account, ledger_account = state["transfer"], state["account_id"], state["ledger_account"]
        amount, currency = fact["amount_minor"], fact["currency"]
        if account == "treasury":
            wallet = WALLETS[fact["wallet"]]
            if fact["txid"] in self.txids and self.txids[fact["txid"]] in self.instructions:
                source = IN_TRANSIT  # a wallet of ours sent them
            elif fact.get("from_wallet") == "cold" and fact["wallet"] != "cold":
                source = WALLETS["cold"]  # its owner did, by hand
            else:
                source = "Suspense"
            due = moved(wallet, source, amount, currency)
        else:
            due = entry(
                (account, CLIENT_ASSET, "debit", amount, "USDT"),
                (account, ledger_account, "credit", amount, "USDT"),
                ("treasury", "Payin_Wallets_Asset", "debit", amount, "USDT"),
                ("treasury", CUSTODY_CONTROL, "credit", amount, "USDT"),
            )
            if self.addresses.get(fact["to_address"]) != (account, ledger_account):
                wrong = wrong or f"{fact['to_address']} was never assigned to {ledger_account} of {account}"
        if state["postings"] != due:
            wrong = wrong or f"the lines are not those of a deposit of {amount} {currency}"
        return DEPOSITS, wrong

    def orphaned(self, stream, version, state):
        wrong = None if self.deposits.get(stream, ("absent",))[0] == "detected" else "it was not detected before"
        self.no_longer_pending(stream)
        self.deposits[stream] = ("orphaned", None, 0)
        return DEPOSITS, wrong

    def place(self, stream, state):
        """A stream is named by the transfer's place in the chain, so that no transfer has two.

        The place is a log's index of USDT, none of a plain transfer of TRX, and below zero of TRX that a contract handed on.
        """
        fact = state["transfer"]
        index = fact["log_index"]
        log = "trx" if index is None else index
        if stream != f"deposit-{fact['txid']}-{log}":
            return "the stream is not named by its transfer"
        due = "TRX" if index is None or index < 0 else "USDT"
        return None if fact["currency"] == due else f"there is no {fact['currency']} at such a place"

    def no_longer_pending(self, stream):
        status, key, amount = self.deposits.get(stream, ("absent", None, 0))
        if status == "detected":
            self.books.pending[key] -= amount

    # Payouts

    def payout_requested(self, stream, version, state):
        order = state["order"]
        payout = Payout(order)
        self.payouts[stream] = payout
        wrong = (
            None if version == 1 and stream == f"payout-{order['payout_id']}" else "it does not begin its own stream"
        )
        if state["postings"] != payout.reserve:
            wrong = wrong or "the lines do not reserve amount and fee"
        return PAYOUTS, wrong

    def payout_refused(self, stream, version, state):
        self.ended[stream] = "refused"
        return PAYOUTS, None if version == 1 else "it does not begin its stream"

    def payout_waiting(self, stream, version, state):
        """Something keeps it from being made, said once of each reason."""
        payout, reason = self.payout(stream), state["reason"]
        wrong = payout.waits()
        if reason in payout.waited_for:
            wrong = wrong or f"that it waits for {reason} was said before"
        payout.waited_for.append(reason)
        return PAYOUTS, wrong

    def payout_expedited(self, stream, version, state):
        payout = self.payout(stream)
        wrong = payout.waits() or ("it was put first before" if payout.expedited else None)
        payout.expedited = True
        return PAYOUTS, wrong

    def payout_approved(self, stream, version, state):
        """Somebody signed for it. Whose key counts is the signer's to know; what was signed must be this order."""
        order = {"priority": "normal", "not_before": None} | self.payout(stream).order
        said = json.dumps(order, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = sha256(b"counterfoil-payout-v1|" + said.encode()).hexdigest()
        return PAYOUTS, None if state["digest"] == digest else "what was approved is not this payout"

    def payout_cancelled(self, stream, version, state):
        payout = self.payout(stream)
        wrong = None if payout.state == "requested" else f"it is {payout.state} and cannot be cancelled"
        if state["postings"] != given_back(payout.reserve):
            wrong = wrong or "the lines do not give back what was reserved"
        self.end(stream, "cancelled")
        return PAYOUTS, wrong

    def payout_expired_unproven(self, stream, version, state):
        """As it was told first, on a node's word."""
        return PAYOUTS, self.payout(stream).expire(state["txid"], None)

    def payout_confirmed(self, stream, version, state):
        payout = self.payout(stream)
        order = payout.order
        wrong = None
        lost = self.said_of_lost.get(state["txid"]) == order["payout_id"]
        if lost:
            wrong = payout.waits()  # its own bytes must not be alive beside the ones that it was said to be
        elif all(attempt["txid"] != state["txid"] for attempt in payout.attempts):
            wrong = "no attempt of it has this transaction id"
        account, total = order["account_id"], payout.total
        due = entry(
            (account, CLEARING, "debit", total, "USDT"),
            (account, CLIENT_ASSET, "credit", total, "USDT"),
            ("treasury", CUSTODY_CONTROL, "debit", total, "USDT"),
            ("treasury", "Lost_History" if lost else "Hot_Wallet_Asset", "credit", order["amount_minor"], "USDT"),
            ("treasury", "Fee_Revenue", "credit", order["fee_minor"], "USDT"),
        )
        if state["postings"] != due + burned(state["burned_sun"]):
            wrong = wrong or "the lines are not those of the amount and the fee that were ordered"
        self.end(stream, "confirmed")
        return PAYOUTS, wrong

    def payout_failed(self, stream, version, state):
        payout = self.payout(stream)
        wrong = None
        if state["txid"] is None and payout.state not in ("requested", "expired"):
            wrong = f"an attempt of it is still {payout.state}: it may leave yet"
        elif state["txid"] is not None:
            wrong = payout.mined(state["txid"])
        if state["postings"] != given_back(payout.reserve) + burned(state["burned_sun"]):
            wrong = wrong or "the lines do not give back what was reserved"
        self.end(stream, "failed")
        return PAYOUTS, wrong

    def payout_attempt_failed(self, stream, version, state):
        """Mined in vain for a reason that says nothing of the payee: other bytes may be tried, twice at the most."""
        payout = self.payout(stream)
        wrong = payout.mined(state["txid"])
        payout.in_vain.append(state["txid"])
        times, code = len(payout.in_vain), state["failure_code"]
        if code not in RETRIED or times > RETRIES_MAX:
            wrong = wrong or f"a payout is not tried again after {code}, or not {times} times"
        if state["postings"] != burned(state["burned_sun"]):
            wrong = wrong or "the lines are not those of what was burned"
        payout.state = "expired"
        return PAYOUTS, wrong

    def payout(self, stream):
        payout = self.payouts.get(stream)
        if payout is None:
            raise Impossible(PAYOUTS, f"the payout was {self.ended.get(stream, 'never requested')} before")
        return payout

    def end(self, stream, how):
        del self.payouts[stream]
        self.ended[stream] = how

    # What is to leave a wallet

    def prepare(self, stream, leaving, attempt):
        """Bytes for the next try, which no other try has."""
        txid = attempt["txid"]
        wrong = None
        order = leaving.order
        equal = self.lost_equals.get((order.get("to_address"), order.get("amount_minor")), ())
        if any(self.said_of_lost.get(lost) in (None, order["payout_id"]) for lost in equal):
            wrong = "it may be paid already, by a transfer of lost history"
        elif leaving.state not in ("requested", "given", "expired"):
            wrong = f"another attempt is still {leaving.state}"
        elif attempt["number"] != len(leaving.attempts) + 1:
            wrong = f"attempt {attempt['number']} follows {len(leaving.attempts)} others"
        elif sha256(bytes.fromhex(attempt["raw_data"])).hexdigest() != txid:
            wrong = "the transaction id is not the hash of the bytes"
        elif txid in self.txids:
            wrong = f"its transaction id is that of {self.txids[txid]}"
        elif attempt.get("from_address") in self.former and self.of_former(order, attempt["from_address"]):
            wrong = self.of_former(order, attempt["from_address"])
        elif attempt.get("permission_id") and (attempt["from_address"], attempt["permission_id"]) not in self.granted:
            wrong = f"permission {attempt['permission_id']} of {attempt['from_address']} was never declared"
        self.txids[txid] = stream
        leaving.attempts.append(attempt)
        leaving.state = "prepared"
        return wrong

    def of_former(self, order, address):
        """What is wrong with bytes of a wallet that another has replaced, if anything is."""
        purpose, act = order.get("purpose"), order.get("act", {})
        if purpose not in ("rotation", "loan_return", "evacuation"):
            return f"another wallet has replaced {address}"
        if purpose == "rotation" and act.get("to") not in (None, self.wallets[self.former[address]]):
            return f"it does not go to the wallet that has replaced {address}"
        return None

    # Instructions: what our wallets send each other, lend and stake

    def instruction_given(self, stream, version, state):
        order = state["instruction"]
        wrong = None
        if version != 1 or stream != f"instruction-{order['instruction_id']}":
            wrong = "it does not begin its own stream"
        elif order["serves"]:
            wrong = self.sweep(order["serves"]).gives(order)
        self.instructions[stream] = Instruction(order)
        return INSTRUCTIONS, wrong

    def instruction_withdrawn(self, stream, version, state):
        instruction = self.instruction(stream)
        wrong = instruction.other(state)
        if instruction.state not in ("given", "expired"):
            wrong = wrong or f"an attempt of it is still {instruction.state}: it may leave yet"
        instruction.end("withdrawn")
        return INSTRUCTIONS, wrong

    def instruction_confirmed(self, stream, version, state):
        instruction = self.instruction(stream)
        wrong = instruction.other(state)
        if all(attempt["txid"] != state["txid"] for attempt in instruction.attempts):
            wrong = wrong or "no attempt of it has this transaction id"
        if state["postings"] != instruction.booked(state):
            wrong = wrong or "the lines are not those of what was to be done"
        instruction.end("confirmed", state["txid"])
        return INSTRUCTIONS, wrong

    def instruction_failed(self, stream, version, state):
        instruction = self.instruction(stream)
        wrong = instruction.other(state)
        if not instruction.attempts or instruction.attempts[-1]["txid"] != state["txid"]:
            wrong = wrong or "it is not the attempt that was alive"
        if state["postings"] != burned(state["burned_sun"], instruction.account):
            wrong = wrong or "the lines are more than the fee that was burned"
        instruction.end("failed", state["txid"])
        return INSTRUCTIONS, wrong

    def instruction(self, stream):
        instruction = self.instructions.get(stream)
        if instruction is None or instruction.state in ENDED:
            raise Impossible(
                INSTRUCTIONS, f"it was {'never given' if instruction is None else instruction.state} before"
            )
        return instruction

    # Sweeps

    def sweep_planned(self, stream, version, state):
        plan = state["sweep"]
        before = self.sweeps.get(self.last_sweeps.get(plan["address"]))
        wrong = None
        if version != 1 or stream != f"sweep-{plan['sweep_id']}":
            wrong = "it does not begin its own stream"
        elif plan["number"] != (before.number + 1 if before else 1):
            wrong = f"sweep {plan['number']} of {plan['address']} follows {before.number if before else 'none'}"
        elif before and not before.closed:
            wrong = f"the address's last sweep is {before.state}, and not over"
        elif plan["address"] in self.set_aside:
            wrong = f"{plan['address']} is set aside"
        elif self.wallets.get(plan["destination"]) != plan["to"]:
            wrong = f"{plan['to']} is not the {plan['destination']} wallet"
        self.sweeps[stream] = Sweep(plan)
        self.last_sweeps[plan["address"]] = stream
        return SWEEPS, wrong

    def sweep_fuelling(self, stream, version, state):
        return SWEEPS, self.sweep_step(stream, "fuelling", state["instruction_id"])

    def sweep_fuelled(self, stream, version, state):
        wrong = self.sweep_step(stream, "fuelled", state["instruction_id"])
        self.sweeps[stream].amount = state["amount_minor"]
        return SWEEPS, wrong

    def sweep_step(self, stream, state, instruction_id):
        """The sweep's next instruction, which may begin when the one before is over."""
        sweep = self.sweep(stream)
        wrong = None
        if sweep.state in ENDED:
            wrong = f"it is {sweep.state}"
        elif not self.idle(sweep):
            wrong = f"instruction {sweep.given} is not over"
        sweep.state, sweep.given, sweep.due = state, instruction_id, instruction_id
        return wrong

    def sweep_confirmed(self, stream, version, state):
        sweep = self.sweep(stream)
        told = (sweep.state, sweep.amount, *self.last_of(sweep))
        right = told == ("fuelled", state["amount_minor"], "confirmed", state["txid"])
        sweep.state = "confirmed"
        return SWEEPS, None if right else "its transfer was not confirmed as that"

    def sweep_failed(self, stream, version, state):
        sweep = self.sweep(stream)
        right = (sweep.state, *self.last_of(sweep)) == ("fuelled", "failed", state["txid"])
        sweep.state = "failed"
        return SWEEPS, None if right else "its transfer did not fail as that"

    def sweep_deferred(self, stream, version, state):
        sweep = self.sweep(stream)
        moved_already = sweep.state == "fuelled" and self.last_of(sweep)[0] == "confirmed"
        right = sweep.state not in ENDED and self.idle(sweep) and not moved_already
        sweep.state = "deferred"
        return SWEEPS, None if right else "something of it is under way, or it is over"

    def sweep_released(self, stream, version, state):
        sweep = self.sweep(stream)
        right = sweep.state in ENDED and sweep.loans and not sweep.released
        sweep.released = True
        return SWEEPS, None if right else "nothing was lent to it, or it is not over"

    def sweep(self, stream):
        sweep = self.sweeps.get(stream)
        if sweep is None:
            raise Impossible(SWEEPS, f"{stream} was never planned")
        return sweep

    def last_of(self, sweep):
        """(state, txid) of the instruction that the sweep gave last."""
        given = self.instructions.get(f"instruction-{sweep.given}")
        return (given.state, given.txid) if given else (None, None)

    def idle(self, sweep):
        return sweep.given is None or self.last_of(sweep)[0] in ENDED

    # Others

    def registered(self, stream, version, state):
        """A role is played by another address only when its rotation has begun."""
        role, address = state["role"], state["address"]
        wrong = None if stream == f"wallet-{role}" else "the stream is not named by its role"
        if role in self.wallets and self.rotations.get(role) != (self.wallets[role], address):
            wrong = wrong or f"{self.wallets[role]} is the {role} wallet, and nothing says that {address} replaces it"
        if role in self.wallets:
            self.former[self.wallets[role]] = role
        self.wallets[role] = address
        return OTHERS, wrong

    def rotation_asked(self, stream, version, state):
        role = state["role"]
        wrong = None if stream == f"wallet-{role}" and role in self.wallets else "there is no such wallet"
        if role in self.rotations:
            wrong = wrong or "another rotation is under way"
        self.rotations[role] = "asked"
        return OTHERS, wrong

    def rotation_given_up(self, stream, version, state):
        wrong = None if self.rotations.get(state["role"]) == "asked" else "nobody asked for it, or it has begun"
        self.rotations.pop(state["role"], None)
        return OTHERS, wrong

    def rotation_begun(self, stream, version, state):
        role, before, after = state["role"], state["from_address"], state["to_address"]
        wrong = None
        if self.rotations.get(role) != "asked":
            wrong = "nobody asked for it, or it has begun"
        elif self.wallets.get(role) != before:
            wrong = f"{before} is not the {role} wallet"
        elif after in self.former or after in self.wallets.values():
            wrong = f"{after} plays a role already, or has played one"
        self.rotations[role] = (before, after)
        return OTHERS, wrong

    def retired(self, stream, version, state):
        role, address = state["role"], state["address"]
        known = self.rotations.pop(role, None)
        right = known is not None and known != "asked" and known[0] == address and self.former.get(address) == role
        return OTHERS, None if right else f"{address} was not being emptied"

    def seed_rotation_asked(self, stream, version, state):
        wrong = "another seed is asked for already" if self.seed_asked else None
        self.seed_asked = True
        return OTHERS, wrong

    def seed_rotated(self, stream, version, state):
        wrong = None if self.seed_asked else "nobody asked for another seed"
        if state["number"] != self.seeds + 1:
            wrong = wrong or f"seed {state['number']} follows {self.seeds} others"
        self.seeds, self.seed_asked = state["number"], False
        return OTHERS, wrong

    def permissions_declared(self, stream, version, state):
        made = self.permissions.setdefault(stream, [])
        made.append(state)
        if stream != f"wallet-{state['role']}" or state["address"] != self.wallets.get(state["role"]):
            return OTHERS, f"{state['address']} is not the wallet that plays the role"
        if state["number"] != len(made):
            return OTHERS, f"declaration {state['number']} is the wallet's {len(made)}th"
        granted = [state["permissions"]["owner"], *state["permissions"]["actives"]]
        for grant in granted:
            weights = {key["address"]: key["weight"] for key in grant["keys"]}
            if len(weights) < len(grant["keys"]) or not 0 < grant["threshold"] <= sum(weights.values()):
                return OTHERS, f"nobody can sign by its permission {grant['id']}"
        for grant in granted:
            self.granted.add((state["address"], grant["id"]))
        return OTHERS, None

    def permissions_approved(self, stream, version, state):
        made = self.permissions.get(stream, [])
        if not 0 < state["number"] <= len(made):
            return OTHERS, "it approves what was never declared"
        declared = {name: made[state["number"] - 1][name] for name in ("address", "number", "permissions", "role")}
        text = json.dumps(declared, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = sha256(b"counterfoil-permissions-v1|" + text.encode()).hexdigest()
        return OTHERS, None if state["digest"] == digest else "its digest is not the declaration's"

    def permissions_differ(self, stream, version, state):
        return OTHERS, None if stream == f"permissions-{state['address']}" else "the stream is not named by its address"

    def quarantined(self, stream, version, state):
        address = state["address"]
        wrong = f"{address} is set aside already" if address in self.set_aside else None
        self.set_aside.add(address)
        return OTHERS, wrong

    def released(self, stream, version, state):
        address = state["address"]
        wrong = None if address in self.set_aside else f"{address} is not set aside"
        self.set_aside.discard(address)
        return OTHERS, wrong

    def destroyed(self, stream, version, state):
        notice = state["notice"]
        due = moved("Suspense", WALLETS[notice["wallet"]], notice.get("amount_minor", 0), "USDT")
        return OTHERS, None if state["postings"] == due else "the lines are not those of what was destroyed"

    # What left in history that a restore lost

    def store_restored(self, stream, version, state):
        self.restored = True
        return OTHERS, None if stream == "store" and state[
            "reason"
        ] else "a restore is told of the store, with a reason"

    def outgoing_unexplained(self, stream, version, state):
        self.unexplained.add(state["notice"]["txid"])
        return OTHERS, None if stream.startswith("outgoing-") else "the stream is not named by what left"

    def lost_found(self, stream, version, state):
        left = state["left"]
        txid, wallet, fee = left["txid"], WALLETS[left["wallet"]], left.get("burned_sun", 0)
        amount, currency, own = left.get("amount_minor", 0), left.get("currency", ""), left.get("to_wallet", "")
        wrong = None if self.restored or txid in self.unexplained else "no history was lost"
        if txid in self.lost or txid in self.txids:
            wrong = wrong or f"{txid} is known before"
        paid = amount and not own
        if stream != (f"lost-{left['to']}-{amount}" if paid else f"lost-{txid}"):
            wrong = wrong or "the stream is not named by what left"
        if amount:
            taken = left.get("taken_minor", 0) if own else 0
            due = entry(
                ("treasury", "Suspense" if own else "Lost_History", "debit", amount - taken, currency),
                ("treasury", "Network_Fee_Expense", "debit", taken, currency),
                ("treasury", wallet, "credit", amount, currency),
            )
        elif left.get("staked_sun"):
            due = moved("Staked_Asset", wallet, left["staked_sun"], "TRX")
        else:
            due = moved(wallet, "Staked_Asset", left.get("returned_sun", 0), "TRX")
        if state["postings"] != due + burned(fee, wallet):
            wrong = wrong or "the lines are not those of what left"
        self.lost[txid] = left
        if paid:
            self.lost_equals.setdefault((left["to"], amount), []).append(txid)
        else:
            self.said_of_lost[txid] = "nobody's"
        return OTHERS, wrong

    def lost_attributed(self, stream, version, state):
        txid, payout_id = state["txid"], state["payout_id"]
        order, left = self.payout(f"payout-{payout_id}").order, self.lost_open(txid)
        right = left and (left["to"], left["amount_minor"]) == (order["to_address"], order["amount_minor"])
        wrong = None if right else f"{txid} is open no more, or not of this payout's payee and amount"
        if payout_id in self.said_of_lost.values():
            wrong = wrong or "the payout was said to be another transfer"
        self.said_of_lost[txid] = payout_id
        return OTHERS, wrong

    def lost_written_off(self, stream, version, state):
        left = self.lost_open(state["txid"])
        due = moved("Operator_Capital", "Lost_History", left["amount_minor"], left["currency"]) if left else None
        self.said_of_lost[state["txid"]] = "written off"
        return OTHERS, None if state["postings"] == due else "it is open no more, or the lines are not those of it"

    def lost_open(self, txid):
        """What left by this transaction, where nobody has said yet what it was."""
        return None if txid in self.said_of_lost else self.lost.get(txid)

    def opened(self, stream, version, state):
        key = (state["account_id"], state["code"])
        wrong = f"{key[1]} of {key[0]} was opened before" if key in self.books.kinds else None
        self.books.kinds[key] = state["type"]
        self.books.ids[state["ledger_account_id"]] = key
        return OTHERS, wrong

    def assigned(self, stream, version, state):
        address = state["address"]
        wrong = f"{address} was assigned before" if address in self.addresses or version != 1 else None
        self.addresses[address] = (state["account_id"], state["ledger_account"])
        return OTHERS, wrong

    def transferred(self, stream, version, state):
        lines = state["postings"]
        moved = [
            (state["account_id"], state["from_ledger_account"], "debit"),
            (state["to_account_id"], state["to_ledger_account"], "credit"),
        ]
        told = [(line["book"], line["account"], line["side"]) for line in lines if line["account"] != CLIENT_ASSET]
        right = told == moved and all(line["amount_minor"] == state["amount_minor"] for line in lines)
        return OTHERS, None if right and version == 1 else "the lines do not move the amount from the one to the other"

    def refused_once(self, stream, version, state):
        """It tells what did not happen, so nothing may move."""
        right = version == 1 and not state.get("postings") and (state["counts"] if "counts" in state else state["code"])
        return OTHERS, None if right else "a refusal is one event that moves nothing, with a code"

    def adjusted_once(self, stream, version, state):
        return OTHERS, None if version == 1 and state["reason"] else "an adjustment is one event, with a reason"


class Leaving:
    """What is to leave a wallet once: the bytes of every try, and how far the last of them came."""

    def __init__(self, state):
        self.state = state
        self.attempts = []

    def move(self, txid, before, after):
        alive = self.attempts[-1]["txid"] if self.attempts else None
        wrong = (
            None if (self.state, alive) == (before, txid) else f"it is {self.state} as {alive}, not {before} as {txid}"
        )
        self.state = after
        return wrong

    def expire(self, txid, proof):
        attempt = self.attempts[-1] if self.attempts else {"txid": None}
        wrong = None
        if txid != attempt["txid"] or self.state == "expired":
            wrong = "it is not the attempt that was alive"
        elif proof is not None and (
            proof["first_block_number"] != attempt["ref_block_number"] + 1
            or not 0 < proof["blocks"] == proof["last_block_number"] - attempt["ref_block_number"]
            or proof["last_timestamp_ms"] < attempt["expiration_ms"]
        ):
            wrong = "the proof does not cover the attempt's life"
        self.state = "expired"
        return wrong


RETRIED = ("out_of_energy", "out_of_time")  # failures that say nothing of the payee
RETRIES_MAX = 2


class Payout(Leaving):
    """One payout that has not ended."""

    def __init__(self, order):
        super().__init__("requested")
        self.in_vain = []  # txids of attempts that were mined, moved nothing and did not end it
        self.waited_for = []  # the reasons that were said
        self.expedited = False
        self.order = order
        self.total = order["amount_minor"] + order["fee_minor"]
        account = order["account_id"]
        self.reserve = entry(
            (account, order["ledger_account"], "debit", self.total, "USDT"),
            (account, CLEARING, "credit", self.total, "USDT"),
        )

    def waits(self):
        """What is wrong with its having a turn, if anything is."""
        return None if self.state in ("requested", "expired") else f"it is {self.state} and has no turn"

    def mined(self, txid):
        """What is wrong with a receipt of this transaction, if anything is."""
        alive = bool(self.attempts) and self.attempts[-1]["txid"] == txid and txid not in self.in_vain
        return None if alive else "it is not the attempt that was alive"


class Instruction(Leaving):
    """What one of our wallets is to do, and how it ended."""

    def __init__(self, order):
        super().__init__("given")
        self.order = order
        self.account = WALLETS[order["wallet"]]
        self.txid = None  # of the attempt that ended it

    def other(self, state):
        return None if state["instruction"] == self.order else "it is not what was given"

    def end(self, state, txid=None):
        self.state, self.txid, self.attempts = state, txid, []

    def booked(self, state):
        """The lines of what was to be done, with what its receipt says was burned, taken and returned."""
        act, account = self.order["act"], self.account
        fee = burned(state["burned_sun"], account)
        kind = act["act"]
        if kind == "send_token":
            amount, taken = act["amount_minor"], state["taken_minor"]
            return entry(
                ("treasury", IN_TRANSIT, "debit", amount - taken, "USDT"),
                ("treasury", "Network_Fee_Expense", "debit", taken, "USDT"),
                ("treasury", account, "credit", amount, "USDT"),
            ) + fee  # fmt: skip
        if kind == "send_trx":
            return moved(IN_TRANSIT, account, act["amount_sun"], "TRX") + fee
        if kind == "freeze":
            return moved("Staked_Asset", account, act["amount_sun"], "TRX") + fee
        if kind in ("unfreeze", "withdraw_unfrozen"):
            return moved(account, "Staked_Asset", state["returned_sun"], "TRX") + fee
        return fee  # lent energy is no coin


class Sweep:
    """One sweep: what it plans, how far it came, the instruction that it gave last, and those that lent it energy."""

    def __init__(self, plan):
        self.plan = plan
        self.number = plan["number"]
        self.state = "planned"
        self.given = None
        self.due = None  # the instruction that a step has announced, until it is given
        self.amount = None  # of the transfer
        self.loans = []
        self.released = False

    @property
    def closed(self):
        return self.state in ENDED and (self.released or not self.loans)

    def gives(self, order):
        """What is wrong with an instruction that serves the sweep, if anything is."""
        act = order["act"]
        if act["act"] == "undelegate":
            right = self.loans and act["receiver"] == self.plan["address"]
            return None if right else "it takes back what the sweep was never lent"
        if order["instruction_id"] != self.due:
            return "its sweep did not announce it"
        self.due = None
        if act["act"] == "delegate":
            self.loans.append(act)
        if self.state == "fuelled":
            sent = (order["owner"], act["to"], act.get("amount_minor", act.get("amount_sun")))
            if sent != (self.plan["address"], self.plan["to"], self.amount):
                return "it is not from the sweep's address to its destination, or another amount"
        elif (act.get("to") or act.get("receiver")) != self.plan["address"]:
            return "it brings another address what the sweep's lacks"
        return None


def burned(sun, wallet="Hot_Wallet_Asset"):
    return entry(("treasury", "Network_Fee_Expense", "debit", sun, "TRX"), ("treasury", wallet, "credit", sun, "TRX"))


def moved(to, source, amount, currency):
    """From one account of the treasury to another."""
    return entry(("treasury", to, "debit", amount, currency), ("treasury", source, "credit", amount, currency))


def tries(noun, check, find, proven):
    """The stories of the bytes by which a payout or an instruction is tried; `find` gives it by its stream.

    `proven` is the topic of the proof that such bytes are dead.
    """

    def prepared(stories, stream, _, state):
        return check, stories.prepare(stream, find(stories, stream), state["attempt"])

    def signed(stories, stream, _, state):
        return check, find(stories, stream).move(state["txid"], "prepared", "signed")

    def broadcast(stories, stream, _, state):
        return check, find(stories, stream).move(state["txid"], "signed", "broadcast")

    def expired(stories, stream, _, state):
        return check, find(stories, stream).expire(state["txid"], state["proof"])

    told = {"prepared/1": prepared, "signed/1": signed, "broadcast/1": broadcast, proven: expired}
    return {f"{noun}.{topic}".encode(): story for topic, story in told.items()}


STORIES = {
    **tries("payout", PAYOUTS, Stories.payout, "expired/2"),
    **tries("instruction", INSTRUCTIONS, Stories.instruction, "expired/1"),
    b"payout.expired/1": Stories.payout_expired_unproven,
    b"deposit.detected/1": Stories.detected,
    b"deposit.confirmed/1": Stories.confirmed,
    b"deposit.orphaned/1": Stories.orphaned,
    b"payout.requested/1": Stories.payout_requested,
    b"payout.requested/2": Stories.payout_requested,
    b"payout.refused/1": Stories.payout_refused,
    b"payout.refused/2": Stories.payout_refused,
    b"payout.waiting/1": Stories.payout_waiting,
    b"payout.expedited/1": Stories.payout_expedited,
    b"payout.approved/1": Stories.payout_approved,
    b"payout.cancelled/1": Stories.payout_cancelled,
    b"payout.confirmed/1": Stories.payout_confirmed,
    b"payout.failed/1": Stories.payout_failed,
    b"payout.attempt-failed/1": Stories.payout_attempt_failed,
    b"ledger-account.opened/1": Stories.opened,
    b"address.assigned/1": Stories.assigned,
    b"instruction.given/1": Stories.instruction_given,
    b"instruction.withdrawn/1": Stories.instruction_withdrawn,
    b"instruction.confirmed/1": Stories.instruction_confirmed,
    b"instruction.failed/1": Stories.instruction_failed,
    b"sweep.planned/1": Stories.sweep_planned,
    b"sweep.fuelling/1": Stories.sweep_fuelling,
    b"sweep.fuelled/1": Stories.sweep_fuelled,
    b"sweep.confirmed/1": Stories.sweep_confirmed,
    b"sweep.failed/1": Stories.sweep_failed,
    b"sweep.deferred/1": Stories.sweep_deferred,
    b"sweep.released/1": Stories.sweep_released,
    b"wallet.registered/1": Stories.registered,
    b"wallet.rotation-asked/1": Stories.rotation_asked,
    b"wallet.rotation-given-up/1": Stories.rotation_given_up,
    b"wallet.rotation-begun/1": Stories.rotation_begun,
    b"wallet.retired/1": Stories.retired,
    b"seed.rotation-asked/1": Stories.seed_rotation_asked,
    b"seed.rotated/1": Stories.seed_rotated,
    b"wallet.permissions-declared/1": Stories.permissions_declared,
    b"wallet.permissions-approved/1": Stories.permissions_approved,
    b"wallet.permissions-differ/1": Stories.permissions_differ,
    b"address.quarantined/1": Stories.quarantined,
    b"address.released/1": Stories.released,
    b"token.funds-destroyed/2": Stories.destroyed,
    b"store.restored/1": Stories.store_restored,
    b"wallet.outgoing-unexplained/1": Stories.outgoing_unexplained,
    b"lost-outgoing.found/1": Stories.lost_found,
    b"lost-outgoing.attributed/1": Stories.lost_attributed,
    b"lost-outgoing.written-off/1": Stories.lost_written_off,
    b"transfer.posted/1": Stories.transferred,
    b"transfer.refused/1": Stories.refused_once,
    b"adjustment.posted/1": Stories.adjusted_once,
    b"command.refused/1": Stories.refused_once,
    b"command.refusals-counted/1": Stories.refused_once,
}
"""What must be true of an event beside its lines."""

FORMAT_LEVEL = 2
"""Up to this level it knows what events may be: behind the event that raises a later one, a newer version wrote."""

PLAIN = frozenset(
    b"""
    account.registered/1 account.renamed/1 account.suspended/1 account.reactivated/1 account.webhook-url-changed/1
    account.webhook-disabled/1 account.webhook-secret-rotated/1 account.transfer-consent-changed/1
    payin.requested/1 payin.disabled/1
    signing.stopped/1 signing.stopped/2 signing.cause-ended/1 signing.cause-ended/2 signing.resumed/1
    signing.permissions-agreed/1
    token.paused/1 token.unpaused/1 token.deprecated/1 token.fee-changed/1 token.address-blacklisted/1
    token.address-cleared/1 token.funds-destroyed/1 wallet.permission-changed/1
    store.named/1 store.is-older/1 store.position-told/1 store.proven/1 store.backup-taken/1 evacuation.begun/1
    block.accepted/1 period.ended/1 event.settled/1 account.payouts-frozen/1 account.payouts-unfrozen/1
    format.raised/1
    """.split()
)
"""Events that move nothing and bind nothing: they are known, and have no story to check."""


# A receipt -----------------------------------------------------------------------------------------------------------


def check_receipt(receipt, keys):
    """-> the time of the checkpoint that proves it. Raises ValueError."""
    if sha256(receipt["entry"].encode()).hexdigest() != receipt["entry_hash"]:
        raise ValueError("the entry is not the one whose hash the receipt names")
    if receipt.get("note") is None:
        raise ValueError("no checkpoint covers the entry yet: ask for the receipt again after the next one")
    origin, number, when, root = open_note(receipt["note"], keys).splitlines()
    if not origin.endswith("/receipts") or int(number) != receipt["checkpoint"]:
        raise ValueError("the note is not of the checkpoint that the receipt names")
    path = [bytes.fromhex(step) for step in receipt["path"]]
    if 1 << len(path) != RECEIPT_LEAVES or not 0 <= receipt["index"] < RECEIPT_LEAVES:
        raise ValueError("the path has not the length of a receipt tree")
    hashed, place = sha256(b"\x00" + bytes.fromhex(receipt["salt"] + receipt["entry_hash"])).digest(), receipt["index"]
    for sibling in path:
        hashed = node(sibling, hashed) if place & 1 else node(hashed, sibling)
        place >>= 1
    if hashed != base64.b64decode(root):
        raise ValueError("the path leads to another root than the one that was signed")
    return when


# A statement ---------------------------------------------------------------------------------------------------------


def check_statement(file, keys):
    """-> what was signed of it. Raises ValueError."""
    if file.startswith(b'{"statement":'):
        form = "json"
        body, _, rest = file[len(b'{"statement":') :].rpartition(b',"signature":')
        note = json.loads(rest.rstrip()[:-1])
        add_up(json.loads(body))
    else:
        form = "csv"
        lines = file.splitlines(keepends=True)
        body = b"".join(line for line in lines if not line.startswith(b"# "))
        note = b"".join(line[2:] for line in lines if line.startswith(b"# ")).decode()
    if not note or "\n\n" not in note:
        raise ValueError("it is not signed: its period was not over")
    text = open_note(note, keys)
    if text.splitlines()[-1] != f"{form} sha256 {sha256(body).hexdigest()}":
        raise ValueError("it is not the file that was signed")
    return text


def add_up(statement):
    """Every account's lines lead from its opening balance over each running balance to its closing one."""
    kinds = {(held["ledger_account"], held["currency"]): held["type"] for held in statement["balances"]}
    balances = {(held["ledger_account"], held["currency"]): held["opening_minor"] for held in statement["balances"]}
    for line in statement["lines"]:
        key = (line["ledger_account"], line["currency"])
        grows = (line["side"] == "debit") == (kinds[key] in DEBIT_NORMAL)
        balances[key] += line["amount_minor"] if grows else -line["amount_minor"]
        if balances[key] != line["balance_minor"]:
            raise ValueError(f"the line of {line['at']} does not lead to its balance")
    for held in statement["balances"]:
        if balances[held["ledger_account"], held["currency"]] != held["closing_minor"]:
            raise ValueError(f"the lines of {held['ledger_account']} do not lead to its closing balance")


# The command line ----------------------------------------------------------------------------------------------------

READERS = (Books, Receipts, Hashes)


def read(reader, options):
    """-> what is left of a reader when it has read: its findings, and what the reader of hashes says beside them."""
    made = reader(options)
    made.read(options.file)
    return made.result()


def verify_history(options):
    """Every reader in a process of its own -> whether everything holds, and is signed."""
    began = time.monotonic()
    with multiprocessing.Pool(len(READERS)) as pool:
        readers = pool.starmap(read, [(reader, options) for reader in READERS])
    seconds = time.monotonic() - began
    found = [reader.findings for reader in reversed(readers)]
    proven, sentence = judge(readers[-1], all(findings.ok for findings in found), options)
    if options.json:
        show_json(readers[-1], found, proven, sentence)
        return proven
    for findings in found:
        for check, wrong in findings.checks.items():
            if check in (ARCHIVE, KEPT) and not (options.archive if check == ARCHIVE else options.seen):
                continue
            print(f"{'WRONG' if wrong else 'holds' if findings.seen[check] else 'none '}  {check}")
            for position, told in wrong:
                print(f"         position {position}: {told}")
            if findings.more[check]:
                print(f"         and {findings.more[check]} more")
    for findings in found:
        for note in findings.notes:
            print(f"note   {note}")
    if readers[-1].made_at:
        print(f"note   the export says that it was made at {readers[-1].made_at}")
    print(f"{sentence} ({seconds:.1f} s)")
    return proven


def judge(hashes, holds, options):
    """-> (whether this proves the history, the sentence that says so): what nobody signed is no success."""
    head, (signed, when) = hashes.position, hashes.signed
    if not holds:
        return False, "something does not hold"
    if not hashes.counts["events"]:
        return False, "NOT PROVEN: the export holds no event, so there is nothing that could hold"
    if not options.key:
        return False, "NOT PROVEN: without --key nobody that you know has signed this; what it says of itself holds"
    if signed == head:
        return True, f"everything holds, and is signed up to its last position {head}, at {when}"
    behind = f"positions {signed + 1} to {head} are signed by nobody"
    if not signed:
        return False, f"NOT PROVEN: {behind}; export again when there is a checkpoint"
    if options.unsigned_tail is None:
        return False, (
            f"NOT PROVEN: {behind}; what holds is signed up to {signed}, at {when}."
            " Export again after the next checkpoint, or allow a young end with --unsigned-tail SECONDS"
        )
    if not hashes.made_at:
        return False, f"NOT PROVEN: {behind}, and the export does not say when it was made"
    age = (moment(hashes.made_at) - moment(when)).total_seconds()
    if not 0 <= age <= options.unsigned_tail:
        return False, (
            f"NOT PROVEN: {behind}; by what the export says it was made {age:,.0f} s after the last checkpoint,"
            f" at {hashes.made_at}, and {options.unsigned_tail} s are allowed"
        )
    return True, (
        f"everything holds, and is signed up to position {signed}, at {when};"
        f" {behind}, as you allowed of an export made {age:,.0f} s later"
    )


def moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def show_json(hashes, found, proven, sentence):
    told = {
        check: [{"position": position, "wrong": sentence} for position, sentence in wrong]
        for findings in found
        for check, wrong in findings.checks.items()
    }
    facts = {
        "holds": proven,
        "verdict": sentence,
        "head": hashes.position,
        "signed_to": hashes.signed[0],
        "signed_at": hashes.signed[1] or None,
        "made_at": hashes.made_at,
        "checks": told,
        "none": [check for findings in found for check, seen in findings.seen.items() if not seen],
        "notes": [note for findings in found for note in findings.notes],
    }
    print(json.dumps(facts, indent=2))


def verify_receipt(options):
    if not options.key:
        raise SystemExit("a receipt is checked with --key")
    receipt = json.loads(Path(options.file).read_text(encoding="utf-8"))
    try:
        when = check_receipt(receipt, [Key(text) for text in options.key])
    except MISSHAPEN as error:
        print(f"WRONG  {error}")
        return False
    print(f"holds  signed at {when}, checkpoint {receipt['checkpoint']}:\n{receipt['entry']}")
    return True


def verify_statement(options):
    if not options.key:
        raise SystemExit("a statement is checked with --key")
    try:
        text = check_statement(Path(options.file).read_bytes(), [Key(text) for text in options.key])
    except MISSHAPEN as error:
        print(f"WRONG  {error}")
        return False
    print(f"holds  {text}")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in (
        ("history", "an export, in full"),
        ("receipt", "one receipt of a client"),
        ("statement", "a signed statement"),
    ):
        command = commands.add_parser(name, help=summary)
        command.add_argument("file")
        command.add_argument("--key", action="append", default=[], help="a verifier key; several if one was replaced")
        if name == "history":
            command.add_argument("--archive", help="the folder of archived checkpoints")
            command.add_argument("--seen", action="append", default=[], help="a checkpoint that you kept; several")
            command.add_argument(
                "--unsigned-tail", type=int, metavar="SECONDS", help="how young an unsigned end may be"
            )
            command.add_argument("--json", action="store_true", help="findings as JSON")
    options = parser.parse_args()
    if getattr(options, "archive", None):
        options.key = with_endorsed(options.key, options.archive)
    run = {"history": verify_history, "receipt": verify_receipt, "statement": verify_statement}[options.command]
    try:
        holds = run(options)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
