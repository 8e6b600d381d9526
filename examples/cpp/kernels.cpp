// Log-probabilities of tokens, their gradient, clipping and AdamW in the program's own memory, from C++: a table of
// logits learns to predict one token in each row.
//
//     c++ -std=c++17 kernels.cpp $(pkg-config --cflags --libs dama) -o kernels && ./kernels
#include <dama.hpp>

#include <cmath>
#include <cstdio>
#include <numeric>

int main() {
    const std::size_t rows = 8, vocabulary = 1000;
    std::vector<float> logits(rows * vocabulary), first(logits.size()), second(logits.size());
    std::vector<std::int64_t> labels;
    for (std::size_t row = 0; row < rows; row++) labels.push_back(static_cast<std::int64_t>(row * 97));
    // The loss is −log π of the labels, so each log-probability has the weight −1. Row 0 has no token.
    labels[0] = DAMA_IGNORED_LABEL;
    const std::vector<float> weights(rows, -1);

    auto options = dama::adamw_options();
    auto schedule = dama::schedule_options();
    schedule.learning_rate = 1;
    schedule.total_steps = 20;
    double loss = 0;
    for (std::uint64_t step = 0; step < schedule.total_steps; step++) {
        const auto found = dama::token_logprobs(logits, labels, vocabulary);
        loss = -std::accumulate(found.logprobs.begin(), found.logprobs.end(), 0.0);
        const auto gradient = dama::token_logprobs_backward(logits, labels, found.normalizers, weights, vocabulary);
        const double norm = std::sqrt(dama::sum_of_squares(gradient));
        options.learning_rate = dama::learning_rate(step, schedule);
        options.gradient_scale = norm > 1 ? 1 / norm : 1;
        dama::adamw_step(gradient, step + 1, options, logits, first, second);
        if (step % 5 == 0)
            std::printf("step %2d: loss %.4f, gradient norm %.4f, rate %.3f\n", static_cast<int>(step), loss, norm,
                        options.learning_rate);
    }
    std::printf("last loss %.4f\n", loss);
    return loss < 1 ? 0 : 1;
}
