"""Write the tables of hard strings with their ids, computed with Hugging Face's `tokenizers`.

    python tokenizer_tables.py ../../models/poet/tokenizer.json poet-hard-strings.json
    python tokenizer_tables.py PACKAGE/models/tokenizer.json deepseek_v3-hard-strings.json

Each entry: `text`, `ids` (add_special_tokens true) and `ids_no_special` (false). The tokenizer.json of neither model has a
post-processor that adds a token, so the two lists are equal: the beginning-of-sentence token is the runtime's to add, from
tokenizer_config.json's add_bos_token or from the chat template. Special tokens written out in the text become their ids in both.
"""

import json
import random
import sys
import unicodedata

import tokenizers

WORDS = """hello world Hello HELLO hElLo don't DON'T it's we'll I'm they've o'clock rock'n'roll naïve café cafe\u0301 Zürich Straße
ﬁnance ﬂower ﬀ ǅ Ĳ ß ẞ İstanbul ıstanbul Ελλάδα Ωμέγα Москва Київ Ђорђе Հայաստան საქართველო ᲐᲑᲒ עברית שָׁלוֹם العَرَبِيَّة فارسی اردو हिन्दी क्षत्रिय
বাংলা ਪੰਜਾਬੀ ગુજરાતી தமிழ் తెలుగు ಕನ್ನಡ മലയാളം සිංහල ไทย ภาษาไทย ลาว བོད་སྐད་ မြန်မာ ខ្មែរ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ አማርኛ ⵜⴰⵎⴰⵣⵉⵖⵜ ᠮᠣᠩᠭᠣᠯ 한국어 한국어 조선말 日本語
ひらがな カタカナ ｶﾀｶﾅ ゞ ヽ ー 々 〇 〆 ヶ ㍿ ㈱ 中文 汉字 漢字 繁體中文 简体中文 粵語 㐂 𠮷野家 𠀀𠀁 𪚥 龥 龦 鿿 ㄅㄆㄇ ꀀꀁ""".split()

SENTENCES = [
    "请写一首题为《秋夜》的诗。",
    "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。",
    "我有3个苹果，你有12个，他有1234567个。",
    "DeepSeek-V3是一个671B参数的MoE模型。",
    "今天是2025年11月25日，星期二，气温-3℃。",
    "「こんにちは、世界！」と彼は言った。",
    "東京タワーは333mです。",
    "ラーメンを食べたいな～☆",
    "안녕하세요, 세계! 2025년입니다.",
    "Привет, мир! Как дела?",
    "The quick brown fox jumps over the lazy dog.",
    "Mr. O'Neill said: \"It's 5 o'clock; we'll go.\"",
    "El niño comió piñas… ¿verdad? ¡Sí!",
    "À bientôt, l’été où l’on s’aimait — dit-elle.",
    "Größe, Übermut, Äpfel, Öl, Maß.",
    "price: $1,234.56 (≈ €1.100,00 or ¥160000)",
    "100% of 50 is 50; 5‰ is small; ½ + ¼ = ¾",
    "e=mc², H₂O, CO₂, x⁻¹, 10⁶, aₙ₊₁",
    "α β γ ∑∏∫ ∀x∈ℝ: x²≥0 ⇒ √x²=|x|",
    "visit https://example.com/a/b?c=d&e=%20f#g or mail a.b+c@example.co.uk",
    "C:\\Users\\name\\file.txt and /usr/local/bin/env",
    "192.168.0.1:8080 fe80::1%eth0 00:1A:2B",
    "2025-11-25T09:30:00Z +08:00",
    "snake_case camelCase PascalCase kebab-case SCREAMING_CASE dot.case",
    "#hashtag @mention $variable %format &entity; *emphasis* _under_ ~tilde~ ^caret",
    "a,b;c:d.e!f?g",
    "...!!!???---___***///",
    "(((nested [brackets {and} braces])))",
    "<html><body class=\"x\">&nbsp;&lt;</body></html>",
    "![img](url) [link](http://x) **bold** `code` ~~strike~~",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "「」『』【】〈〉《》〔〕（）［］｛｝",
    "，。、；：？！…—～·",
    "“curly” ‘quotes’ „low“ «guillemets» ‹single›",
    "full-width: ＡＢＣａｂｃ０１２３！＃＄％＆",
    "ＦＵＬＬ　ＷＩＤＴＨ　ＳＰＡＣＥ",
    "中文English混合テキスト한국어mix１２3四",
    "a中b文c", "中a文b", "1中2文3", "中 文", "中　文", "中\n文", "中，文", "你好world你好", "ア1イ2", "aあaア亜",
    "עברית English עברית 123", "مرحبا world ١٢٣", "हिन्दी १२३ text", "ไทย๑๒๓", "߀߁߂ ०१२ ৩৪৫ ٠١٢ ۰۱۲",
    "ⅠⅡⅢⅳⅴ ①②③ ⑴⑵ ⒈⒉ ㊀㊁ 零一二三 壹貳叁",
    "Ⅷ世 ½杯 ²次 ¹²³⁴",
]

