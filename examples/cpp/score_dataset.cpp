// Hardness of a dataset of preference pairs, from C++.
//
//     c++ -std=c++17 score_dataset.cpp $(pkg-config --cflags --libs dama) -o score_dataset
//     ./score_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl
//
// After Ctrl-C, the same command resumes.
// example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/out.jsonl
#include <dama.hpp>

#include <csignal>
#include <cstdio>

namespace {

volatile std::sig_atomic_t interrupted = 0;

bool show(const dama::Progress &progress) {
    if (progress.phase == DAMA_PHASE_COMPUTING)
        std::fprintf(stderr, "\r%llu/%llu rows", static_cast<unsigned long long>(progress.rows_done),
                     static_cast<unsigned long long>(progress.rows_total));
    return !interrupted;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl\n", arguments[0]);
        return 2;
    }
    std::signal(SIGINT, [](int) { interrupted = 1; });
    try {
        const dama::Scorer scorer(arguments[1]);
        auto options = dama::score_dataset_options();
        options.image_root = arguments[3];
        const auto result = dama::score_dataset(scorer, arguments[2], arguments[4], options, show);
        std::printf("\n%llu of %llu rows scored, mean delta %.4f\n",
                    static_cast<unsigned long long>(result.rows_scored), static_cast<unsigned long long>(result.rows),
                    result.mean_delta);
    } catch (const dama::Error &error) {
        std::fprintf(stderr, "\n%s\n", error.what());
        return 1;
    }
}
