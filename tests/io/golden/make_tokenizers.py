# SPDX-License-Identifier: Apache-2.0
"""What the tokenizers library makes of awkward strings under every part of a tokenizer.json that tilt reads.

Usage: python make_tokenizers.py tokenizers.json        (tokenizers 0.23.3)

Two small models, one over bytes and one SentencePiece-like, are trained on the strings themselves; each case puts other parts around one of them."""
import json, sys
from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models, normalizers as N, pre_tokenizers as P, processors, trainers

TEXTS = ["", " ", "Once upon a time, a fox", "I'm sure that we'LL see: DON'T!", "  two  spaces\nnew\tline\r\n\r\n ", "1234567 12.5% $3,000",
         "caf\u00e9 cafe\u0301 na\u00efve \u0130stanbul \u00df \ufb01 \u2167 \u00bd \u00b2", "\u65e5\u672c\u8a9e \u306b\u307b\u3093\u3054 \u0440\u0443\u0441\u0441\u043a\u0438\u0439",
         "\u0645\u0631\u062d\u0628\u0627 \u0939\u093f\u0928\u094d\u0926\u0940", "\U0001F642\U0001F643 \U0001F469\u200d\U0001F467", "a\u00a0b\u2003c\u0085d\u180ee\u200bf", "def f(x):\n    return x**2  # ok",
         "<s>marked</s> <unk>", "zz azz zz. zz", "  Xa  Xa ", "ab abc abcab", "one_two three-four", "\x00\x01\x7f", "what what what is a fox", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b", "\u2581a \u2581 b"]

GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def bytes_model():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = P.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=330, initial_alphabet=P.ByteLevel.alphabet(), special_tokens=["<|end|>", "<|start|>"], show_progress=False))
    return json.loads(t.to_str())


def pieces_model():
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.normalizer = N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    t.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=340, special_tokens=specials, limit_alphabet=40, max_token_length=6, show_progress=False))
    json_ = json.loads(t.to_str())
    json_["added_tokens"] = json_["added_tokens"][:3]
    return json_


MODELS = {"bytes": bytes_model(), "pieces": pieces_model()}
ADDED = [AddedToken("zz", single_word=True), AddedToken("Xa", lstrip=True, normalized=False), AddedToken("fox", rstrip=True), AddedToken("ab", normalized=True, single_word=True),
         AddedToken("abc", normalized=True), AddedToken("what", lstrip=True, rstrip=True, normalized=False, special=True)]


def case(name, model, normalizer=None, pre=None, decoder=None, post=None, added=False, **options):
    base = json.loads(json.dumps(MODELS[model]))
    base["model"].update(options)
    base["normalizer"] = base["pre_tokenizer"] = base["decoder"] = base["post_processor"] = None
    t = Tokenizer.from_str(json.dumps(base))
    if normalizer: t.normalizer = normalizer
    if pre: t.pre_tokenizer = pre
    if decoder: t.decoder = decoder
    if post: t.post_processor = post
    if added: t.add_tokens(ADDED)
    parts = json.loads(t.to_str())
    plain = [t.encode(s, add_special_tokens=False).ids for s in TEXTS]
    whole = [t.encode(s).ids for s in TEXTS]
    scrambled = [ids[::-1] for ids in plain if len(ids) > 3]
    return dict(name=name, model=model, options=options, parts={k: parts[k] for k in ("normalizer", "pre_tokenizer", "decoder", "post_processor", "added_tokens")}, plain=plain,
                ends=[[ids[0], ids[-1]] if ids else [] for ids in whole], added=len(whole[0]) - len(plain[0]), decoded=[t.decode(ids, skip_special_tokens=False) for ids in plain],
                skipped=[t.decode(ids, skip_special_tokens=True) for ids in whole], scrambled=[t.decode(ids, skip_special_tokens=False) for ids in scrambled])


def split(expression, behavior="isolated", invert=False): return P.Split(Regex(expression), behavior, invert)


def after(*steps): return P.Sequence([*steps, P.ByteLevel(add_prefix_space=False, use_regex=False)])


