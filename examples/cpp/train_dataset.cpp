// Trains on a dataset of preference pairs, from C++: checkpoints, metrics, and a model in Hugging Face's format.
//
//     c++ -std=c++17 train_dataset.cpp $(pkg-config --cflags --libs dama) -o train_dataset
//     ./train_dataset MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_DIR
//
// After Ctrl-C, the same command resumes from the last checkpoint and ends with the same weights.
// example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/run
#include <dama.hpp>

#include <csignal>
#include <cstdio>

namespace {

volatile std::sig_atomic_t interrupted = 0;

bool show(const dama::TrainProgress &progress) {
    if (progress.event == DAMA_TRAIN_BATCH)
        std::printf("batch %llu of %llu: loss %.4f\n", static_cast<unsigned long long>(progress.batch),
                    static_cast<unsigned long long>(progress.batches), progress.metrics->loss);
    if (progress.event == DAMA_TRAIN_NOTICE) std::printf("%s\n", progress.notice);
    return !interrupted;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 5) {
        std::fprintf(stderr, "usage: %s MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_DIR\n", arguments[0]);
        return 2;
    }
    std::signal(SIGINT, [](int) { interrupted = 1; });
    try {
        const dama::Policy policy(arguments[1]);
        auto trainer = dama::Trainer::options();
        trainer.trainable = DAMA_TRAINABLE_PROJECTOR;
        trainer.learning_rate = 1e-3;
        auto method = dama::AdaptiveBeta::preset();
        method.keep = 3;
        auto options = dama::train_dataset_options();
        options.image_root = arguments[3];
        options.trainer = &trainer;
        options.method = &method;
        options.batch_size = 4;
        options.epochs = 1;
        const auto result = dama::train_dataset(policy, arguments[2], arguments[4], options, show);
        std::printf("%llu steps over %llu pairs; %s/model holds the model\n",
                    static_cast<unsigned long long>(result.steps), static_cast<unsigned long long>(result.pairs),
                    arguments[4]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