CODE = [
    "def f(x):\n    return x**2  # square\n",
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
    "#include <stdio.h>\r\nint main(void) { printf(\"%d\\n\", 42); return 0; }\r\n",
    "SELECT * FROM t WHERE a='b' AND c>=10 -- comment",
    "{\"key\": [1, 2.5e-10, null, true], \"nested\": {\"a\": \"\\u4e2d\"}}",
    "const f = async (x) => await g(x) ?? `t${x}`;",
    "if [[ $x == \"y\" ]]; then echo ${x:-z} | grep -v '^#' > /dev/null 2>&1; fi",
    "public static final Map<String, List<Integer>> M = new HashMap<>();",
    "let v: Vec<&'a str> = s.split(\"::\").collect();",
    "fn main() -> Result<(), Box<dyn Error>> { Ok(()) }",
    "\\begin{equation} \\frac{a}{b} \\end{equation}",
    "x = [i for i in range(10) if i % 2 == 0][::-1]",
    "a = b ? c : d; e |= f & ~g ^ h << 3 >> 1;",
    "!important; .class > #id:hover::before { content: '\\201C'; }",
    "lambda x: (yield)", "#!/usr/bin/env python3", "@Override", "std::cout<<x;", "p->q", "a&&b||!c", "i++", "--i", "a+=1", "x!=y", "<=>", "===",
    "/*comment*/", "//comment", "<!-- c -->", "\"\"\"doc\"\"\"", "'''s'''", "f'{x!r:>10}'", "0xDEADBEEF", "0b1010_0101", "1e-9", "1_000_000", "3.14f",
    "    indented", "\tindented", "\t\t\tif", "        deep", "  two\n    four\n      six\n", "a\tb\tc", "}\n}\n}\n", "();\n\n\n", "end;\r\n\r\n",
]

WHITESPACE = [
    "", " ", "  ", "   ", "    ", " " * 7, " " * 8, " " * 16, " " * 33, " " * 100,
    "\n", "\n\n", "\n\n\n", "\n" * 20, "\r", "\r\n", "\r\n\r\n", "\n\r", "\r\r\n", "\t", "\t\t", "\t" * 9, " \n", "\n ", " \n ", "  \n\n  ", "\t\n\t", " \t ", "\n\t\n",
    "a ", " a", "  a", "   a", "a  ", "a  b", "a   b", "a    b", "a \n b", "a\nb", "a\n\nb", "a\r\nb", "a \r\n b", "a\n  b", "a  \nb", "a\tb", "a \tb", "a\t b",
    "a\x0bb", "a\x0cb", "\x0b", "\x0c", "\x85", "a\x85b", "\u00a0", "a\u00a0b", "a\u00a0\u00a0b", " \u00a0 ", "\u2000\u2001\u2002", "a\u2003b", "a\u2009b", "\u2028", "a\u2028b", "a\u2029b",
    "\u202f", "a\u202fb", "\u205f", "\u3000", "a\u3000b", "\u3000\u3000中", "中\u3000\u3000", "\u1680", "\u180e", "a\u200bb", "\ufeff", "\ufeffabc", "a\ufeffb", "a\u2060b",
    "\n中", "中\n\n", "中  ", "  中", " 1", "  1", "1  ", "1 2", "1  2", " 1 2 ", " .", "  .", ". ", ".\n", ".\n\n", " .\n", "。\n", "。\n\n\n", "!\r\n", " ,", "a ,b", "a, b", " '", "' ", " \"a\" ",
    "  \ta", "\t  a", "\n\n a", "\n \n a", "a\n ", "a\n\n ", "a \n", " \n\n\n a \n\n ", "\u00a0\n", "\u3000\n", "\n\u3000\n",
]

