"""secp256k1 by the book (SEC 1, 4.1.6), in integers: a second opinion on signatures that shares no code with any library."""

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
Point = tuple[int, int] | None
"""None is the point at infinity."""


def add(left: Point, right: Point) -> Point:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = 3 * x1 * x1 * pow(2 * y1, -1, P) if left == right else (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def multiply(factor: int, point: Point) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point, factor = add(point, point), factor >> 1
    return total


def recovered(digest: bytes, r: int, s: int) -> list[bytes]:
    """The uncompressed public keys whose signature over the digest this may be, by recovery id 0 and 1."""
    found = []
    square = (pow(r, 3, P) + 7) % P
    root = pow(square, (P + 1) // 4, P)
    assert root * root % P == square, "r is no x of a point"
    e = int.from_bytes(digest, "big")
    for odd in (0, 1):
        y = root if root % 2 == odd else P - root
        inverse = pow(r, -1, N)
        point = add(multiply(s * inverse % N, (r, y)), multiply(-e * inverse % N, G))
        assert point is not None
        found.append(b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))
    return found
