// Kernels in C++, against closed forms.
#include "check.hpp"

#include <array>

namespace {

constexpr std::size_t rows = 3, vocabulary = 37;

void token_logprobs() {
    std::vector<float> logits(rows * vocabulary);
    for (std::size_t i = 0; i < logits.size(); i++) logits[i] = static_cast<float>(i * 31 % 17) / 4;
    const std::array<std::int64_t, rows> labels = {5, DAMA_IGNORED_LABEL, 36};
    const float weights[rows] = {1, 1, -0.5f};
    const auto found = dama::token_logprobs(logits, labels, vocabulary);
    const auto gradient = dama::token_logprobs_backward(logits, labels, found.normalizers, weights, vocabulary);
    for (std::size_t row = 0; row < rows; row++) {
        const float *x = &logits[row * vocabulary];
        double sum = 0;
        for (std::size_t j = 0; j < vocabulary; j++) sum += std::exp(x[j]);
        // A float32 sum of 37 exponentials.
        CHECK(labels[row] < 0 || std::fabs(found.normalizers[row] - std::log(sum)) < 2e-6);
        const double logprob = labels[row] < 0 ? 0 : x[labels[row]] - std::log(sum);
        CHECK(std::fabs(found.logprobs[row] - logprob) < 2e-6);
        for (std::size_t j = 0; j < vocabulary; j++) {
            const bool hit = static_cast<std::int64_t>(j) == labels[row];
            const double expected = labels[row] < 0 ? 0 : weights[row] * (hit - std::exp(x[j]) / sum);
            CHECK(std::fabs(gradient[row * vocabulary + j] - expected) < 2e-6);
        }
    }
    // Into the caller's memory: pointers with sizes, and in place.
    std::vector<float> logprobs(rows), normalizers(rows);
    dama::token_logprobs({logits.data(), logits.size()}, labels, vocabulary, logprobs, normalizers, 2);
    CHECK(logprobs == found.logprobs && normalizers == found.normalizers);
    auto place = logits;
    dama::token_logprobs_backward(place, labels, normalizers, weights, vocabulary, place, 1);
    CHECK(place == gradient);

    const std::vector<std::int64_t> bad = {0, 0, 37}, none;
    CHECK_THROWS(dama::token_logprobs(logits, bad, vocabulary), DAMA_INVALID_ARGUMENT, "label 37 of row 2");
    CHECK_THROWS_A(dama::token_logprobs(logits, labels, vocabulary - 1), std::invalid_argument,
                   "logits has 111 elements, not 3 rows of 36");
    CHECK_THROWS_A(dama::token_logprobs(logits, labels, 0), std::invalid_argument, "not 3 rows of 0");
    CHECK_THROWS_A(dama::token_logprobs_backward(logits, labels, found.normalizers, std::vector<float>(2), vocabulary),
                   std::invalid_argument, "weights has 2 elements, not 3");
    CHECK_THROWS_A(dama::token_logprobs_backward(logits, labels, normalizers, weights, vocabulary, logprobs),
                   std::invalid_argument, "gradient has 3 elements, not 111");
    CHECK(dama::token_logprobs(dama::View<const float>(), none, vocabulary).logprobs.empty());
}

void adamw() {
    std::vector<float> parameters = {1, -1}, first(2), second(2);
    const std::vector<float> gradients = {1e-3f, -20};
    auto options = dama::adamw_options();
    CHECK(options.struct_size == sizeof options && options.beta2 == 0.999);
    options.learning_rate = 0.1;
    options.weight_decay = 0.5;
    // The first step of Adam is the learning rate times the gradient's sign; decay takes rate · decay of the value.
    dama::adamw_step(gradients, 1, options, parameters, first, second);
    CHECK(std::fabs(parameters[0] - 0.85) < 2e-6 && std::fabs(parameters[1] + 0.85) < 2e-6);
    CHECK(std::fabs(first[1] + 2) < 1e-6 && std::fabs(second[1] - 0.4) < 1e-6);
    CHECK_THROWS(dama::adamw_step(gradients, 0, options, parameters, first, second), DAMA_INVALID_ARGUMENT,
                 "step is 0");
    second.pop_back();
    CHECK_THROWS_A(dama::adamw_step(gradients, 1, options, parameters, first, second), std::invalid_argument,
                   "second_moment has 1 elements, not 2");

    CHECK(dama::sum_of_squares(std::vector<float>{3, 4, 12}) == 169);
    CHECK(dama::sum_of_squares(std::vector<float>()) == 0);
}

void schedules() {
    auto options = dama::schedule_options();
    CHECK_THROWS(dama::learning_rate(0, options), DAMA_INVALID_ARGUMENT, "at least one step");
    options.total_steps = 100;
    options.learning_rate = 2;
    // Ten steps of warm-up, then half a cosine, which is at its middle at step 55.
    CHECK(dama::learning_rate(5, options) == 1 && dama::learning_rate(10, options) == 2);
    CHECK(std::fabs(dama::learning_rate(55, options) - 1) < 1e-15);
}

template <typename From, typename T> constexpr bool fits = std::is_convertible<From, dama::View<T>>::value;
static_assert(fits<const std::vector<float> &, const float> && fits<std::vector<float> &, float>, "");
static_assert(!fits<const std::vector<float> &, float> && !fits<std::vector<double> &, const float>, "");
static_assert(!fits<std::vector<bool> &, bool> && !fits<const float *, const float>, "");

} // namespace

int main() {
    return run_tests([] {
        token_logprobs();
        adamw();
        schedules();
    });
}