DIGITS = [
    "0", "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678901234567890", "3.14159265358979", "1,000,000", "1.000.000,00", "007", "00000000",
    "1a", "a1", "1a2b3c", "a123b4567", "12:34:56", "1/2", "1-2", "1+1=2", "-1", "+1", "1%", "$1", "1$", "No.1", "v1.2.3", "x86_64", "H2O", "4K", "1st 2nd 3rd", "２０２５年", "１２３４５", "1２3４",
    "٣٤٥٦٧", "१२३४५", "๑๒๓๔", "①②③④", "ⅣⅤⅥⅦ", "½¼¾⅓", "²³¹⁰", "₀₁₂₃", "一二三四五", "〇一二", "〡〢〣", "㉑㉒", "𝟏𝟐𝟑𝟒", "𝟘𝟙𝟚𝟛", "𐒠𐒡", "൧൨൩", "1\u200d2", "1\u03012", "1\ufe0f\u20e3", "1️⃣2️⃣3️⃣",
    "9" * 50, "1 2 3 4 5 6 7 8 9 10 11 12", "1234 5678 9012 3456", "0.1+0.2=0.30000000000000004",
]

EMOJI = [
    "😀", "😀😃😄", "👍🏽", "👍🏻👍🏼👍🏽👍🏾👍🏿", "👨‍👩‍👧‍👦", "👩🏽‍🚀", "🏳️‍🌈", "🏴‍☠️", "🇨🇳", "🇨🇳🇺🇸🇯🇵", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "❤️", "❤", "❤️‍🔥", "☺️", "☺", "✌🏿", "🤷‍♀️", "🧑‍🤝‍🧑", "👁️‍🗨️", "🫠🫡🫢", "🥹", "♾️", "©️®️™️", "‼️⁉️", "🈚️", "㊗️㊙️", "🀄️🃏", "a😀b",
    "a 😀 b", "中😀文", "1😀2", " 😀", "😀 ", "😀\n", "😀!", "!😀", "#️⃣*️⃣", "\u200d", "\ufe0f", "a\u200db", "🇨", "🏽", "😀\u0301", ":-) ;P <3 ¯\\_(ツ)_/¯ (╯°□°）╯︵ ┻━┻", "♔♕♖", "░▒▓█▄▀", "┌─┐│└┘", "→←↑↓⇒", "★☆●○◆◇", "♩♪♫♬", "☀☁☂", "𝕳𝖊𝖑𝖑𝖔", "𝓗𝓮𝓵𝓵𝓸", "Ⓗⓔⓛⓛⓞ", "🅷🅴🅻🅻🅾",
]

COMBINING = [
    "e\u0301", "é", "a\u0300\u0301\u0302\u0303", "\u0301", "\u0301a", " \u0301", "\n\u0301", "n\u0303o", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞", "क\u094d\u200dष", "क\u094d\u200cष", "ก็่้", "กำ", "เก้าอี้", "வணக்கம்", "နမသ္ကာရ", "ខ្ញុំ",
    "ᄒ\u1161\u11ab", "한", "각\u11a8", "が", "か\u3099", "ハ\u309a", "\u3099", "ゔ", "בְּרֵאשִׁית", "الْحَمْدُ", "ـــ", "لا", "ﷺ", "ﻻ", "i\u0307", "ǆ", "å", "\u212b", "Ω", "\u2126", "K", "\u212a", "ſ", "\u0345", "a\u20dd", "x\u0338=", "≠", "1\u0338", "!\u0301", ".\u0301a", "中\u0301", "中\u20dd文", "\ufe00", "葛\U000e0100", "辻\U000e0101",
]

