# SPDX-License-Identifier: MIT
"""Makes the files of tests/pictures and expected.tsv, which says what each must give.

    python3 tests/reference/pictures.py tests/pictures [--newer PYTHON]

Run by hand with Pillow 9.4 (the reference) and pillow_heif 0.9 (whose libheif is Debian 12's) and, as PYTHON, an
interpreter with the newest Pillow, pillow_heif and pillow_jxl for what 9.4 does not read or make; cjpeg of
libjpeg-turbo makes JPEG that Pillow does not. The tests themselves need no Python. Every picture is made here.
"""
import base64
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zlib

import PIL
from PIL import Image

W, H = 13, 9
rows = []  # (file, what, reference, result)
out_dir = None
newer = None  # interpreter
unread = []  # what no Pillow reads although it should


# -- What the reference says ---------------------------------------------------------------------------------------

JUDGE = """
import hashlib, io, json, sys, warnings
warnings.simplefilter("ignore")
import PIL
from PIL import Image, ImageFile, ImageOps
for plugin in ("pillow_heif", "pillow_jxl"):
    try:
        module = __import__(plugin)
        getattr(module, "register_heif_opener", lambda: None)()
    except ImportError:
        pass
ImageFile.LOAD_TRUNCATED_IMAGES = LENIENT
try:
    im = Image.open(sys.argv[1])
    frames = getattr(im, "n_frames", 1)
    rgb = ImageOps.exif_transpose(im).convert("RGB")
    print(json.dumps(["%dx%d %s %s" % (*rgb.size, hashlib.sha256(rgb.tobytes()).hexdigest(),
                                       "animated" if frames > 1 else "still"), PIL.__version__]))
except Exception as e:
    print(json.dumps([None, type(e).__name__ + ": " + str(e)]))
"""


def judge(python, path, lenient=False):
    code = JUDGE.replace("LENIENT", str(lenient))
    answer = subprocess.run([python, "-c", code, path], capture_output=True, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


def write(name, data):
    path = os.path.join(out_dir, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def row(name, what, reference, result):
    assert name not in [r[0] for r in rows], name
    rows.append((name, what, reference, result))


def equal(name, what, data, lenient=False, newest=False):
    """Pillow 9.4 reads it, or else the newest does."""
    path = write(name, data)
    result, version = (None, "") if newest else judge(sys.executable, path, lenient)
    if result is None:
        result, version = judge(newer, path, lenient)
    if not result:
        return unread.append((name, version))
    row(name, what, "Pillow " + version + (", lenient" if lenient else ""), result)


def same(name, what, data, like, note, lenient=False):
    """What Pillow does not read, or not rightly: the picture must be that of the bytes `like`."""
    write(name, data)
    path = write("like.tmp", like)
    result, version = judge(sys.executable, path)
    if result is None:
        result, version = judge(newer, path)
    os.remove(path)
    assert result, (name, version)
    row(name, what, "Pillow " + version + " of " + note + (", lenient" if lenient else ""), result)


def refused(name, what, data, part):
    write(name, data)
    row(name, what, "refused", part)


# -- The picture ---------------------------------------------------------------------------------------------------

def pixel(x, y):
    if 3 <= x < 7 and 2 <= y < 6:
        return (0, 128, 0)
    return (255 - x * 7, y * 9, x * y) if y < 5 else (x * 5, 20, 255 - y)


RGB = [pixel(x, y) for y in range(H) for x in range(W)]


def picture(mode="RGB", size=(W, H)):
    im = Image.new("RGB", (W, H))
    im.putdata(RGB)
    im = im.resize(size, Image.NEAREST) if size != (W, H) else im
    if mode in ("RGBA", "LA"):
        im = im.convert(mode)
        im.putalpha(Image.frombytes("L", size, bytes((i * 5) % 256 for i in range(size[0] * size[1]))))
        return im
    return im.convert(mode)


def saved(im, kind, **options):
    f = io.BytesIO()
    im.save(f, kind, **options)
    return f.getvalue()


PLAIN = None  # the picture as PNG, set in main


# -- EXIF and XMP ----------------------------------------------------------------------------------------------------

def exif(value, order="<", tag=0x0112, kind=3, count=1, entries=None, magic=None, offset=8):
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order] if magic is None else magic
    sizes = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
    extra = b""
    if kind in (5, 10):
        field = struct.pack(order + "I", offset + 2 + 12 + 4)
        extra = struct.pack(order + "II", value * 3, 3)
    else:
        field = (struct.pack(order + sizes[kind], value) * min(count, 2)).ljust(4, b"\0")[:4]
    entry = struct.pack(order + "HHI", tag, kind, count) + field
    entries = [entry] if entries is None else entries
    body = struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", 0) + extra
    return mark + struct.pack(order + "I", offset) + b"\0" * (offset - 8) + body


def entry(tag, kind, count, field, order="<"):
    return struct.pack(order + "HHI", tag, kind, count) + field


XMP = ('<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
       '"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" %s>'
       '%s</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>')
XMP_ATTRIBUTE = (XMP % ('tiff:Orientation="6"', "")).encode()
XMP_ELEMENT = (XMP % ("", "<tiff:Orientation>8</tiff:Orientation>")).encode()


def with_app1(jpeg, *bodies):
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(b)) + b for b in bodies) + jpeg[2:]


# -- PNG -------------------------------------------------------------------------------------------------------------

def chunk(kind, data, crc=None):
    sum_ = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", sum_)


def png_samples(colour, bits, x, y):
    r, g, b = pixel(x, y)
    grey, alpha = (r + g + b) // 3, (x * 20 + y * 3) % 256
    full = {0: [grey], 2: [r, g, b], 3: [(x + y) % min(1 << bits, 16)], 4: [grey, alpha], 6: [r, g, b, alpha]}[colour]
    if colour == 3:
        return full
    if bits == 16:
        return [v << 8 | (v * 7 & 255) for v in full]
    return [v >> (8 - bits) for v in full]


def pack_row(samples, bits):
    if bits == 16:
        return b"".join(struct.pack(">H", v) for v in samples)
    value = n = 0
    out = bytearray()
    for v in samples:
        value = value << bits | v
        n += bits
        if n == 8:
            out.append(value)
            value = n = 0
    if n:
        out.append(value << (8 - n))
    return bytes(out)


