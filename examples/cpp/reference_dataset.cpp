// The reference's log-probabilities of a dataset of preference pairs, from C++: computed once, then looked up.
//
//     c++ -std=c++17 reference_dataset.cpp $(pkg-config --cflags --libs dama) -o reference_dataset
//     ./reference_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl
//
// After a stop or a kill, the same command resumes.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/ref.jsonl
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl\n", arguments[0]);
        return 2;
    }
    try {
        const dama::Policy policy(arguments[1]);
        auto options = dama::reference_dataset_options();
        options.image_root = arguments[3];
        const auto result = dama::reference_dataset(policy, arguments[2], arguments[4], options);
        std::printf("%llu of %llu rows\n", static_cast<unsigned long long>(result.rows - result.rows_rejected),
                    static_cast<unsigned long long>(result.rows));

        // With the reference, opening fails if another model computed the numbers.
        const dama::ReferenceCache cache(arguments[4], &policy);
        std::printf("%zu different pairs in the cache\n", cache.size());
        // Pairs are looked up by their contents, so a changed pair is not found.
        std::printf("a pair that the dataset does not have: %s\n",
                    cache.contains({nullptr, "What is this?", "A circle.", "A square."}) ? "in the cache"
                                                                                          : "not in the cache");
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
