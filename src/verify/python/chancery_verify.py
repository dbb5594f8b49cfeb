#!/usr/bin/env python3
"""A second verifier, in nothing but the standard library: small enough to be read before it is trusted.

    chancery_verify.py [--key FILE] [--archive DIRECTORY] DIRECTORY|BUNDLE        exit 0 whole, 1 not, 2 wrong usage

Checks every leaf hash, every tile, the root and the signature of the checkpoint (RFC 6962, C2SP tlog-tiles, signed-note, RFC 8032), the
envelope and canonical form of each event (RFC 8785), dense positions and stream versions, time that never goes back, and that no code is
redeemed twice, no offer after five wrong transaction codes, and nothing is issued after its grant has ended. The larger rules are left to chancery-verify.
"""
import base64, hashlib, json, os, sys

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


ARCHIVE = []  # where files are that are not in the export: those of events that were moved out of the log


class Bad(Exception):
    pass


def add(p, q):  # extended coordinates, RFC 8032 §5.1.4
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def point(text):  # RFC 8032 §5.1.3
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def ed25519(public, message, signature):  # RFC 8032 §5.1.7
    a, r, s = point(public), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    return same(times(s, point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))), add(r, times(k, a)))


def sha(data):
    return hashlib.sha256(data).digest()


def fold(hashes):  # the root over hashes of complete subtrees of one height: RFC 6962 §2.1, odd ones wait
    while len(hashes) > 1:
        pairs = [sha(b"\1" + hashes[i] + hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2:]
    return hashes[0] if hashes else sha(b"")


def tree(hashes):  # the root over hashes of leaves: RFC 6962 §2.1
    if len(hashes) <= 1:
        return hashes[0] if hashes else sha(b"")
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return sha(b"\1" + tree(hashes[:middle]) + tree(hashes[middle:]))


def path(level, index, width):
    n = "%03d" % (index % 1000)
    while index >= 1000:
        index //= 1000
        n = "x%03d/%s" % (index % 1000, n)
    return "tile/%s/%s%s" % (level, n, "" if width == 256 else ".p/%d" % width)


def parse_key(vkey):  # C2SP signed-note, verifier keys
    name, key_id, key = vkey.strip().split("+", 2)
    key = base64.b64decode(key, validate=True)
    if len(key) != 33 or key[0] != 1 or sha(name.encode() + b"\n" + key)[:4].hex() != key_id:
        raise ValueError("no Ed25519 key: " + vkey)
    return name, bytes.fromhex(key_id), key[1:]


def checkpoint(note):
    try:
        text, signatures = note.decode().rsplit("\n\n", 1)
        origin, size, root = text.split("\n")[:3]
        lines = [line.split(" ") for line in signatures.strip("\n").split("\n")]
        signed = [(name, base64.b64decode(value, validate=True)) for dash, name, value in lines if dash == "\u2014"]
        return (text + "\n").encode(), origin, int(size), base64.b64decode(root, validate=True), signed
    except ValueError as why:
        raise Bad("the checkpoint cannot be read: %s" % why)


def check_signature(note, keys):
    text, origin, size, _, signed = note
    for name, key_id, public in keys:
        own = [value for who, value in signed if who == name == origin and value[:4] == key_id]
        if own and all(ed25519(public, text, value[4:]) for value in own):
            return
    raise Bad("no key vouches for the checkpoint of %d events" % size)


def canonical(text):
    def members(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a member is there twice")
        return dict(sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass")))

    value = json.loads(text, object_pairs_hook=members, parse_float=lambda _: 1 / 0)
    if json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() != text:
        raise ValueError("it is not canonical")
    return value


class Log:
    def __init__(self):
        self.time, self.versions, self.redeemed, self.ended, self.keys, self.roots = 0, {}, set(), set(), {}, []
        self.wrong = {}  # transaction codes, by offer

    def event(self, position, leaf, whole=True):
        try:
            event = canonical(leaf)
            stream, kind, data = event["stream"], event["type"], event["data"]
            checks = [(event["position"] == position, "the event says another position")]
            if whole:
                checks += [
                    (event["version"] == self.versions.get(stream, 0) + 1, "the version does not follow that of its stream"),
                    (event["recorded_at"] >= self.time, "the time goes back"),
                    ((kind == "LogCreated") == (position == 0), "LogCreated stands elsewhere than at the beginning"),
                    (stream not in self.redeemed or kind != "CodeRedeemed", "a code was redeemed a second time"),
                    (self.wrong.get(stream, 0) < 5 or kind == "CredentialOfferReplayed", "%s follows 5 wrong transaction codes" % kind),
                    (stream not in self.ended or kind == "MisuseRefused", "%s follows the end of its grant" % kind),
                ]
            self.versions[stream], self.time = event["version"], event["recorded_at"]
            self.redeemed |= {stream} if kind == "CodeRedeemed" else set()
            if kind == "TransactionCodeRefused":
                self.wrong[stream] = self.wrong.get(stream, 0) + 1
            self.ended |= {stream} if kind == "GrantEnded" else set()
            if kind == "LogKeyCreated":
                self.keys[data["key_id"]] = parse_key(data["vkey"])
            if kind == "LogKeyRetired":
                self.keys.pop(data["key_id"], None)
            if kind in ("SegmentArchived", "LogMoved"):  # roots that events name
                size = data["until" if kind == "SegmentArchived" else "size"]
                checks.append((0 <= size <= position, "it names the root of events that did not stand before it"))
                self.roots.append((position, size, bytes.fromhex(data["root"])))
        except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as why:
            raise Bad("position %d: %s" % (position, why))
        for holds, what in checks:
            if not holds:
                raise Bad("position %d: %s" % (position, what))


def read(root, name):
    at = os.path.join(root, name)
    try:
        with open(at if os.path.exists(at) or not ARCHIVE else os.path.join(ARCHIVE[0], name), "rb") as file:
            return file.read()
    except OSError as why:
        raise Bad("%s: %s" % (name, why.strerror))


def directory(root, keys):
    note, log = checkpoint(read(root, "checkpoint")), Log()
    _, origin, size, expected, _ = note
    hashes, position = [], 0
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        entries, tile, at = read(root, path("entries", index, width)), read(root, path(0, index, width)), 0
        for n in range(width):
            length = int.from_bytes(entries[at:at + 2], "big")
            leaf, at = entries[at + 2:at + 2 + length], at + 2 + length
            if at > len(entries) or sha(b"\0" + leaf) != tile[n * 32:n * 32 + 32]:
                raise Bad("position %d: the bytes of the event do not have the hash of %s" % (position, path(0, index, width)))
            log.event(position, leaf)
            position += 1
        if at != len(entries) or len(tile) != width * 32:
            raise Bad("position %d: the tile has more than it should" % position)
        hashes.append([tile[n:n + 32] for n in range(0, len(tile), 32)])
    level, tiles, spine = 0, hashes, []  # spine: what no full tile above counts, lowest first
    while tiles:
        full = [fold(tile) for tile in tiles if len(tile) == 256]
        spine.append(tiles[-1] if len(tiles[-1]) < 256 else [])
        level, tiles = level + 1, [full[n:n + 256] for n in range(0, len(full), 256)]
        for index, tile in enumerate(tiles):
            if read(root, path(level, index, len(tile))) != b"".join(tile):
                raise Bad("position %d: %s differs from the tiles below" % (index << 8 * (level + 1), path(level, index, len(tile))))
    parts = []  # complete subtrees of all levels, largest first
    for level, rest in reversed(list(enumerate(spine))):
        while rest:
            length = 1 << (len(rest).bit_length() - 1)
            parts, rest = parts + [fold(rest[:length])], rest[length:]
    right = parts.pop() if parts else sha(b"")
    while parts:
        right = sha(b"\1" + parts.pop() + right)
    if right != expected:
        raise Bad("the events hash to %s, the checkpoint says %s" % (right.hex(), expected.hex()))
    for position, count, named in log.roots:
        if tree([one for tile in hashes[:count // 256 + 1] for one in tile][:count]) != named:
            raise Bad("position %d: it says that the first %d events have the root %s, and they have another" % (position, count, named.hex()))
    check_signature(note, keys or list(log.keys.values()))
    return "The log %s is whole: %d events, root %s" % (origin, size, right.hex())


def bundle(name, keys):
    try:
        file = json.loads(read("", name))
        note, log = checkpoint(file["checkpoint"].encode()), Log()
        check_signature(note, keys or [parse_key(key) for key in file["keys"]])
        for event in file["events"]:
            at, last, node = event["position"], note[2] - 1, sha(b"\0" + event["leaf"].encode())
            for beside in (base64.b64decode(one, validate=True) for one in event["path"]):  # RFC 9162 §2.1.3.2
                if at & 1 or at == last:
                    node = sha(b"\1" + beside + node)
                    while not at & 1 and at:
                        at, last = at >> 1, last >> 1
                else:
                    node = sha(b"\1" + node + beside)
                at, last = at >> 1, last >> 1
            if last or node != note[3]:
                raise Bad("position %d: the event does not stand there in the log" % event["position"])
            log.event(event["position"], event["leaf"].encode(), whole=False)
    except (ValueError, KeyError, TypeError, AttributeError) as why:
        raise Bad("this is not a bundle: %s" % why)
    return "%d events are in the log %s of %d events" % (len(file["events"]), note[1], note[2])


def main(args):
    keys = []
    while args[:1] in (["--key"], ["--archive"]) and len(args) > 2:
        if args[0] == "--archive":
            ARCHIVE[:] = [args[1]]
        else:
            with open(args[1]) as file:
                keys = [parse_key(line) for line in file if line.strip() and not line.startswith("#")]
        args = args[2:]
    if len(args) != 1 or args[0].startswith("-") or not os.path.exists(args[0]):
        sys.exit(print(__doc__, file=sys.stderr) or 2)
    try:
        print(directory(args[0], keys) if os.path.isdir(args[0]) else bundle(args[0], keys))
    except Bad as why:
        sys.exit(print("NOT WHOLE: %s" % why, file=sys.stderr) or 1)


if __name__ == "__main__":
    main(sys.argv[1:])
