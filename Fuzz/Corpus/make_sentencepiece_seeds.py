"""Writes the seeds in Corpus/SentencePiece: a text, then a model of the tests with few pieces. Run in the oracle
environment (`scripts/bootstrap torch`)."""

from pathlib import Path

from sentencepiece import sentencepiece_model_pb2 as proto

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "Tests" / "DamaTextTests" / "Fixtures" / "sentencepiece"
TEXT = "A red  circle é한 <s> ﬁ</s>\n a red  a the the"
# With SentencePiece's space.
MARKED = "\u2581" + TEXT.replace(" ", "\u2581")


def main() -> None:
    for name in ("bpe", "unigram"):
        model = proto.ModelProto.FromString((FIXTURES / f"{name}.model").read_bytes())
        # The unknown piece and the control pieces, then what occurs in the text.
        kept = [piece for piece in model.pieces if piece.type in (2, 3)]
        kept += [piece for piece in model.pieces if piece.type == 1 and piece.piece in MARKED][:60]
        kept += [piece for piece in model.pieces if piece.piece in ("<0xC3>", "<0xA9>")]
        del model.pieces[:]
        model.pieces.extend(kept)
        for field in ("input", "model_prefix"):
            model.trainer_spec.ClearField(field)
        for mapped in (True, False):
            if not mapped:
                model.normalizer_spec.ClearField("precompiled_charsmap")
            seed = bytes([len(TEXT.encode())]) + TEXT.encode() + model.SerializeToString()
            (HERE / "SentencePiece" / f"{name}{'-map' if mapped and name == 'unigram' else ''}").write_bytes(seed)


if __name__ == "__main__":
    main()
