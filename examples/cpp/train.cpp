// The parts of a training step, as an engine with several ranks calls them, compared with the whole step, from C++.
//
//     c++ -std=c++17 train.cpp $(pkg-config --cflags --libs dama) -o train
//     ./train MODEL_DIR IMAGE_FOLDER
//
// example arguments: models/shapes-llava examples/data/shapes/images
#include <dama.hpp>

#include <cstdio>

namespace {

/** The sums of one response of every pair. */
std::vector<double> sums(const std::vector<dama::PairLogps> &pairs, dama::ResponseLogps dama::PairLogps::*response) {
    std::vector<double> result;
    for (const auto &pair : pairs) result.push_back((pair.*response).sum);
    return result;
}

int run(const std::string &model, const std::string &folder) {
    const std::string paths[] = {folder + "/00000.jpg", folder + "/00001.jpg"};
    dama_image images[2] = {};
    for (int i = 0; i < 2; i++) images[i].path = paths[i].c_str();
    const std::vector<dama::PreferencePair> pairs = {
        {&images[0], "What is in this image?", "There is a large green square at the centre.",
         "At the centre there is a large purple square."},
        {&images[1], "Please describe this picture.", "The top middle shows a large white ring.",
         "There is a large white ring at the middle right."},
    };
    std::vector<dama::TrainingPair> training;
    for (const auto &pair : pairs) training.emplace_back().pair = pair;

    const dama::Policy policy(model);
    auto options = dama::Trainer::options();
    options.trainable = DAMA_TRAINABLE_PROJECTOR;
    options.learning_rate = 1e-3;
    dama::Trainer whole(policy, &policy, dama::AdaptiveBeta(), options);
    dama::Trainer parts(policy, nullptr, dama::AdaptiveBeta(), options);
    dama::AdaptiveBeta controller;

    dama::PreferenceBatch batch;
    const auto reference = policy.logps(pairs);
    batch.reference_chosen = sums(reference, &dama::PairLogps::chosen);
    batch.reference_rejected = sums(reference, &dama::PairLogps::rejected);
    std::printf("step    whole    parts  gradient norm\n");
    for (int step = 1; step <= 3; step++) {
        const auto metrics = whole.step(training);

        const auto found = parts.forward(pairs);
        batch.policy_chosen = sums(found, &dama::PairLogps::chosen);
        batch.policy_rejected = sums(found, &dama::PairLogps::rejected);
        // Several ranks gather the sums here, …
        const auto result = controller.step(batch);
        parts.zero_grad();
        parts.backward(result.grad_chosen, result.grad_rejected);
        // … and sum the gradients, parts.parameters()[i].gradient, here.
        const double norm = parts.update();
        controller.commit();

        std::printf("%4d  %7.5f  %7.5f  %13.4f\n", step, metrics.loss, result.summary.loss, norm);
        if (metrics.loss != result.summary.loss || metrics.gradient_norm != norm) {
            std::fprintf(stderr, "the parts and the whole step give different results\n");
            return 1;
        }
    }
    for (const auto &parameter : parts.parameters())
        std::printf("%s: %zu numbers\n", parameter.name.c_str(), parameter.count);
    return whole.facts().steps == 3 && whole.controller().running_mean() == controller.running_mean() ? 0 : 1;
}

} // namespace

int main(int count, char **arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s MODEL_DIR IMAGE_FOLDER\n", arguments[0]);
        return 2;
    }
    try {
        return run(arguments[1], arguments[2]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
