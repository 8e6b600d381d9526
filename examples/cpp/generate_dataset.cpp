// Answers to the questions of a dataset, from C++.
//
//     c++ -std=c++17 generate_dataset.cpp $(pkg-config --cflags --libs dama) -o generate_dataset
//     ./generate_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT ANSWERS.jsonl
//
// After a stop or a kill, the same command resumes.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/out.jsonl
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT ANSWERS.jsonl\n", arguments[0]);
        return 2;
    }
    try {
        const dama::Policy policy(arguments[1]);
        const dama::Strings stop{"."};
        auto generation = dama::Policy::generation_options();
        generation.max_tokens = 16;
        generation.stop = stop.data();
        generation.stop_count = stop.size();
        auto options = dama::generate_dataset_options();
        options.image_root = arguments[3];
        options.generation = &generation;
        const auto result = dama::generate_dataset(policy, arguments[2], arguments[4], options);
        std::printf("%llu of %llu questions answered, %llu answers ended by length\n",
                    static_cast<unsigned long long>(result.rows - result.rows_rejected),
                    static_cast<unsigned long long>(result.rows), static_cast<unsigned long long>(result.rows_cut));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