end, start = ("<|end|>", 0), ("<|start|>", 1)
template = processors.TemplateProcessing(single="<|start|> $A <|end|>", special_tokens=[start, end])
llama = dict(decoder=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]), byte_fallback=True, fuse_unk=True)
prepend = N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])
whole = dict(decoder=D.ByteLevel())
cases = [
    case("GPT-2", "bytes", pre=P.ByteLevel(add_prefix_space=False), **whole),
    case("prefix space", "bytes", pre=P.ByteLevel(add_prefix_space=True), post=processors.RobertaProcessing(end, start), **whole),
    case("Bert's processor", "bytes", pre=P.ByteLevel(add_prefix_space=False), post=processors.BertProcessing(end, start), **whole),
    case("Llama 3", "bytes", pre=after(split(GPT4)), post=processors.Sequence([processors.ByteLevel(trim_offsets=False), template]), ignore_merges=True, **whole),
    case("Qwen", "bytes", N.NFC(), after(split(GPT4.replace("{1,3}", ""))), **whole),
    case("o200k", "bytes", pre=after(split(O200K)), **whole),
    case("SmolLM", "bytes", pre=P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)]), post=template, **whole),
    case("digits together", "bytes", pre=P.Sequence([P.Digits(individual_digits=False), P.ByteLevel(add_prefix_space=True)]), **whole),
    case("punctuation", "bytes", pre=P.Sequence([P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False)]), **whole),
    case("words", "bytes", pre=after(P.Whitespace()), **whole),
    case("spaces", "bytes", pre=after(P.WhitespaceSplit()), **whole),
    case("added tokens", "bytes", pre=P.ByteLevel(add_prefix_space=False), added=True, **whole),
    case("added tokens, normalised", "bytes", N.Sequence([N.NFKC(), N.Lowercase()]), P.ByteLevel(add_prefix_space=True), added=True, **whole),
    case("accents", "bytes", N.Sequence([N.NFD(), N.StripAccents(), N.Strip(left=True, right=True)]), P.ByteLevel(add_prefix_space=False), **whole),
    case("lowercase", "bytes", N.Sequence([N.Lowercase(), N.NFKD(), N.Strip(left=False, right=True)]), P.ByteLevel(add_prefix_space=False), **whole),
    case("replace", "bytes", N.Sequence([N.Replace(Regex(r"\s+"), " "), N.Replace("a.b", "!"), N.Prepend("Q")]), P.ByteLevel(add_prefix_space=False), **whole),
    case("Llama 2", "pieces", prepend, post=processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)]), **llama),
    case("Llama 2, added tokens", "pieces", prepend, added=True, **llama),
    case("Metaspace first", "pieces", pre=P.Metaspace(prepend_scheme="first", split=False), decoder=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]), added=True, byte_fallback=True, fuse_unk=True),
    case("Metaspace always", "pieces", pre=P.Metaspace(prepend_scheme="always", split=True), decoder=D.Metaspace(prepend_scheme="always"), byte_fallback=False, fuse_unk=False),
    case("Metaspace never", "pieces", pre=P.Metaspace(prepend_scheme="never", split=True), decoder=D.Metaspace(prepend_scheme="never"), byte_fallback=False, fuse_unk=True),
    case("no unknown", "pieces", pre=P.Metaspace(prepend_scheme="first", split=True), decoder=D.Metaspace(prepend_scheme="first"), byte_fallback=False, unk_token=None),
    case("Gemma", "pieces", N.Replace(" ", "▁"), split(" ", "merged_with_previous"), decoder=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]), byte_fallback=True, fuse_unk=True),
    case("no decoder", "pieces", N.NFC(), P.WhitespaceSplit(), byte_fallback=False, fuse_unk=True),
]
for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
    for invert in (False, True):
        cases.append(case(f"{behavior}{', inverted' if invert else ''}", "bytes", pre=after(split("[a-c]| ", behavior, invert)), **whole))
json.dump(dict(texts=TEXTS, models={k: v["model"] for k, v in MODELS.items()}, cases=cases), open(sys.argv[1], "w"), ensure_ascii=True, separators=(",", ":"))