def png_rows(colour, bits, columns, lines, filters=None):
    step = max(1, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] * bits // 8)
    before, raw = None, b""
    for i, y in enumerate(lines):
        line = pack_row([v for x in columns for v in png_samples(colour, bits, x, y)], bits)
        kind = filters[i % len(filters)] if filters else 0
        up = before or bytes(len(line))
        coded = bytearray()
        for k, v in enumerate(line):
            a = line[k - step] if k >= step else 0
            b = up[k]
            c = up[k - step] if k >= step else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            coded.append((v - [0, a, b, (a + b) // 2, paeth][kind]) & 255)
        raw += bytes([kind]) + bytes(coded)
        before = line
    return raw


def png_data(colour, bits, interlaced=False, filters=None):
    if not interlaced:
        return png_rows(colour, bits, range(W), range(H), filters)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    return b"".join(png_rows(colour, bits, range(x, W, dx), range(y, H, dy), filters) for x, y, dx, dy in passes)


PALETTE = bytes(v for i in range(16) for v in (i * 16, 255 - i * 11, i * i))


def png(colour=2, bits=8, interlaced=False, filters=None, before=b"", after=b"", split=None, end=chunk(b"IEND", b""),
        palette=PALETTE, data=None, packed=None, header=None):
    head = header or struct.pack(">IIBBBBB", W, H, bits, colour, 0, 0, int(interlaced))
    packed = zlib.compress(data or png_data(colour, bits, interlaced, filters), 9) if packed is None else packed
    parts = [packed] if not split else [packed[i:i + split] for i in range(0, len(packed), split)]
    plte = chunk(b"PLTE", palette[:3 << bits]) if colour == 3 and palette else b""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + plte + before +
            b"".join(chunk(b"IDAT", p) for p in parts) + after + end)


def raw_profile(data):
    digits = data.hex()
    lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
    return ("\nexif\n%8d\n%s\n" % (len(data), lines)).encode()


def make_png():
    names = {0: "grey", 2: "colour", 3: "palette", 4: "grey and alpha", 6: "colour and alpha"}
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for bits in depths:
            for interlaced in (False, True):
                name = "png-%d-%d%s.png" % (colour, bits, "i" if interlaced else "")
                what = "PNG, %s, %d bits%s" % (names[colour], bits, ", interlaced" if interlaced else "")
                data = png(colour, bits, interlaced, filters=(0, 1, 2, 3, 4))
                if colour == 0 and bits == 16:
                    high = b"".join(b"\0" + bytes(sum(pixel(x, y)) // 3 for x in range(W)) for y in range(H))
                    same(name, what, data, png(0, 8, data=high), "its high bytes")
                else:
                    equal(name, what, data)
    equal("png-trns-palette.png", "PNG, palette with tRNS", png(3, 8, before=chunk(b"tRNS", b"\0\x80\xff\0")))
    equal("png-trns-grey.png", "PNG, grey with a transparent value", png(0, 8, before=chunk(b"tRNS", b"\0\x2a")))
    equal("png-trns-colour.png", "PNG, colour with a transparent one",
          png(2, 8, before=chunk(b"tRNS", struct.pack(">HHH", 0, 128, 0))))
    equal("png-short-palette.png", "PNG, more colours used than the palette has", png(3, 8, palette=PALETTE[:15]))
    equal("png-split.png", "PNG, its data in chunks of 7 bytes", png(split=7))
    equal("png-ancillary.png", "PNG, gamma, sRGB, background, time and an unknown chunk, all ignored",
          png(before=chunk(b"gAMA", struct.pack(">I", 20000)) + chunk(b"sRGB", b"\0") + chunk(b"bKGD", bytes(6)) +
              chunk(b"tIME", struct.pack(">HBBBBB", 2026, 11, 29, 1, 2, 3)) + chunk(b"prVt", b"data")))
    equal("png-ancillary-crc.png", "PNG, wrong checksum of the data only", png()[:-16] + b"\1\2\3\4" + png()[-12:])
    equal("png-no-iend.png", "PNG without IEND", png(end=b""))
    equal("png-cut-iend.png", "PNG cut in its last four bytes", png()[:-4])
    equal("png-cut-crc.png", "PNG cut behind its picture data", png()[:-16])
    equal("png-behind.png", "PNG with other bytes behind it", png() + b"more bytes")
    animation = chunk(b"acTL", struct.pack(">II", 2, 0))
    control = struct.pack(">IIIIHHBB", W, H, 0, 0, 1, 10, 0, 0)
    second = chunk(b"fcTL", struct.pack(">I", 1) + control) + chunk(
        b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(H * (W * 3 + 1))))
    equal("png-animated.png", "PNG, animated", png(before=animation + chunk(b"fcTL", struct.pack(">I", 0) + control),
                                                   after=second))
    equal("png-animated-apart.png", "PNG, an animation of one frame behind a picture of its own",
          png(before=chunk(b"acTL", struct.pack(">II", 1, 0)), after=chunk(b"fcTL", struct.pack(">I", 0) + control) +
              chunk(b"fdAT", struct.pack(">I", 1) + zlib.compress(bytes(H * (W * 3 + 1))))))
    equal("png-one-frame.png", "PNG, an animation of one frame",
          png(before=chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", struct.pack(">I", 0) + control)))
    for order, name in (("<", "little"), (">", "big")):
        for value in (range(1, 9) if order == ">" else (6,)):
            equal("png-exif-%s-%d.png" % (name, value), "PNG, eXIf, orientation %d, %s-endian" % (value, name),
                  png(before=chunk(b"eXIf", exif(value, order))))
    equal("png-exif-behind.png", "PNG, eXIf behind the data", png(after=chunk(b"eXIf", exif(8))))
    equal("png-exif-after-end.png", "PNG, eXIf behind its end", png(end=chunk(b"IEND", b"") + chunk(b"eXIf", exif(6))))
    equal("png-exif-mark.png", "PNG, eXIf that begins with the mark for JPEG",
          png(before=chunk(b"eXIf", b"Exif\0\0" + exif(6))), newest=True)
    profile = raw_profile(exif(6))
    key = b"Raw profile type exif\0"
    equal("png-raw-text.png", "PNG, EXIF as hexadecimal tEXt", png(before=chunk(b"tEXt", key + profile)))
    equal("png-raw-ztext.png", "PNG, EXIF as hexadecimal zTXt",
          png(before=chunk(b"zTXt", key + b"\0" + zlib.compress(profile))))
    equal("png-raw-itext.png", "PNG, EXIF as hexadecimal iTXt", png(before=chunk(b"iTXt", key + b"\0\0\0\0" + profile)))
    equal("png-raw-behind.png", "PNG, EXIF as hexadecimal zTXt behind the data",
          png(after=chunk(b"zTXt", key + b"\0" + zlib.compress(raw_profile(exif(3))))))
    equal("png-raw-and-exif.png", "PNG, eXIf and hexadecimal EXIF that differ",
          png(before=chunk(b"zTXt", key + b"\0" + zlib.compress(profile)) + chunk(b"eXIf", exif(3))))
    key = b"XML:com.adobe.xmp\0"
    equal("png-xmp.png", "PNG, orientation in XMP", png(before=chunk(b"iTXt", key + b"\0\0\0\0" + XMP_ATTRIBUTE)))
    equal("png-xmp-element.png", "PNG, orientation in XMP, as an element",
          png(before=chunk(b"iTXt", key + b"\0\0\0\0" + XMP_ELEMENT)))
    equal("png-xmp-packed.png", "PNG, orientation in compressed XMP",
          png(before=chunk(b"iTXt", key + b"\1\0\0\0" + zlib.compress(XMP_ATTRIBUTE))))
    equal("png-xmp-and-exif.png", "PNG, EXIF and XMP that differ",
          png(before=chunk(b"iTXt", key + b"\0\0\0\0" + XMP_ATTRIBUTE) + chunk(b"eXIf", exif(3))))
    plain = zlib.compress(bytes(1000 * 126), 9)
    equal("png-plain-large.png", "PNG of 1000 x 1000 in about 200 bytes",
          png(header=struct.pack(">IIBBBBB", 1000, 1000, 1, 0, 0, 0, 0), packed=plain))
    packed = bytearray(zlib.compress(png_rows(2, 8, list(range(W)) * 16, [0] * 40), 9))
    packed[0] = 0x18  # a window of 512 bytes, although the data reach further back
    packed[1] = packed[1] & 0xe0 | 31 - (packed[0] << 8 | packed[1] & 0xe0) % 31
    equal("png-window.png", "PNG, data that announce a smaller window than they use",
          png(header=struct.pack(">IIBBBBB", W * 16, 40, 8, 2, 0, 0, 0), packed=bytes(packed)))
    refused("png-short-data.png", "PNG whose data hold fewer rows than announced",
            png(data=png_data(2, 8)[:-30]), "damaged: its data cannot be unpacked")
    cut = png(filters=(2,))[:150]
    refused("png-cut.png", "PNG cut in its data", cut, "truncated")
    equal("png-cut-lenient.png", "PNG cut in its data, read leniently", cut, lenient=True)
    flipped = bytearray(png())
    flipped[60] ^= 4
    refused("png-flipped.png", "PNG with a bit flipped in its data", bytes(flipped), "checksums of its data")
    flipped = bytearray(png())
    flipped[30] ^= 4
    refused("png-header-crc.png", "PNG with a wrong checksum of its header", bytes(flipped), "checksum in its IHDR")
    refused("png-cgbi.png", "PNG from an iPhone app's bundle (CgBI)",
            png()[:8] + chunk(b"CgBI", b"\x50\x00\x20\x02") + png()[8:], "CgBI")
    bomb = struct.pack(">IIBBBBB", 13377, 13377, 16, 6, 0, 0, 0)
    refused("png-bomb.png", "PNG of few bytes that announces 13377 x 13377", png(header=bomb, packed=b"x\x9c\3\0\0\0\0\1"),
            "cannot hold 13377 x 13377")
    refused("png-huge.png", "PNG that announces 20000 x 20000",
            png(header=struct.pack(">IIBBBBB", 20000, 20000, 1, 0, 0, 0, 0)), "too large")
    refused("png-empty.png", "PNG of size 0", png(header=struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)), "size is 0 x 5")
    refused("png-kind.png", "PNG with a colour type that does not exist",
            png(header=struct.pack(">IIBBBBB", W, H, 8, 5, 0, 0, 0)), "damaged")
    refused("png-mark-only.png", "PNG's mark alone", b"\x89PNG\r\n\x1a\n", "truncated")


# -- JPEG ------------------------------------------------------------------------------------------------------------

def make_jpeg():
    rgb, big = picture(), picture(size=(40, 37))
    for name, sub in (("444", 0), ("422", 1), ("420", 2)):
        for progressive in (False, True):
            equal("jpeg-%s%s.jpg" % (name, "p" if progressive else ""),
                  "JPEG, 4:%s:%s%s" % (name[1], name[2], ", progressive" if progressive else ""),
                  saved(big, "JPEG", quality=80, subsampling=sub, progressive=progressive))
    equal("jpeg-grey.jpg", "JPEG, grey", saved(picture("L"), "JPEG"))
    equal("jpeg-grey-progressive.jpg", "JPEG, grey, progressive", saved(picture("L"), "JPEG", progressive=True))
    equal("jpeg-cmyk.jpg", "JPEG, CMYK as Adobe's programs store it", saved(picture("CMYK"), "JPEG"))
    equal("jpeg-cmyk-progressive.jpg", "JPEG, CMYK, progressive", saved(picture("CMYK"), "JPEG", progressive=True))
    equal("jpeg-optimized.jpg", "JPEG, Huffman tables of its own", saved(big, "JPEG", optimize=True, quality=30))
    equal("jpeg-restart.jpg", "JPEG with restart marks", newer_save("JPEG", restart_marker_blocks=2))
    equal("jpeg-rgb.jpg", "JPEG, RGB kept as RGB", newer_save("JPEG", keep_rgb=True))
    for sampling in ("4x1", "1x2", "4x2", "1x4", "2x2,1x2,2x1"):
        equal("jpeg-%s.jpg" % sampling.replace(",", "-"), "JPEG, brightness sampled %s" % sampling,
              cjpeg(big, "-sample", sampling))
    equal("jpeg-arithmetic.jpg", "JPEG, arithmetic coding", cjpeg(big, "-arithmetic"))
    equal("jpeg-arithmetic-progressive.jpg", "JPEG, arithmetic coding, progressive",
          cjpeg(big, "-arithmetic", "-progressive"))
    base = saved(rgb, "JPEG", quality=85)
    equal("jpeg-scans.jpg", "JPEG, not progressive, a scan for each colour", cjpeg(big, "-scans", scans("0; 1; 2;")))
    at = base.index(b"\xff\xda")
    after = at + 2 + struct.unpack(">H", base[at + 2:at + 4])[0]
    equal("jpeg-zero-scan.jpg", "JPEG, not progressive, with zeros for the scan's range",
          base[:after - 3] + bytes(3) + base[after:])
    equal("jpeg-odd-size.jpg", "JPEG, 4:2:0 of 1 x 1", saved(picture(size=(1, 1)), "JPEG", subsampling=2))
    equal("jpeg-junk.jpg", "JPEG with bytes that are no marker before its EXIF",
          base[:20] + b"\0\1" + with_app1(base, b"Exif\0\0" + exif(6))[2:])
    equal("jpeg-behind.jpg", "JPEG with other bytes behind it", base + b"more bytes")
    equal("jpeg-filling.jpg", "JPEG with filling before a marker", base[:2] + b"\xff\xff\xff" + base[2:])
    same("jpeg-no-end.jpg", "JPEG without end mark", base[:-2], base, "the whole file")
    whole = saved(big, "JPEG", progressive=True, quality=80)
    same("jpeg-no-end-progressive.jpg", "JPEG, progressive, without end mark", whole[:-2], whole, "the whole file")
    app1 = b"Exif\0\0"
    for value in range(1, 9):
        equal("jpeg-exif-%d.jpg" % value, "JPEG, EXIF, orientation %d" % value, with_app1(base, app1 + exif(value)))
    equal("jpeg-exif-big.jpg", "JPEG, EXIF, big-endian", with_app1(base, app1 + exif(6, ">")))
    equal("jpeg-exif-long.jpg", "JPEG, EXIF, orientation as LONG", with_app1(base, app1 + exif(6, kind=4)))
    equal("jpeg-exif-signed.jpg", "JPEG, EXIF, orientation as SSHORT", with_app1(base, app1 + exif(6, kind=8)))
    equal("jpeg-exif-byte.jpg", "JPEG, EXIF, orientation as BYTE", with_app1(base, app1 + exif(6, kind=1)))
    equal("jpeg-exif-rational.jpg", "JPEG, EXIF, orientation as RATIONAL", with_app1(base, app1 + exif(6, kind=5)))
    equal("jpeg-exif-two.jpg", "JPEG, EXIF, two values of orientation", with_app1(base, app1 + exif(6, count=2)))
    equal("jpeg-exif-nine.jpg", "JPEG, EXIF, orientation 9", with_app1(base, app1 + exif(9)))
    equal("jpeg-exif-zero.jpg", "JPEG, EXIF, orientation 0", with_app1(base, app1 + exif(0)))
    equal("jpeg-exif-far.jpg", "JPEG, EXIF, directory at offset 30", with_app1(base, app1 + exif(6, offset=30)))
    equal("jpeg-exif-magic.jpg", "JPEG, EXIF, number 42 in the other byte order",
          with_app1(base, app1 + exif(6, magic=b"II\0*")))
    strings = entry(0x010f, 2, 40, struct.pack("<I", 9999))  # points behind the end
    three = struct.pack("<H", 6) + b"\0\0"
    equal("jpeg-exif-odd.jpg", "JPEG, EXIF, an entry before it that points nowhere",
          with_app1(base, app1 + exif(6, entries=[strings, entry(0x0112, 3, 1, three)])))
    equal("jpeg-exif-twice.jpg", "JPEG, EXIF, orientation given twice",
          with_app1(base, app1 + exif(6, entries=[entry(0x0112, 3, 1, b"\3\0\0\0"), entry(0x0112, 3, 1, three)])))
    equal("jpeg-exif-cut.jpg", "JPEG, EXIF that is cut off behind the orientation",
          with_app1(base, app1 + exif(6, entries=[entry(0x0112, 3, 1, three), strings])[:24]))
    equal("jpeg-exif-double-head.jpg", "JPEG, EXIF with its mark twice", with_app1(base, app1 * 2 + exif(6)), newest=True)
    parts = exif(6, offset=60)
    equal("jpeg-exif-parts.jpg", "JPEG, EXIF in two segments",
          with_app1(base, app1 + parts[:40], app1 + parts[40:]), newest=True)
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    equal("jpeg-xmp.jpg", "JPEG, orientation in XMP", with_app1(base, xmp + XMP_ATTRIBUTE), newest=True)
    equal("jpeg-xmp-element.jpg", "JPEG, orientation in XMP, as an element",
          with_app1(base, xmp + XMP_ELEMENT), newest=True)
    equal("jpeg-xmp-and-exif.jpg", "JPEG, EXIF and XMP that differ",
          with_app1(base, xmp + XMP_ATTRIBUTE, app1 + exif(3)), newest=True)
    equal("jpeg-xmp-and-plain-exif.jpg", "JPEG, orientation in XMP, none in EXIF",
          with_app1(base, app1 + exif(1, tag=0x0110), xmp + XMP_ATTRIBUTE), newest=True)
    large = saved(big, "JPEG", quality=95)
    refused("jpeg-cut.jpg", "JPEG cut in its data", large[:-200], "truncated")
    equal("jpeg-cut-lenient.jpg", "JPEG cut in its data, read leniently", large[:-200], lenient=True)
    refused("jpeg-cut-progressive.jpg", "JPEG, progressive, cut between scans", whole[:400], "truncated")
    equal("jpeg-cut-progressive-lenient.jpg", "JPEG, progressive, cut between scans, read leniently",
          whole[:400], lenient=True)
    at = base.index(b"\xff\xc0")
    refused("jpeg-12-bits.jpg", "JPEG with 12 bits a sample", base[:at + 4] + b"\x0c" + base[at + 5:], "precision")
    refused("jpeg-huge.jpg", "JPEG that announces 32767 x 32767",
            base[:at + 5] + b"\x7f\xff\x7f\xff" + base[at + 9:], "too large")
    refused("jpeg-bomb.jpg", "JPEG of few bytes that announces 13000 x 13000",
            base[:at + 5] + struct.pack(">HH", 13000, 13000) + base[at + 9:], "too few for 13000 x 13000")
    refused("jpeg-mark-only.jpg", "JPEG's mark alone", b"\xff\xd8\xff", "JPEG")


def cjpeg(im, *options):
    pnm_ = saved(im, "PPM")
    return subprocess.run(["cjpeg", "-quality", "75", *options], input=pnm_, capture_output=True, check=True).stdout


def scans(text):
    path = os.path.join(out_dir, "scans.tmp")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


NEWER_SAVE = """
import io, sys, base64, json
from PIL import Image
for plugin in ("pillow_heif", "pillow_jxl"):
    module = __import__(plugin)
    getattr(module, "register_heif_opener", lambda: None)()
ims = [Image.open(io.BytesIO(base64.b64decode(b))) for b in IMAGES]
f = io.BytesIO()
options = OPTIONS
if len(ims) > 1:
    options.update(save_all=True, append_images=ims[1:])
for k in ("exif", "xmp"):
    if k in options: options[k] = base64.b64decode(options[k])
ims[0].save(f, KIND, **options)
print(base64.b64encode(f.getvalue()).decode())
"""


def newer_save(kind, *images, **options):
    images = images or (picture(),)
    encoded = [base64.b64encode(saved(im, "PNG")).decode() for im in images]
    options = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in options.items()}
    code = (NEWER_SAVE.replace("IMAGES", repr(encoded)).replace("KIND", repr(kind)).replace("OPTIONS", repr(options)))
    answer = subprocess.run([newer, "-c", code], capture_output=True, text=True, check=True)
    return base64.b64decode(answer.stdout.splitlines()[-1])


# -- WebP ------------------------------------------------------------------------------------------------------------

def make_webp():
    rgb, rgba = picture(), picture("RGBA")
    equal("webp-lossy.webp", "WebP, lossy", saved(rgb, "WEBP", quality=70))
    equal("webp-lossless.webp", "WebP, lossless", saved(rgb, "WEBP", lossless=True))
    equal("webp-alpha-lossy.webp", "WebP, lossy, alpha", saved(rgba, "WEBP", quality=70))
    equal("webp-alpha-lossless.webp", "WebP, lossless, alpha, colours kept", saved(rgba, "WEBP", lossless=True, exact=True))
    equal("webp-grey.webp", "WebP of a grey picture", saved(picture("L").convert("RGB"), "WEBP", quality=70))
    animated = saved(rgba, "WEBP", save_all=True, append_images=[rgba.transpose(0)], lossless=True, duration=50)
    equal("webp-animated.webp", "WebP, animated", animated)
    equal("webp-animated-lossy.webp", "WebP, animated, lossy",
          saved(rgb, "WEBP", save_all=True, append_images=[rgb.transpose(0)], quality=70, duration=50))
    still = saved(rgba.crop((0, 0, 5, 4)), "WEBP", lossless=True, exact=True)
    frame = bytes([2, 0, 0, 1, 0, 0]) + (4).to_bytes(3, "little") + (3).to_bytes(3, "little") + bytes([50, 0, 0, 0])
    for name, background, flags in (("webp-small-frame.webp", b"\0\0\0\0", 0), ("webp-small-frame-2.webp", b"\1\2\3\xff", 2)):
        body = frame[:-1] + bytes([flags]) + still[still.index(b"VP8L"):]
        vp8x = bytes([0x12, 0, 0, 0]) + (W - 1).to_bytes(3, "little") + (H - 1).to_bytes(3, "little")
        chunks = riff(b"VP8X", vp8x) + riff(b"ANIM", background + b"\0\0") + riff(b"ANMF", body) + riff(b"ANMF", body)
        equal(name, "WebP, animated, first frame smaller than the canvas" + (", not blended" if flags else ""),
              b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks)
    for value in range(1, 9):
        equal("webp-exif-%d.webp" % value, "WebP, EXIF, orientation %d" % value,
              saved(rgb, "WEBP", lossless=True, exif=exif(value, ">")))
    equal("webp-exif-mark.webp", "WebP, EXIF with the mark for JPEG",
          saved(rgb, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(6)))
    equal("webp-xmp.webp", "WebP, orientation in XMP", saved(rgb, "WEBP", lossless=True, xmp=XMP_ATTRIBUTE), newest=True)
    equal("webp-plain-large.webp", "WebP, lossless, 2000 x 2000 of one colour",
          saved(Image.new("RGB", (2000, 2000), (90, 120, 200)), "WEBP", lossless=True))
    lossless = saved(rgb, "WEBP", lossless=True)[12:]
    for name, what, flags in (("", "announced", 8), ("-unannounced", "not announced in its flags", 0)):
        chunks = riff(b"VP8X", bytes([flags, 0, 0, 0]) + (W - 1).to_bytes(3, "little") + (H - 1).to_bytes(3, "little"))
        chunks += riff(b"EXIF", exif(6)) + lossless
        equal("webp-exif-first%s.webp" % name, "WebP, EXIF before the picture, " + what,
              b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks)
    big = saved(picture(size=(120, 90)), "WEBP", quality=60)
    refused("webp-cut.webp", "WebP cut in its data", big[:-150], "truncated")
    refused("webp-mark-only.webp", "WebP's mark alone", b"RIFF\x10\0\0\0WEBP", "truncated")
    huge = saved(Image.new("RGB", (16, 16)), "WEBP", lossless=True)
    at = huge.index(b"VP8L") + 9
    bits = (15000 - 1) | (11900 - 1) << 14
    refused("webp-bomb.webp", "WebP of few bytes that announces 15000 x 11900",
            huge[:at] + struct.pack("<I", bits) + huge[at + 4:], "too few for 15000 x 11900")


def riff(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)


# -- GIF -------------------------------------------------------------------------------------------------------------

def lzw(codes, width, clear=None):
    """Codes of one width, a clear code before each so that no table grows; or the codes as given."""
    size, value, n, data = width + 1, 0, 0, b""
    stream = codes if clear is None else [c for v in codes for c in (clear, v)] + [clear + 1]
    for code in stream:
        value |= code << n
        n += size
        while n >= 8:
            data += bytes([value & 255])
            value >>= 8
            n -= 8
    return data + (bytes([value & 255]) if n else b"")


def blocks(data):
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data), 255)) + b"\0"


