"""Writes the seeds in Corpus/SentencePiece: a text, then a model of the tests with a handful of pieces. Run in the oracle
environment (`scripts/bootstrap torch`)."""

from pathlib import Path

from sentencepiece import sentencepiece_model_pb2 as proto

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "Tests" / "DamaTextTests" / "Fixtures" / "sentencepiece"
TEXT = "A red  circle é한 <s> ﬁ</s>\n".encode()


def main() -> None:
    for name in ("bpe", "unigram"):
        model = proto.ModelProto.FromString((FIXTURES / f"{name}.model").read_bytes())
        kept = [piece for piece in model.pieces if piece.type != 6 and len(piece.piece) < 4][:40]
        kept += [piece for piece in model.pieces if piece.piece in ("<0xC3>", "<0xA9>")]
        del model.pieces[:]
        model.pieces.extend(kept)
        for field in ("input", "model_prefix"):
            model.trainer_spec.ClearField(field)
        for mapped in (True, False):
            if not mapped:
                model.normalizer_spec.ClearField("precompiled_charsmap")
            seed = bytes([len(TEXT)]) + TEXT + model.SerializeToString()
            (HERE / "SentencePiece" / f"{name}{'-map' if mapped and name == 'unigram' else ''}").write_bytes(seed)


if __name__ == "__main__":
    main()
