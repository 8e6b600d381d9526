// The tokenizer and sub-sentences in C++.
#include "check.hpp"

#include <thread>

namespace {

// Two merges, a special token, and a template that puts it in front.
const char json[] = R"({
    "added_tokens": [{"id": 6, "content": "<s>", "special": true}],
    "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "Fuse"},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [6]}}},
    "model": {"type": "BPE", "unk_token": "?",
        "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "?": 5, "\u0000": 7}, "merges": ["a b", "ab c"]}})";

using Ids = std::vector<std::int32_t>;

void encode(const dama::Tokenizer &tokenizer) {
    CHECK(tokenizer.encode("abc abx") == (Ids{6, 4, 3, 5}));
    CHECK(tokenizer.encode("c<s>a", false) == (Ids{2, 6, 0}));
    CHECK(tokenizer.encode("", false).empty() && tokenizer.encode("") == Ids{6});
    // A NUL is an ordinary character; broken UTF-8 is an unknown token.
    CHECK(tokenizer.encode(std::string_view("a\0b", 3), false) == (Ids{0, 7, 1}));
    CHECK(tokenizer.encode("a\xff", false) == (Ids{0, 5}));
}

void decode(const dama::Tokenizer &tokenizer) {
    CHECK(tokenizer.decode(Ids{6, 4, 2, 77, -1}) == "abcc");
    CHECK(tokenizer.decode(Ids{6, 4, 2}, false) == "<s>abcc");
    CHECK(tokenizer.decode(Ids{0, 7, 1}) == std::string("a\0b", 3));
    CHECK(tokenizer.decode(Ids()).empty());
    const std::int32_t ids[] = {4, 4};
    CHECK(tokenizer.decode(ids) == "abcabc" && tokenizer.decode({ids, 1}) == "abc");
}

void vocabulary(const dama::Tokenizer &tokenizer) {
    const auto facts = tokenizer.facts();
    CHECK(facts.vocabulary_size == 8 && facts.id_end == 8 && facts.unk_id == 5 && facts.bos_id == -1);
    CHECK(tokenizer.find("abc") == 4 && tokenizer.find("<s>") == 6 && !tokenizer.find("none"));
    CHECK(tokenizer.spell(4) == "abc" && tokenizer.spell(7) == std::string(1, '\0'));
    CHECK_THROWS(tokenizer.spell(8), DAMA_INVALID_ARGUMENT, "id 8");
    CHECK_THROWS(tokenizer.spell(-1), DAMA_INVALID_ARGUMENT, "id -1");
}

// Results longer than the first capacity that is tried: a token of many bytes, and many special tokens around a text.
void long_results(const Folder &folder) {
    const std::string word(1000, 'x');
    std::string around = R"({"Sequence": {"id": "A", "type_id": 0}})";
    for (int i = 0; i < 100; i++) around += R"(, {"SpecialToken": {"id": "<s>", "type_id": 0}})";
    write_file(folder / "long.json",
               R"({"added_tokens": [{"id": 1, "content": "<s>", "special": true}], "decoder": {"type": "Fuse"},
                   "post_processor": {"type": "TemplateProcessing", "single": [)" + around + R"(],
                       "special_tokens": {"<s>": {"id": "<s>", "ids": [1]}}},
                   "model": {"type": "BPE", "vocab": {")" + word + R"(": 0}, "merges": []}})");
    const dama::Tokenizer tokenizer(folder / "long.json");
    CHECK(tokenizer.spell(0) == word && tokenizer.decode(Ids{0, 0}) == word + word);
    CHECK(tokenizer.encode("") == Ids(100, 1));
}

void split(const dama::Tokenizer &tokenizer) {
    using Texts = std::vector<std::string>;
    CHECK(dama::split("Dr. A sees a dog. It barks!") == (Texts{"Dr. A sees a dog.", "It barks!"}));
    CHECK(dama::split(" ").empty());
    // "abc abc abc" is <s> and three tokens.
    CHECK(dama::split("abc abc abc", tokenizer, 3) == (Texts{"abc abc", "abc"}));
    CHECK_THROWS(dama::split("a", tokenizer, 1), DAMA_INVALID_ARGUMENT, "too low");
    auto options = dama::split_options();
    options.token_limit = 3;
    CHECK_THROWS(dama::split("a", options), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
}

} // namespace

int main() {
    return run_tests([] {
        static_assert(moves_only<dama::Tokenizer>(), "");
        const Folder folder;
        write_file(folder / "tokenizer.json", json);
        dama::Tokenizer first(folder / "tokenizer.json");
        const dama::Tokenizer tokenizer(std::move(first));
        CHECK(!first.get());
        CHECK_THROWS(first.encode("a"), DAMA_INVALID_ARGUMENT, "tokenizer is NULL");
        encode(tokenizer);
        decode(tokenizer);
        vocabulary(tokenizer);
        split(tokenizer);
        long_results(folder);
        std::thread other([&] { encode(tokenizer); });
        other.join();
        CHECK_THROWS(dama::Tokenizer(folder / "none.json"), DAMA_IO, "none.json");
        CHECK_THROWS_A(dama::Tokenizer(std::string("a\0b", 3)), std::invalid_argument, "NUL byte at offset 1");
    });
}
