// Token ids of a text and back, and sub-sentences within a token limit, from C++.
//
//     c++ -std=c++17 tokenizer.cpp $(pkg-config --cflags --libs dama) -o tokenizer
//     ./tokenizer MODEL_DIR [TEXT]
//
// example arguments: models/shapes-llava
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count != 2 && count != 3) {
        std::fprintf(stderr, "usage: %s MODEL_DIR [TEXT]\n", arguments[0]);
        return 2;
    }
    const std::string text =
        count == 3 ? arguments[2] : "A yellow ring is below a black star, and there is a large green square.";
    try {
        const dama::Tokenizer tokenizer(arguments[1]);
        std::printf("%d tokens in the vocabulary\n", tokenizer.facts().vocabulary_size);
        const auto ids = tokenizer.encode(text);
        for (const auto id : ids) std::printf("%d %s\n", id, tokenizer.spell(id).c_str());
        std::printf("decoded: %s\n", tokenizer.decode(ids).c_str());
        for (const auto &part : dama::split(text, tokenizer, 12)) std::printf("- %s\n", part.c_str());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
