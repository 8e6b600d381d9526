// CLIP scores of every sentence with every image, from embeddings that are computed once, from C++.
//
//     c++ -std=c++17 score_image.cpp $(pkg-config --cflags --libs dama) -o score_image
//     ./score_image MODEL_DIR IMAGE...
//
// example arguments: Tests/DamaModelsTests/Fixtures/clip/legacy Tests/DamaModelsTests/Fixtures/clip/wide.jpg
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count < 3) {
        std::fprintf(stderr, "usage: %s MODEL_DIR IMAGE...\n", arguments[0]);
        return 2;
    }
    const std::vector<std::string> sentences = {"There is a red circle.", "There is a dog.", "Nothing is there."};
    try {
        const dama::Scorer scorer(arguments[1]);
        const std::vector<std::string> files(arguments + 2, arguments + count);
        std::vector<dama_image> images;
        for (const auto &file : files) images.push_back(dama::Scorer::file(file));
        const auto pixels = scorer.embed_images(images);
        const auto texts = scorer.embed_texts(sentences);
        const auto width = scorer.dimension();
        for (std::size_t i = 0; i < images.size(); i++) {
            std::printf("%s\n", files[i].c_str());
            for (std::size_t j = 0; j < sentences.size(); j++) {
                float cosine = 0;
                for (std::size_t k = 0; k < width; k++) cosine += pixels[i * width + k] * texts[j * width + k];
                std::printf("%8.3f  %s\n", scorer.logit_scale() * cosine, sentences[j].c_str());
            }
        }
    } catch (const dama::Error &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
