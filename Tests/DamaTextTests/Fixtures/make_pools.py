"""Writes corpus_pools.json: the parts of corpus strings. Run by hand.

A pool is either `ranges` (runs of random characters of these code points, surrogates left out) or `items`
(hexadecimal UTF-8, or bytes of invalid UTF-8). corpus.py and Corpus.swift draw from it with the same generator.
"""

import json
from pathlib import Path

RANGES = {
    "ascii": [(0x20, 0x7E)],
    "lower": [(0x61, 0x7A)],
    "upper": [(0x41, 0x5A)],
    "digits": [(0x30, 0x39)],
    "punctuation": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)],
    "controls": [(0x00, 0x1F), (0x7F, 0x9F)],
    "latin": [(0xA0, 0x24F), (0x1E00, 0x1EFF)],
    "combining": [(0x300, 0x36F), (0x1AB0, 0x1ACE), (0x20D0, 0x20F0)],
    "phonetic": [(0x250, 0x2FF)],
    "greek": [(0x370, 0x377), (0x37A, 0x37F), (0x384, 0x3FF), (0x1F00, 0x1FFF)],
    "cyrillic": [(0x400, 0x52F)],
    "armenian": [(0x531, 0x58F)],
    "hebrew": [(0x591, 0x5F4)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF)],
    "devanagari": [(0x900, 0x97F)],
    "bengali": [(0x980, 0x9FE)],
    "tamil": [(0xB82, 0xBFA)],
    "thai": [(0xE01, 0xE5B)],
    "tibetan": [(0xF00, 0xFDA)],
    "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "ethiopic": [(0x1200, 0x137C)],
    "cherokee": [(0x13A0, 0x13FD), (0xAB70, 0xABBF)],
    "hangul_jamo": [(0x1100, 0x11FF), (0xA960, 0xA97C), (0xD7B0, 0xD7FB)],
    "hangul": [(0xAC00, 0xD7A3)],
    "jamo_parts": [(0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)],
    "kana": [(0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF61, 0xFF9F)],
    "cjk": [(0x4E00, 0x9FFF)],
    "cjk_rare": [(0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0xF900, 0xFAD9)],
    "cjk_punctuation": [(0x3000, 0x303F), (0xFF01, 0xFF5E)],
    "spaces": [(0x2000, 0x200A), (0x2028, 0x2029), (0x20, 0x20), (0x09, 0x0D), (0xA0, 0xA0), (0x3000, 0x3000)],
    "format": [(0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2069), (0xFEFF, 0xFEFF), (0xAD, 0xAD)],
    "symbols": [(0x2010, 0x205E), (0x20A0, 0x20C0), (0x2100, 0x214F), (0x2190, 0x23FF), (0x2460, 0x27BF)],
    "letterlike": [(0x2150, 0x218B), (0x1D400, 0x1D7FF)],
    "emoji": [(0x1F300, 0x1F64F), (0x1F680, 0x1F6FC), (0x1F900, 0x1F9FF)],
    "flags": [(0x1F1E6, 0x1F1FF)],
    "historic": [(0x10300, 0x103D5), (0x10400, 0x1044F), (0x12000, 0x12399), (0x13000, 0x1342E)],
    "newest": [(0x10EC2, 0x10EC4), (0x11F00, 0x11F59), (0x1E4D0, 0x1E4F9), (0x10D40, 0x10D8F), (0xA7C0, 0xA7FF)],
    "private": [(0xE000, 0xE100), (0xF0000, 0xF0010), (0x10FFFD, 0x10FFFF)],
    "specials": [(0xFFF0, 0xFFFF), (0xFDD0, 0xFDEF)],
    "any": [(0x00, 0xD7FF), (0xE000, 0xFFFF)],
    "any_plane": [(0x10000, 0x10FFFF)],
}

WORDS = """the a cat dog in on of and is are large small red blue green circle square star photo image There is
a describe There's don't I'm we've you'll they're he'd it's won't IT'S WE'VE 'S 't 'ſ L'été naïve
café CAFÉ Straße STRASSE Ångström İstanbul ISTANBUL ıspanak ΟΔΟΣ Σίσυφος ΣΑΣ όσος ﬁne ﬀ ǅ ǆ Ǆ ẞ Ÿ
Москва ЁЛКА Київ שָׁלוֹם العَرَبِيَّة हिन्दी क्षत्रिय ภาษาไทย ตัวอย่าง 한국어 한국어 日本語 カタカナ ｶﾀｶﾅ 中文 漢字 ﬃ
№5 ½ ² ³ Ⅷ ⅷ ① 1,234.56 3.14e-10 0x1F 2024-02-29 12:30:45 100% $5.00 €9
https://example.com/a/b?c=d&e=f#g http://user:pw@host:8080/ www.test.org me@mail.example ftp://x.y
foo_bar fooBar FooBar123 for(int i=0;i<n;++i){a[i]+=b->c;} def f(x): return x**2 <div
class="x">&nbsp;</div> \\n \\t \\u0041 {"key": [1, 2]} #include <a.h> a.b.c e.g. i.e. U.S.A. Dr. Mr.
... … ?! !? -- — – “quoted” ‘single’ «guillemets» (paren) [bracket] {brace} * / ~ ^ ` | 👩‍👩‍👧‍👦 👨🏽‍💻
🏳️‍🌈 🇩🇪 🇺🇳🇫🇷 ❤️ ☎️ 1️⃣ 👍🏿 🤷🏼‍♀️ e\u0301 A\u030A o\u0302\u0323 q\u0307\u0323 \u1E9B\u0323 \u212B
\u2126 \uF900 \u0958 \u0344 \u0F73 <|startoftext|> <|endoftext|> <|ENDOFTEXT|> <s> </s> <unk> <S>
<pad> <image> <|im_start|> <|im_end|> <|begin_of_text|> <|eot_id|> <|reserved|> <mask> <0x0A> <0xE2>
▁ ▁the Ġ Ċ âĢ™ ð </w> a</w> <| |> <|""".split()
WORDS = [w.encode().decode("unicode_escape") if "\\u" in w and "0041" not in w else w for w in WORDS]

SPACES = [
    " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", " " * 17, "\u00a0", "\u3000", "\u200b", "\r",
    "\x85", "\u2028",
]
LONG = [
    "a" * 90, "ab" * 60, "!" * 70, " " * 120, "\n" * 33, "0" * 65, "é" * 40, "漢" * 30, "ha" * 100, "=" * 64,
    "\t " * 20,
]
BROKEN = [
    "ff", "c3", "e282", "f09f98", "eda080", "c080", "80", "f8888080", "e28228", "f4908080", "edb080eda080",
    "f0808080", "c3e9", "fe",
]


def main() -> None:
    pools = [{"ranges": [list(r) for r in ranges]} for ranges in RANGES.values()]
    words = [w.encode().hex() for w in WORDS]
    spaces = [s.encode().hex() for s in SPACES]
    # A pool of weight n is drawn n times as often.
    pools += [{"items": words, "weight": 12}, {"items": spaces, "weight": 14}]
    pools += [{"items": [s.encode().hex() for s in LONG]}, {"items": BROKEN}]
    path = Path(__file__).parent / "corpus_pools.json"
    path.write_text(json.dumps({"pools": pools}) + "\n")


if __name__ == "__main__":
    main()