CONTROLS = ["\x00", "a\x00b", "\x01\x02\x03", "\x07\x08", "\x1b[31mred\x1b[0m", "\x1c\x1d\x1e\x1f", "a\x1cb", "\x7f", "\x80\x81", "\x9f", "\xad", "soft\xadhyphen", "\u200e\u200f", "\u202aabc\u202c", "\u202eevil\u202c", "\u2066x\u2069", "\ufff9\ufffa\ufffb", "\ufffc\ufffd", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff", "\ue000", "\uf8ff", "\U000f0000", "\U00100000", "\u0378", "\U0001d173", "\u061c", "\u115f\u1160", "\u3164", "\uffa0", "\u2800", "\u070f", "\u06dd", "\u0600"]

SPECIALS = [
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", "<｜User｜>", "<｜Assistant｜>", "<｜User｜>你好<｜Assistant｜>", "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>Hello<｜end▁of▁sentence｜>",
    " <｜User｜>", "<｜User｜> ", " <｜User｜> a", "a<｜User｜>b", "<｜User｜><｜User｜>", "\n<｜User｜>\n", "<｜User", "｜User｜>", "<|User|>", "<｜user｜>", "<｜ User ｜>", "< ｜User｜>", "<｜User｜", "<<｜User｜>>", "<｜User｜>>", "<<｜User｜", "<｜Us<｜User｜>er｜>",
    "<|begin_of_sentence|>", "<|endoftext|>", "<|im_start|>user\n", "<|im_end|>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "<<SYS>>", "<bos>", "<eos>", "<unk>", "<think>", "</think>", "<think>\n\n</think>\n\n", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>1<｜tool▁output▁end｜><｜tool▁outputs▁end｜>", "<｜place▁holder▁no▁0｜>", "<｜place▁holder▁no▁799｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>", "<|EOT|>", "<｜search▁begin｜>", "▁", "▁of▁", "｜", "<｜", "｜>", "Ġ", "Ċ", "ĠĠ", "Ä", "ĉ", "ÄĢ", "Ã©", "## token", "</w>", "@@", "<0x0A>", "<0xE4>", "{{ 7*7 }}", "{% raise %}", "${x}", "\\n", "\\u4e2d", "%s %d", "User: hi\n\nAssistant:",
]

PATTERN = [
    "'s", "'S", "'re", "'LL", "x's", "x'S'x", "''a", "'1", "'中", "!a", "!!a", "!a!", ".com", "..com", "-a", "--a", "_a_b", "a_b", "a-b", "a.b", "a/b", "/a/b", "\\a\\b", "(a)", "(a", "a)", "[a]", "{a}", "\"a\"", "`a`", "~a", "^a", "|a|", "@a", "#a", "$a", "%a", "&a", "*a*", "+a", "=a", "<a>", ",a", ";a", ":a", "?a",
    "!é", "!éa", "!aé", "!Ж", "!中", "-ア", "!1a", "!a1", " !a", " !é", "a!é", "—a", "…a", "“a”", "·a", "×a", "÷a", "€a", "°C", "§1", "¶", "†", "•a", "• a", "¿a?", "،a", "।a", "。a", "，a", "！a", "Aa!Bb?Cc",
    "\x00a", "\x1ba", "\u200ba", "\u200da", "\ufeffa", "\xada", "\u00a0a", "\u3000a", "\u2028a", "\ta", "\x0ba", "\ue000a", "\u0378a", "1a", "１a", "\u0301a", "\u0903a", "😀a", "😀é", "_é", "_中",
    " .a", " ..a", ". a", ".\na", ".\r\na", ".\n\n\na", " .\n a", ".中", "中.", "中。文", "中.a", "a.中", "?!", "?!\n", " ?! ", "a?!b",
    "ｱ!", "・ア", "ー", "アー", "ﾞ", "〜", "～a", "々々", "〇〇", "㐀㐁", "䶵", "一", "龥", "龦a", "豈", "﨎", "𠀋", "⼀", "⺀", "ㇰ", "ㄱ", "ㆠ", "ꥠ", "ힰ", "𛀀", "゛゜", "ゟ", "゠", "ヿ",
]


def long_strings():
    return [
        "a" * 500, "ab" * 300, "中" * 300, "中文" * 200, "😀" * 100, "!" * 300, "=" * 200, "-" * 79 + "\n", "1" * 301, "é" * 150, "e\u0301" * 150, "ก" * 200, "\u0301" * 100, "a " * 200, " a" * 200, "\n \n" * 60, "A" * 64 + "a" * 64,
        "".join(chr(c) for c in range(1, 256)), "".join(chr(c) for c in range(0x4E00, 0x4E00 + 300)), "".join(chr(c) for c in range(0x3040, 0x3100)), "".join(chr(c) for c in range(0xFF01, 0xFF5F)),
        "".join(chr(c) for c in range(0x2000, 0x2070)), "".join(chr(c) for c in range(0x1F600, 0x1F650)), " ".join(WORDS), "\n".join(SENTENCES[:12]), "supercalifragilisticexpialidocious" * 8, "https://example.com/" + "path/" * 60,
    ]


def drawn(count):
    """Random strings over blocks that stress the splits: assigned characters only, so that Unicode versions do not matter."""
    generator = random.Random(20251125)
    blocks = [
        (0x20, 0x7E), (0x20, 0x7E), (0x09, 0x0D), (0x30, 0x39), (0xA0, 0x17F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x669), (0x900, 0x970), (0xE01, 0xE5B), (0x1100, 0x11FF),
        (0x2000, 0x206F), (0x2070, 0x209C), (0x2100, 0x218B), (0x2190, 0x21FF), (0x2460, 0x24FF), (0x3000, 0x303F), (0x3041, 0x30FF), (0x4E00, 0x9FA5), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xF900, 0xFA6D), (0xFE00, 0xFE0F), (0xFF01, 0xFFEE),
        (0x10330, 0x1034A), (0x1D400, 0x1D7FF), (0x1F300, 0x1F64F), (0x20000, 0x2A6D6),
    ]
    strings = []
    while len(strings) < count:
        chosen = [generator.choice(blocks) for _ in range(generator.randint(1, 5))]
        text = ""
        while len(text) < generator.randint(3, 40):
            character = chr(generator.randint(*generator.choice(chosen)))
            if unicodedata.category(character) not in ("Cn", "Cs"):
                text += character * generator.choice((1, 1, 1, 1, 2, 5))
        strings.append(text)
    return strings


def main():
    tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1])
    texts = WORDS + SENTENCES + CODE + WHITESPACE + DIGITS + EMOJI + COMBINING + CONTROLS + SPECIALS + PATTERN + long_strings() + drawn(160)
    entries = []
    for text in dict.fromkeys(texts):
        text.encode()  # refuses lone surrogates
        encoded = tokenizer.encode(text, add_special_tokens=True).ids
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        if tokenizer.decode(plain, skip_special_tokens=False) != text:
            print(f"does not round-trip: {text!r}", file=sys.stderr)
        entries.append({"text": text, "ids": encoded, "ids_no_special": plain})
    with open(sys.argv[2], "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries) + "\n]\n")
    different = sum(entry["ids"] != entry["ids_no_special"] for entry in entries)
    print(f"{sys.argv[2]}: {len(entries)} strings, {different} where special tokens were added")


if __name__ == "__main__":
    main()