def gif_frame(x, y, w, h, numbers, bits=4, local=b"", interlaced=False, raw=None):
    lines = list(range(h))
    if interlaced:
        lines = lines[0::8] + lines[4::8] + lines[2::4] + lines[1::2]
    ordered = [numbers[line * w + i] for line in lines for i in range(w)]
    flags = (0x80 | (bits - 1) if local else 0) | (0x40 if interlaced else 0)
    data = lzw(ordered, max(bits, 2), 1 << max(bits, 2)) if raw is None else raw
    return b"," + struct.pack("<HHHHB", x, y, w, h, flags) + local + bytes([max(bits, 2)]) + blocks(data)


def gif(frames, palette=PALETTE, size=(W, H), background=0, version=b"89a", end=b";"):
    bits = (len(palette) // 3).bit_length() - 1
    flags = 0x80 | 0x70 | (bits - 1) if palette else 0
    return b"GIF" + version + struct.pack("<HHBBB", *size, flags, background, 0) + palette + frames + end


def control(transparent=None, disposal=0):
    return b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | (transparent is not None), 5, transparent or 0, 0)


def make_gif():
    numbers = [(x * 3 + y) % 16 for y in range(H) for x in range(W)]
    whole = gif_frame(0, 0, W, H, numbers)
    small = gif_frame(3, 2, 5, 4, [i % 16 for i in range(20)])
    local = bytes(255 - v for v in PALETTE)
    equal("gif-plain.gif", "GIF", gif(whole))
    equal("gif-87a.gif", "GIF, version 87a", gif(whole, version=b"87a"))
    equal("gif-interlaced.gif", "GIF, interlaced", gif(gif_frame(0, 0, W, H, numbers, interlaced=True)))
    equal("gif-local.gif", "GIF, palette of its frame", gif(gif_frame(0, 0, W, H, numbers, local=local)))
    equal("gif-local-only.gif", "GIF, palette of its frame and no other",
          gif(gif_frame(0, 0, W, H, numbers, local=local), palette=b""))
    equal("gif-no-palette.gif", "GIF without a palette", gif(whole, palette=b""))
    equal("gif-short-palette.gif", "GIF, more colours used than the palette has", gif(whole, palette=PALETTE[:12]))
    equal("gif-transparent.gif", "GIF, a transparent colour that is not black", gif(control(5) + whole))
    equal("gif-small-frame.gif", "GIF, first frame smaller than the canvas", gif(small, background=7))
    equal("gif-small-transparent.gif", "GIF, first frame smaller than the canvas, transparent",
          gif(control(5) + small, background=7))
    equal("gif-small-no-palette.gif", "GIF, first frame smaller, transparent, no palette",
          gif(control(5) + small, palette=b""))
    equal("gif-small-local.gif", "GIF, first frame smaller, palette of its own",
          gif(gif_frame(3, 2, 5, 4, [i % 16 for i in range(20)], local=local)))
    equal("gif-small-interlaced.gif", "GIF, first frame smaller, interlaced",
          gif(gif_frame(3, 2, 5, 4, [i % 16 for i in range(20)], interlaced=True)))
    equal("gif-beyond.gif", "GIF, first frame reaches over the canvas", gif(gif_frame(10, 7, 5, 4, [i % 16 for i in range(20)])))
    equal("gif-no-canvas.gif", "GIF, canvas of size 0", gif(small, size=(0, 0)))
    equal("gif-animated.gif", "GIF, animated", gif(control() + whole + control(disposal=2) + small))
    equal("gif-animated-transparent.gif", "GIF, animated, transparent, disposal to the background",
          gif(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" + control(3, 2) + small + control(3, 2) + whole, background=2))
    equal("gif-comment.gif", "GIF with a comment and an application's block",
          gif(b"!\xfe" + blocks(b"a comment") + b"!\xff\x0bXMP DataXMP" + blocks(b"data") + whole))
    equal("gif-two-colours.gif", "GIF of two colours", gif(gif_frame(0, 0, W, H, [v & 1 for v in numbers], bits=1), palette=PALETTE[:6]))
    big = picture(size=(60, 50)).convert("P", palette=Image.ADAPTIVE, colors=200)
    equal("gif-tables.gif", "GIF with growing code tables", saved(big, "GIF"))
    equal("gif-256.gif", "GIF of 256 greys", saved(picture("L", size=(60, 50)), "GIF"))
    equal("gif-junk.gif", "GIF with bytes between its blocks that are no block", gif(b"\x55\0" + whole + b"\0\x55" + small))
    equal("gif-canvas-large.gif", "GIF of few bytes with a canvas of 2000 x 1900",
          gif(gif_frame(7, 9, 1, 1, [3]), size=(2000, 1900)))
    equal("gif-no-end.gif", "GIF without end mark", gif(whole, end=b""))
    equal("gif-no-terminator.gif", "GIF without the end of its data blocks", gif(whole[:-1], end=b""))
    equal("gif-too-much.gif", "GIF with more data than pixels", gif(gif_frame(0, 0, 2, 1, numbers, raw=lzw([1, 2, 3, 3, 3], 4, 16))))
    refused("gif-cut.gif", "GIF cut in its data", gif(whole)[:-40], "truncated")
    refused("gif-early-end.gif", "GIF with less data than pixels", gif(gif_frame(0, 0, W, H, numbers, raw=lzw([16, 1, 17], 4))), "before image complete")
    refused("gif-bomb.gif", "GIF of 35 bytes with a canvas of 13000 x 13000", gif(b"", palette=b"", size=(13000, 13000)) +
            gif_frame(0, 0, 1, 1, [0]), "GIF")
    refused("gif-canvas-bomb.gif", "GIF of few bytes with a canvas of 13000 x 13000",
            gif(gif_frame(0, 0, 1, 1, [0]), size=(13000, 13000)), "too few for 13000 x 13000")
    refused("gif-mark-only.gif", "GIF's mark alone", b"GIF89a", "truncated")


# -- BMP -------------------------------------------------------------------------------------------------------------

def bmp(bits, rows_, palette=b"", header=40, compression=0, masks=b"", height=H, colours=0, offset=None, width=W):
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(rows_), 2835, 2835, colours, 0)
        tail = masks if header > 40 else b""
        head += tail.ljust(header - 40, b"\0")
        masks = b"" if header > 40 else masks
    at = 14 + len(head) + len(masks) + len(palette) if offset is None else offset
    return b"BM" + struct.pack("<IHHI", at + len(rows_), 0, 0, at) + head + masks + palette + rows_


def bmp_rows(bits, value, top_down=False):
    out = b""
    for y in range(H) if top_down else range(H - 1, -1, -1):
        if bits <= 8:
            line = pack_row([value(x, y) for x in range(W)], bits)
        else:
            line = b"".join(value(x, y).to_bytes(bits // 8, "little") for x in range(W))
        out += line.ljust((len(line) + 3) // 4 * 4, b"\0")
    return out


def packed(r_bits, g_bits, b_bits, a_bits=0):
    def value(x, y):
        r, g, b = pixel(x, y)
        a = (x * 20 + y * 3) % 256 >> (8 - a_bits) if a_bits else 0
        v = a
        for c, n in ((r, r_bits), (g, g_bits), (b, b_bits)):
            v = v << n | c >> (8 - n)
        return v
    return value


def bgr(x, y):
    r, g, b = pixel(x, y)
    return r << 16 | g << 8 | b


def number(n):
    return lambda x, y: (x * 3 + y) % n


def bgrx(palette, size=4):
    return b"".join(bytes([palette[i + 2], palette[i + 1], palette[i]]) + b"\0" * (size - 3)
                    for i in range(0, len(palette), 3))


def masks(*values):
    return b"".join(struct.pack("<I", v) for v in values)


def make_bmp():
    pal = bgrx(PALETTE)
    for bits, n in ((1, 2), (4, 16), (8, 16)):
        table = pal[:4 * min(n, 1 << bits)]
        equal("bmp-%d.bmp" % bits, "BMP, %d bits" % bits, bmp(bits, bmp_rows(bits, number(n)), table, colours=n))
        equal("bmp-%d-top.bmp" % bits, "BMP, %d bits, top row first" % bits,
              bmp(bits, bmp_rows(bits, number(n), True), table, colours=n, height=-H))
    same("bmp-2.bmp", "BMP, 2 bits", bmp(2, bmp_rows(2, number(4)), pal[:16], colours=4),
         bmp(8, bmp_rows(8, number(4)), pal[:16], colours=4), "the same with 8 bits")
    equal("bmp-1-white.bmp", "BMP, 1 bit, white and black exchanged",
          bmp(1, bmp_rows(1, number(2)), b"\xff\xff\xff\0\0\0\0\0", colours=2))
    equal("bmp-1-black.bmp", "BMP, 1 bit, black and white", bmp(1, bmp_rows(1, number(2)), b"\0\0\0\0\xff\xff\xff\0", colours=2))
    equal("bmp-8-short.bmp", "BMP, more colours used than the palette has", bmp(8, bmp_rows(8, number(16)), pal[:20], colours=5))
    equal("bmp-8-full.bmp", "BMP, 8 bits, palette of 256", bmp(8, bmp_rows(8, number(16)), pal.ljust(1024, b"\x40")))
    equal("bmp-8-grey.bmp", "BMP, 8 bits, greys", bmp(8, bmp_rows(8, number(256)), b"".join(bytes([i] * 3) + b"\0" for i in range(256))))
    equal("bmp-8-gap.bmp", "BMP with a gap before its pixels",
          bmp(8, b"\xee" * 10 + bmp_rows(8, number(16)), pal, colours=16, offset=14 + 40 + 64 + 10))
    equal("bmp-8-offset.bmp", "BMP that names the end of its header as the place of its pixels",
          bmp(8, bmp_rows(8, number(16)), pal, colours=16, offset=54))
    for bits, n in ((1, 2), (4, 16), (8, 16)):
        equal("bmp-os2-%d.bmp" % bits, "BMP, OS/2 1, %d bits" % bits,
              bmp(bits, bmp_rows(bits, number(n)), bgrx(PALETTE[:3 * n], 3).ljust(3 << bits, b"\0"), header=12))
    equal("bmp-os2-24.bmp", "BMP, OS/2 1, 24 bits", bmp(24, bmp_rows(24, bgr), header=12))
    equal("bmp-os2-2.bmp", "BMP, OS/2 2, 24 bits", bmp(24, bmp_rows(24, bgr), header=64))
    equal("bmp-os2-2-8.bmp", "BMP, OS/2 2, 8 bits", bmp(8, bmp_rows(8, number(16)), pal, header=64, colours=16))
    equal("bmp-16.bmp", "BMP, 16 bits, 5-5-5", bmp(16, bmp_rows(16, packed(5, 5, 5))))
    equal("bmp-16-555.bmp", "BMP, 16 bits, masks 5-5-5", bmp(16, bmp_rows(16, packed(5, 5, 5)), compression=3, masks=masks(0x7c00, 0x3e0, 0x1f)))
    equal("bmp-16-565.bmp", "BMP, 16 bits, masks 5-6-5", bmp(16, bmp_rows(16, packed(5, 6, 5)), compression=3, masks=masks(0xf800, 0x7e0, 0x1f)))
    equal("bmp-24.bmp", "BMP, 24 bits", bmp(24, bmp_rows(24, bgr)))
    equal("bmp-24-top.bmp", "BMP, 24 bits, top row first", bmp(24, bmp_rows(24, bgr, True), height=-H))
    equal("bmp-32.bmp", "BMP, 32 bits", bmp(32, bmp_rows(32, bgr)))
    equal("bmp-32-alpha.bmp", "BMP, 32 bits, fourth byte in use", bmp(32, bmp_rows(32, packed(8, 8, 8, 8))))
    for name, what, values, value in (
            ("bgrx", "BGRX", (0xff0000, 0xff00, 0xff, 0), bgr),
            ("xbgr", "XBGR", (0xff000000, 0xff0000, 0xff00, 0), lambda x, y: bgr(x, y) << 8)):
        equal("bmp-32-%s.bmp" % name, "BMP, 32 bits, masks %s" % what,
              bmp(32, bmp_rows(32, value), compression=3, masks=masks(*values[:3])) if name == "bgrx" else
              bmp(32, bmp_rows(32, value), header=56, compression=3, masks=masks(*values)))
    swapped = lambda x, y: (lambda p: p[2] << 16 | p[1] << 8 | p[0] | (x * 9 & 255) << 24)(pixel(x, y))
    for header, name in ((56, "v3"), (108, "v4"), (124, "v5")):
        equal("bmp-32-%s.bmp" % name, "BMP, header of Windows %s, BGRA masks" % name[1],
              bmp(32, bmp_rows(32, packed(8, 8, 8, 8)), header=header, compression=3, masks=masks(0xff0000, 0xff00, 0xff, 0xff000000)))
    equal("bmp-32-rgba.bmp", "BMP, 32 bits, masks RGBA", bmp(32, bmp_rows(32, swapped), header=108, compression=3,
                                                            masks=masks(0xff, 0xff00, 0xff0000, 0xff000000)))
    equal("bmp-16-v2.bmp", "BMP, header of 52 bytes, masks 5-6-5",
          bmp(16, bmp_rows(16, packed(5, 6, 5)), header=52, compression=3, masks=masks(0xf800, 0x7e0, 0x1f)), newest=True)
    same("bmp-16-444.bmp", "BMP, 16 bits, masks 4-4-4",
         bmp(16, bmp_rows(16, packed(4, 4, 4)), compression=3, masks=masks(0xf00, 0xf0, 0xf)),
         bmp(24, bmp_rows(24, lambda x, y: sum((c >> 4) * 17 << s for c, s in zip(pixel(x, y), (16, 8, 0))))),
         "the same with 24 bits")
    runs8 = b"".join(b"".join(bytes([1, (x * 3 + y) % 16]) for x in range(W)) + b"\0\0" for y in range(H - 1, -1, -1)) + b"\0\1"
    equal("bmp-rle8.bmp", "BMP, RLE8", bmp(8, runs8, pal, compression=1, colours=16))
    absolute = b"".join(b"\0" + bytes([W]) + bytes((x * 3 + y) % 16 for x in range(W)) + b"\0" + b"\0\0" for y in range(H - 1, -1, -1)) + b"\0\1"
    equal("bmp-rle8-absolute.bmp", "BMP, RLE8, pixels as they are", bmp(8, absolute, pal, compression=1, colours=16))
    jumps = b"\5\3\0\2\4\2" + b"\4\7\0\0" + b"\3\1\0\0" + b"\0\2\0\4" + bytes([W, 9]) + b"\0\0" + bytes([W, 4]) + b"\0\1"
    equal("bmp-rle8-jump.bmp", "BMP, RLE8, jumps and rows that end early", bmp(8, jumps, pal, compression=1, colours=16),
          newest=True)
    over = b"".join(bytes([20, (y * 2) % 16]) + b"\0\0" for y in range(H)) + b"\0\1"
    equal("bmp-rle8-over.bmp", "BMP, RLE8, runs longer than the row", bmp(8, over, pal, compression=1, colours=16))
    runs4 = b"".join(b"\7" + bytes([(y + 1) % 16 * 16 + 3]) + b"\6" + bytes([y]) + b"\0\0" for y in range(H)) + b"\0\1"
    equal("bmp-rle4.bmp", "BMP, RLE4", bmp(4, runs4, pal, compression=2, colours=16))
    absolute = b"".join(b"\0\4\x12\x34" + b"\0\5\x56\x78\x90\0" + b"\4\x77" + b"\0\0" for y in range(H)) + b"\0\1"
    equal("bmp-rle4-absolute.bmp", "BMP, RLE4, pixels as they are, odd numbers too",
          bmp(4, absolute, pal, compression=2, colours=16), newest=True)
    write_early = b"".join(bytes([W, y + 1]) + b"\0\0" for y in range(4)) + b"\0\1"
    lines = [[y + 1] * W for y in range(4)] + [[0] * W] * (H - 4)
    same("bmp-rle8-early.bmp", "BMP, RLE8, ends before its last row", bmp(8, write_early, pal, compression=1, colours=16),
         bmp(8, b"".join(bytes(line).ljust(16, b"\0") for line in lines), pal, colours=16), "the same without runs")
    same("bmp-rle8-top.bmp", "BMP, RLE8, top row first", bmp(8, runs8, pal, compression=1, colours=16, height=-H),
         bmp(8, bmp_rows(8, lambda x, y: (x * 3 + H - 1 - y) % 16, True), pal, colours=16, height=-H), "the same without runs")
    for bits, header in ((24, 40), (8, 40), (24, 12)):
        whole = bmp(bits, bmp_rows(bits, bgr if bits == 24 else number(16)), b"" if bits == 24 else pal,
                    header=header, colours=0 if bits == 24 else 16)
        equal("bmp-%d-%d.dib" % (bits, header), "BMP without its file header, %d bits, header of %d bytes" % (bits, header),
              whole[14:])
    refused("bmp-cut.bmp", "BMP cut in its last row", bmp(24, bmp_rows(24, bgr))[:-4], "truncated")
    equal("bmp-filling.bmp", "BMP without the filling of its last row", bmp(24, bmp_rows(24, bgr))[:-1])
    refused("bmp-rle8-cut.bmp", "BMP, RLE8, cut", bmp(8, runs8[:60], pal, compression=1, colours=16), "truncated")
    refused("bmp-png.bmp", "BMP that holds a PNG", bmp(0, PLAIN, compression=5), "holds a JPEG or PNG")
    refused("bmp-os2-rle24.bmp", "BMP, OS/2 2, RLE24", bmp(24, bytes(90), header=64, compression=4), "not read here")
    refused("bmp-16-header.bmp", "BMP, OS/2 2 with a header of 16 bytes",
            b"BM" + struct.pack("<IHHIIIIHH", 400, 0, 0, 30, 16, W, H, 1, 24) + bmp_rows(24, bgr), "header of an unknown kind")
    refused("bmp-7-bits.bmp", "BMP with 7 bits a pixel", bmp(7, bytes(400)), "makes no sense")
    refused("bmp-huge.bmp", "BMP that announces 16777216 columns", bmp(24, bytes(100), width=1 << 24, height=1), "too large")
    refused("bmp-bomb.bmp", "BMP, RLE8, of few bytes that announces 13000 x 13000",
            bmp(8, b"\0\1", pal, compression=1, colours=16, width=13000, height=13000), "too few for 13000 x 13000")


# -- PNM -------------------------------------------------------------------------------------------------------------

def pnm_numbers(kind, most, wide=None):
    n = 3 if kind in (3, 6) else 1
    return [(x * 37 + y * 11 + c * 5) % (most + 1) for y in range(H) for x in range(W) for c in range(n)]


def pnm(kind, most=255, head=None, numbers=None, separator=b" "):
    numbers = pnm_numbers(kind, most) if numbers is None else numbers
    head = head or b"P%d\n%d %d\n" % (kind, W, H) + (b"%d\n" % most if kind % 3 != 1 else b"")
    if kind == 4:
        return head + b"".join(pack_row(numbers[y * W:y * W + W], 1) for y in range(H))
    if kind <= 3:
        return head + separator.join(b"%d" % v for v in numbers) + b"\n"
    return head + b"".join(v.to_bytes(2 if most > 255 else 1, "big") for v in numbers)


def make_pnm():
    equal("pnm-1.pbm", "PNM, plain bitmap", pnm(1, 1))
    equal("pnm-1-close.pbm", "PNM, plain bitmap without blanks", pnm(1, 1, separator=b""))
    equal("pnm-1-comment.pbm", "PNM, plain bitmap with comments", pnm(1, 1).replace(b" 1 0 ", b" 1 # and\n 0 ", 3))
    equal("pnm-2.pgm", "PNM, plain grey", pnm(2))
    equal("pnm-3.ppm", "PNM, plain colour", pnm(3))
    equal("pnm-3-comment.ppm", "PNM, plain colour with comments", pnm(3).replace(b" 5 ", b" 5 # five\n", 2))
    for most in (1, 6, 15, 100, 254):
        equal("pnm-2-%d.pgm" % most, "PNM, plain grey up to %d" % most, pnm(2, most))
        equal("pnm-5-%d.pgm" % most, "PNM, grey up to %d" % most, pnm(5, most))
        equal("pnm-6-%d.ppm" % most, "PNM, colour up to %d" % most, pnm(6, most))
    for most in (256, 1023, 65535):
        equal("pnm-6-%d.ppm" % most, "PNM, colour up to %d, two bytes" % most, pnm(6, most, numbers=[
            (v * 257 + 31 * i) % (most + 1) for i, v in enumerate(pnm_numbers(6, 255))]))
    numbers = [(v * 257 + 31 * i) % 65536 for i, v in enumerate(pnm_numbers(5, 255))]
    as_colour = pnm(6, 65535, numbers=[v for v in numbers for _ in range(3)])
    same("pnm-5-65535.pgm", "PNM, grey up to 65535, two bytes", pnm(5, 65535, numbers=numbers), as_colour, "the same as colours")
    same("pnm-2-65535.pgm", "PNM, plain grey up to 65535", pnm(2, 65535, numbers=numbers), as_colour, "the same as colours")
    equal("pnm-4.pbm", "PNM, bitmap", pnm(4, 1))
    equal("pnm-5.pgm", "PNM, grey", pnm(5))
    equal("pnm-6.ppm", "PNM, colour", pnm(6))
    equal("pnm-6-comment.ppm", "PNM, comments in the header", pnm(6, head=b"P6\n# one\n%d # two\r%d\n#three\n255\n" % (W, H)))
    equal("pnm-6-blanks.ppm", "PNM, other blanks in the header", pnm(6, head=b"P6\t\r\n %d\x0b%d\x0c255 " % (W, H)))
    equal("pnm-6-behind.ppm", "PNM with other bytes behind it", pnm(6) + b"P6\n1 1\n255\nabc")
    refused("pnm-3-high.ppm", "PNM, plain colour with a value above its largest", pnm(3, 100, numbers=[101] * W * H * 3), "sample 1 of")
    refused("pnm-3-word.ppm", "PNM, plain colour with a word in it", pnm(3).replace(b" 5 ", b" five ", 1), "is missing or none")
    refused("pnm-3-cut.ppm", "PNM, plain colour, cut", pnm(3)[:-30], "PNM picture is")
    refused("pnm-6-cut.ppm", "PNM, colour, cut", pnm(6)[:-1], "truncated")
    refused("pnm-6-zero.ppm", "PNM, colour up to 0", b"P6\n9 9\n0\n123", "header makes no sense")
    refused("pnm-5-huge.pgm", "PNM that announces 99999 columns", b"P5\n99999 2\n255\n1", "too large")
    refused("pnm-7.pam", "PAM", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nENDHDR\nabc", "a PAM picture is not read here")
    refused("pnm-f.pfm", "PFM", b"PF\n1 1\n-1.0\n" + bytes(12), "a PFM picture is not read here")


# -- Icons -----------------------------------------------------------------------------------------------------------

def icon(pictures, kind=1):
    at, directory, body = 6 + 16 * len(pictures), b"", b""
    for width, height, bits, data in pictures:
        directory += struct.pack("<BBBBHHII", width % 256, height % 256, 0, 0, 1, bits, len(data), at + len(body))
        body += data
    return struct.pack("<HHH", 0, kind, len(pictures)) + directory + body


def icon_bitmap(bits, rows_, palette=b"", colours=0):
    mask = bytes(4 * H)
    head = struct.pack("<IiiHHIIiiII", 40, W, 2 * H, 1, bits, 0, len(rows_), 0, 0, colours, 0)
    return head + palette + rows_ + mask


def make_ico():
    pal = bgrx(PALETTE)
    small = saved(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG")
    for bits, n in ((1, 2), (4, 16), (8, 16)):
        equal("ico-%d.ico" % bits, "icon, %d bits" % bits,
              icon([(W, H, bits, icon_bitmap(bits, bmp_rows(bits, number(n)), pal[:4 * n].ljust(4 << bits, b"\0")))]))
    equal("ico-24.ico", "icon, 24 bits", icon([(W, H, 24, icon_bitmap(24, bmp_rows(24, bgr)))]))
    equal("ico-32.ico", "icon, 32 bits", icon([(W, H, 32, icon_bitmap(32, bmp_rows(32, packed(8, 8, 8, 8))))]))
    equal("ico-png.ico", "icon that holds a PNG", icon([(W, H, 32, png(6, 8))]))
    equal("ico-several.ico", "icon of several sizes", icon([(4, 4, 32, small), (W, H, 32, png(6, 8)), (4, 4, 32, small)]))
    equal("ico-depths.ico", "icon of one size in several depths",
          icon([(W, H, 24, icon_bitmap(24, bmp_rows(24, lambda x, y: 0x123456))), (W, H, 32, png(6, 8)),
                (W, H, 8, icon_bitmap(8, bmp_rows(8, number(16)), pal.ljust(1024, b"\0")))]))
    equal("ico-saved.ico", "icon as Pillow writes it", saved(picture("RGBA", size=(48, 48)), "ICO", sizes=[(16, 16), (32, 32)]))
    refused("ico-cut.ico", "icon cut in its list", icon([(4, 4, 32, small)] * 3)[:30], "list of pictures")
    refused("ico-nowhere.ico", "icon whose picture lies behind its end", struct.pack("<HHHBBBBHHII", 0, 1, 1, 9, 9, 0, 0, 1, 32, 99, 9999), "truncated")
    refused("ico-cursor.cur", "mouse pointer", icon([(4, 4, 32, small)], kind=2), "a mouse pointer file is not read here")


# -- TIFF ------------------------------------------------------------------------------------------------------------

def tiff(tags, data, order="<"):
    """tags: {tag: (type, [values])}; data: blocks, whose places go to tag 273 or 324."""
    letters = {1: "B", 3: "H", 4: "I", 11: "f"}
    place = 324 if 322 in tags else 273
    length = 325 if place == 324 else 279
    at = 8
    body, places = b"", []
    for block in data:
        places.append(at + len(body))
        body += block + b"\0" * (len(block) & 1)
    tags = dict(tags)
    tags[place] = (4, places)
    tags[length] = (4, [len(b) for b in data])
    directory = at + len(body)
    extra_at = directory + 2 + 12 * len(tags) + 4
    entries = extra = b""
    for tag in sorted(tags):
        kind, values = tags[tag]
        packed_ = struct.pack(order + letters[kind] * len(values), *values)
        if len(packed_) > 4:
            field = struct.pack(order + "I", extra_at + len(extra))
            extra += packed_ + b"\0" * (len(packed_) & 1)
        else:
            field = packed_.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, len(values)) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", directory)
    return head + body + struct.pack(order + "H", len(tags)) + entries + bytes(4) + extra


def base_tags(bits=(8, 8, 8), photometric=2, rows_=H, **more):
    tags = {256: (3, [W]), 257: (3, [H]), 258: (3, list(bits)), 259: (3, [1]), 262: (3, [photometric]),
            277: (3, [len(bits)]), 278: (3, [rows_])}
    tags.update(more.get("tags", {}))
    return tags


def make_tiff():
    rgb = b"".join(bytes(p) for p in RGB)
    for kind in ("raw", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg"):
        equal("tiff-rgb-%s.tif" % kind.replace("tiff_", "").replace("_", "-"), "TIFF, colour, %s" % kind.replace("tiff_", ""),
              saved(picture(), "TIFF", compression=kind))
    for kind in ("raw", "group3", "group4", "packbits", "tiff_lzw"):
        equal("tiff-bitmap-%s.tif" % kind.replace("tiff_", ""), "TIFF, bitmap, %s" % kind.replace("tiff_", ""),
              saved(picture("1"), "TIFF", compression=kind))
    for mode, what in (("L", "grey"), ("P", "palette"), ("RGBA", "colour and alpha"), ("CMYK", "CMYK"), ("LA", "grey and alpha")):
        equal("tiff-%s.tif" % mode.lower(), "TIFF, " + what, saved(picture(mode), "TIFF", compression="tiff_lzw"))
    equal("tiff-predictor.tif", "TIFF, LZW with differences",
          saved(picture(size=(40, 30)), "TIFF", compression="tiff_lzw", tiffinfo={317: 2}))
    equal("tiff-pages.tif", "TIFF of two pages", saved(picture(), "TIFF", save_all=True, append_images=[picture("L")]))
    equal("tiff-jpeg-grey.tif", "TIFF, grey, jpeg", saved(picture("L"), "TIFF", compression="jpeg"))
    for value in range(2, 9):
        equal("tiff-orientation-%d.tif" % value, "TIFF, orientation %d" % value,
              tiff(base_tags(tags={274: (3, [value])}), [rgb]), newest=True)
    equal("tiff-xmp.tif", "TIFF, orientation in XMP", tiff(base_tags(tags={700: (1, list(XMP_ATTRIBUTE))}), [rgb]), newest=True)
    for order, name in (("<", "little"), (">", "big")):
        wide = b"".join(struct.pack(order + "H", v << 8 | v * 7 & 255) for p in RGB for v in p)
        equal("tiff-16-%s.tif" % name, "TIFF, 16 bits, %s-endian" % name, tiff(base_tags((16, 16, 16)), [wide], order))
    equal("tiff-strips.tif", "TIFF in strips of two rows",
          tiff(base_tags(rows_=2), [rgb[i:i + 2 * W * 3] for i in range(0, len(rgb), 2 * W * 3)]))
    planes = [rgb[c::3] for c in range(3)]
    equal("tiff-planes.tif", "TIFF, a plane for each colour", tiff(base_tags(tags={284: (3, [2])}), planes))
    def tile(x0, y0):
        return b"".join(bytes(pixel(x0 + x, y0 + y)) if x0 + x < W and y0 + y < H else b"\0\0\0" for y in range(16) for x in range(16))
    tags = base_tags(tags={322: (3, [16]), 323: (3, [16])})
    del tags[278]
    equal("tiff-tiles.tif", "TIFF in tiles", tiff(tags, [tile(0, 0)]))
    tags[324] = tags[325] = (4, [0])
    equal("tiff-white.tif", "TIFF, grey with white as 0", tiff(base_tags((8,), 0), [rgb[::3]]))
    tags = base_tags((8,), 0)
    del tags[262]
    equal("tiff-unnamed-grey.tif", "TIFF, grey, that does not say whether 0 is black", tiff(tags, [rgb[::3]]))
    four = b"".join(pack_row([(x + y) % 16 for x in range(W)], 4) for y in range(H))
    equal("tiff-4.tif", "TIFF, grey, 4 bits", tiff(base_tags((4,), 1), [four]))
    equal("tiff-4-white.tif", "TIFF, grey, 4 bits, white as 0", tiff(base_tags((4,), 0), [four]))
    two = b"".join(pack_row([(x + y) % 4 for x in range(W)], 2) for y in range(H))
    equal("tiff-2.tif", "TIFF, grey, 2 bits", tiff(base_tags((2,), 1), [two]))
    table = [v * 257 for c in range(3) for v in PALETTE[c::3]]
    equal("tiff-palette-4.tif", "TIFF, palette, 4 bits", tiff(base_tags((4,), 3, tags={320: (3, table)}), [four]))
    rgba = b"".join(bytes((*p, (i * 9) % 256)) for i, p in enumerate(RGB))
    equal("tiff-alpha.tif", "TIFF, alpha apart from the colours", tiff(base_tags((8,) * 4, tags={338: (3, [2])}), [rgba]))
    equal("tiff-alpha-multiplied.tif", "TIFF, colours multiplied with alpha", tiff(base_tags((8,) * 4, tags={338: (3, [1])}), [rgba]))
    equal("tiff-extra.tif", "TIFF, a fourth sample of no meaning", tiff(base_tags((8,) * 4, tags={338: (3, [0])}), [rgba]))
    equal("tiff-cmyk-raw.tif", "TIFF, CMYK", tiff(base_tags((8,) * 4, 5), [rgba]))
    grey16 = b"".join(struct.pack("<H", v << 8 | 77) for v in rgb[::3])
    same("tiff-grey-16.tif", "TIFF, grey, 16 bits", tiff(base_tags((16,), 1), [grey16]), tiff(base_tags((8,), 1), [rgb[::3]]), "its high bytes")
    page = Image.new("1", (2480, 3508), 1)
    equal("tiff-blank-page.tif", "TIFF, group4, an empty page at 300 dots to the inch", saved(page, "TIFF", compression="group4"))
    refused("tiff-float.tif", "TIFF with fractions", tiff(base_tags((32,), 1, tags={339: (3, [3])}), [bytes(4 * W * H)]), "signed or fractions")
    refused("tiff-lab.tif", "TIFF, Lab", tiff(base_tags(photometric=8), [rgb]), "unusual colour space")
    refused("tiff-raw-file.tif", "TIFF, a camera's raw file whose first page is a small copy",
            tiff(base_tags(tags={254: (4, [1]), 330: (4, [8])}), [rgb]), "a camera's raw file")
    refused("tiff-cut.tif", "TIFF cut in its data", saved(picture(size=(90, 80)), "TIFF", compression="tiff_lzw")[:900], "truncated")
    refused("tiff-nowhere.tif", "TIFF whose strips lie behind its end", tiff(base_tags(), [rgb]).replace(struct.pack("<HHII", 273, 4, 1, 8), struct.pack("<HHII", 273, 4, 1, 99999)), "truncated")
    huge = base_tags()
    huge[256] = huge[257] = (4, [13000])
    refused("tiff-bomb.tif", "TIFF of few bytes that announces 13000 x 13000", tiff(huge, [b"abc"]), "13000 x 13000")
    refused("tiff-mark-only.tif", "TIFF's mark alone", b"II*\0", "truncated")


# -- AVIF, HEIC, JPEG XL ---------------------------------------------------------------------------------------------

def make_new():
    rgb, rgba, big = picture(), picture("RGBA"), picture(size=(64, 48))
    equal("avif-lossless.avif", "AVIF, 4:4:4", newer_save("AVIF", rgb, quality=100, subsampling="4:4:4"))
    equal("avif-420.avif", "AVIF, 4:2:0", newer_save("AVIF", big, quality=60))
    equal("avif-alpha.avif", "AVIF, alpha", newer_save("AVIF", rgba, quality=90, subsampling="4:4:4"))
    equal("avif-grey.avif", "AVIF, grey", newer_save("AVIF", picture("L"), quality=80))
    equal("avif-animated.avif", "AVIF, a series", newer_save("AVIF", rgb, rgb.transpose(0), quality=80, subsampling="4:4:4"))
    for value in range(2, 9):
        equal("avif-orientation-%d.avif" % value, "AVIF, orientation %d" % value,
              newer_save("AVIF", rgb, quality=100, subsampling="4:4:4", exif=exif(value)))
    equal("avif-xmp.avif", "AVIF, orientation in XMP",
          newer_save("AVIF", rgb, quality=100, subsampling="4:4:4", xmp=XMP_ATTRIBUTE))
    whole = newer_save("AVIF", big, quality=80)
    refused("avif-cut.avif", "AVIF cut in its data", whole[:-100], "AVIF picture is")
    refused("avif-mark-only.avif", "AVIF's mark alone", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF picture")
    equal("heic-444.heic", "HEIC, 4:4:4", newer_save("HEIF", big, quality=90, chroma=444))
    equal("heic-420.heic", "HEIC, 4:2:0", newer_save("HEIF", big, quality=60))
    equal("heic-alpha.heic", "HEIC, alpha", newer_save("HEIF", picture("RGBA", size=(64, 48)), quality=90))
    whole = newer_save("HEIF", big, quality=80)
    refused("heic-cut.heic", "HEIC cut in its data", whole[:-100], "HEIC picture is")
    refused("heic-mark-only.heic", "HEIC's mark alone", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC picture")
    refused("heic-no-kind.heic", "HEIC that names no kind of picture", b"\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc", "does not read here")
    equal("jxl-lossless.jxl", "JPEG XL, lossless", newer_save("JXL", rgb, lossless=True))
    equal("jxl-alpha.jxl", "JPEG XL, lossless, alpha", newer_save("JXL", rgba, lossless=True))
    equal("jxl-grey.jxl", "JPEG XL, grey", newer_save("JXL", picture("L"), lossless=True))
    whole = newer_save("JXL", big, lossless=True)
    refused("jxl-cut.jxl", "JPEG XL cut in its data", whole[:-60], "JPEG XL picture is")
    refused("jxl-mark-only.jxl", "JPEG XL's mark alone", b"\xff\x0a", "truncated")


# -- No pictures -----------------------------------------------------------------------------------------------------

def make_other():
    page, drawing = "a web page", "an SVG drawing"
    texts = (
        ("html-doctype", page, b"<!DOCTYPE html><html><body>x</body></html>"),
        ("html-lower", page, b"<!doctype HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">\n<title>x"),
        ("html-plain", page, b"<html><head></head></html>"),
        ("html-blanks", page, b"\r\n\t  <HTML lang=en>"),
        ("html-bom", page, b"\xef\xbb\xbf<html>"),
        ("html-comment", page, b"<!-- saved from url=(0014)about:internet -->\n<html>"),
        ("html-long-comment", page, b"<!-- " + b"x" * 3000 + b" -->\n<!-- > -->\n<!doctype html>"),
        ("html-xhtml", page, b"<?xml version='1.0'?><!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0'><html>"),
        ("html-fragment", page, b"<div class=\"error\">not found</div>"),
        ("html-script", page, b"<script>location='/'</script>"),
        ("html-heading", page, b"<h3>404</h3>"),
        ("html-noscript", page, b"<noscript>enable it</noscript>"),
        ("html-utf16-unmarked", page, "<!DOCTYPE html><html>".encode("utf-16-le")),
        ("html-utf16", page, "\ufeff<html><body>".encode("utf-16-le")),
        ("svg-plain", drawing, b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
        ("svg-xml", drawing, b"<?xml version=\"1.0\"?>\n<svg width='1'/>"),
        ("svg-doctype", drawing, b"<?xml version=\"1.0\"?><!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"x.dtd\"><svg/>"),
        ("svg-entities", drawing, b"<!DOCTYPE svg [ <!ENTITY ns \"http://x/>\"> ]>\n<svg/>"),
        ("svg-comment", drawing, b"<!-- Generator: a program -->\n<svg/>"),
        ("svg-prefix", drawing, b"<?xml version='1.0'?><svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>"),
        ("svg-bom", drawing, b"\xef\xbb\xbf\n<!-- a --><!-- b --><svg>"),
        ("svg-utf16-unmarked", drawing, "<svg/>".encode("utf-16-be")),
        ("svg-utf16", drawing, "\ufeff<?xml version='1.0'?><svg/>".encode("utf-16-be")),
        ("xml-feed", "an XML document", b"<?xml version='1.0'?><feed><svg/></feed>"),
        ("xml-svg-word", "an XML document", b"<?xml version='1.0'?><svgs/>"),
        ("json", "JSON text", b"{\"error\": \"not found\"}"),
        ("text", "text", b"hello, this is text\n"),
        ("text-utf8", "text", "héllo, wörld".encode()),
        ("text-tag", "text", b"<3 is a heart"),
        ("lfs", "Git LFS", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ("blank", "nothing but blanks", b" \n\n  "),
        ("zeros", "zero bytes", bytes(100)),
        ("base64-png", "base64", base64.b64encode(PLAIN)),
        ("base64-jpeg", "base64", base64.b64encode(saved(picture(), "JPEG"))),
        ("base64-webp", "WebP picture as base64", base64.b64encode(saved(picture(), "WEBP"))),
        ("base64-behind", "PNG picture as base64", b"\xef\xbb\xbf\r\n" + base64.b64encode(PLAIN)),
        ("data-address", "data: address", b"data:image/png;base64," + base64.b64encode(PLAIN)),
        ("http", "with its headers", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + PLAIN),
        ("shortcut", "shortcut", b"[InternetShortcut]\r\nURL=http://example.org/\r\n"),
        ("appledouble", "AppleDouble", b"\0\5\x16\7\0\2\0\0Mac OS X        "),
        ("png-line-ends", "line ends were changed", PLAIN.replace(b"\r\n", b"\n")),
        ("png-as-text", "taken for text", PLAIN.decode("utf-8", "replace").encode()),
        ("jpeg-as-text", "taken for text", saved(picture(), "JPEG").decode("utf-8", "replace").encode()),
        ("pdf", "a PDF document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        ("pdf-behind", "a PDF document", b"\r\n%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + bytes(20)),
        ("page-with-pictures", "a page saved with its pictures", b"From: <Saved by a browser>\r\nMIME-Version: 1.0\r\n"),
        ("metafile", "a Windows metafile", struct.pack("<II", 1, 108) + bytes(32) + b" EMF" + bytes(64)),
        ("dicom", "a medical picture", bytes(128) + b"DICM" + bytes(20)),
        ("postscript", "PostScript", b"%!PS-Adobe-3.0\n"),
        ("psd", "Photoshop", b"8BPS\0\1" + bytes(20)),
        ("jp2", "JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("tga", "a TGA picture", struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 2, 2, 24, 0) + bytes(range(12))),
        ("pcx", "a PCX picture", b"\n\5\1\x08" + bytes(124)),
        ("xpm", "an XPM picture", b"/* XPM */\nstatic char *x[] = {\"1 1 1 1\"};"),
        ("sgi", "an SGI picture", b"\1\xda\1\1" + bytes(508)),
        ("fits", "a FITS picture", b"SIMPLE  =                    T"),
        ("cr2", "raw file", b"II*\0\x10\0\0\0CR\2\0"),
        ("mp4", "film", b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"),
        ("mov", "film", b"\0\0\0\x14ftypqt  \0\0\2\0qt  "),
        ("webm", "film", b"\x1a\x45\xdf\xa3\x01\0\0\0"),
        ("avi", "film", b"RIFF\x24\0\0\0AVI LIST"),
        ("wav", "sound", b"RIFF\x24\0\0\0WAVEfmt "),
        ("mp3", "sound", b"ID3\4\0\0\0\0\0\0"),
        ("zip", "ZIP", b"PK\3\4\x14\0\0\0"),
        ("gzip", "gzip", gzip.compress(PLAIN, mtime=0)),
        ("xz", "xz archive", b"\xfd7zXZ\0\0\4"),
        ("7z", "7z archive", b"7z\xbc\xaf\x27\x1c\0\4"),
        ("tar", "tar archive", b"photo.png".ljust(257, b"\0") + b"ustar\x0000" + bytes(240)),
        ("program", "a program", b"\x7fELF\2\1\1\0"),
        ("gguf", "GGUF", b"GGUF\3\0\0\0"),
        ("unknown", "data of an unknown kind", b"\1\2\3\4\5\6\7\x08"),
        ("empty", "the file is empty", b""),
    )
    for name, part, data in texts:
        refused("other-%s.bin" % name, "no picture: %s" % name.replace("-", " "), data, part)


def main():
    global out_dir, newer, PLAIN
    assert PIL.__version__.startswith("9.4"), "the reference is Pillow 9.4"
    out_dir = sys.argv[1]
    newer = sys.argv[sys.argv.index("--newer") + 1]
    PLAIN = png()
    for name in os.listdir(out_dir):
        os.remove(os.path.join(out_dir, name))
    for make in (make_png, make_jpeg, make_webp, make_gif, make_bmp, make_pnm, make_ico, make_tiff, make_new, make_other):
        make()
    os.remove(os.path.join(out_dir, "scans.tmp"))
    with open(os.path.join(out_dir, "expected.tsv"), "w", encoding="utf-8") as f:
        f.writelines("\t".join(r) + "\n" for r in rows)
    print(len(rows), "files,", sum(r[2] != "refused" for r in rows), "equal")
    assert not unread, unread


if __name__ == "__main__":
    main()
