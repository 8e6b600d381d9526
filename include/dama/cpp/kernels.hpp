/* Kernels over the caller's memory: token log-probabilities, AdamW, learning rates. */
#ifndef DAMA_CPP_KERNELS_HPP
#define DAMA_CPP_KERNELS_HPP

#include "../kernels.h"
#include "error.hpp"
#include "view.hpp"

#include <cstdint>
#include <vector>

namespace dama {

/*
 * Sizes follow from the views. Views whose sizes disagree throw std::invalid_argument. If `threads` is 0, every
 * processor is used.
 */

/** log π(label) of each row, and log Σ exp(logits), which the gradient needs. */
struct TokenLogprobs {
    std::vector<float> logprobs, normalizers;
};

namespace detail {

/** Throws unless `size` is rows · vocabulary. */
inline void check_matrix(const char *name, std::size_t size, std::size_t rows, std::size_t vocabulary) {
    const bool fits = rows == 0 || vocabulary == 0 ? size == 0 : size % vocabulary == 0 && size / vocabulary == rows;
    if (!fits)
        throw std::invalid_argument(std::string(name) + " has " + std::to_string(size) + " elements, not " +
                                    std::to_string(rows) + " rows of " + std::to_string(vocabulary));
}

} // namespace detail

/** See dama_token_logprobs(). Writes to the caller's memory. */
inline void token_logprobs(View<const float> logits, View<const std::int64_t> labels, std::size_t vocabulary,
                           View<float> logprobs, View<float> normalizers, std::uint32_t threads = 0) {
    detail::check_matrix("logits", logits.size(), labels.size(), vocabulary);
    detail::check_size("logprobs", logprobs.size(), labels.size());
    detail::check_size("normalizers", normalizers.size(), labels.size());
    check(dama_token_logprobs(logits.data(), labels.data(), labels.size(), vocabulary, threads, logprobs.data(),
                              normalizers.data()));
}

/** See dama_token_logprobs(). */
inline TokenLogprobs token_logprobs(View<const float> logits, View<const std::int64_t> labels, std::size_t vocabulary,
                                    std::uint32_t threads = 0) {
    TokenLogprobs result{std::vector<float>(labels.size()), std::vector<float>(labels.size())};
    token_logprobs(logits, labels, vocabulary, result.logprobs, result.normalizers, threads);
    return result;
}

/** See dama_token_logprobs_backward(). Writes to the caller's memory, which may be that of the logits. */
inline void token_logprobs_backward(View<const float> logits, View<const std::int64_t> labels,
                                    View<const float> normalizers, View<const float> weights, std::size_t vocabulary,
                                    View<float> gradient, std::uint32_t threads = 0) {
    detail::check_matrix("logits", logits.size(), labels.size(), vocabulary);
    detail::check_size("normalizers", normalizers.size(), labels.size());
    detail::check_size("weights", weights.size(), labels.size());
    detail::check_size("gradient", gradient.size(), logits.size());
    check(dama_token_logprobs_backward(logits.data(), labels.data(), normalizers.data(), weights.data(), labels.size(),
                                       vocabulary, threads, gradient.data()));
}

/** See dama_token_logprobs_backward(): [rows, vocabulary]. */
inline std::vector<float> token_logprobs_backward(View<const float> logits, View<const std::int64_t> labels,
                                                  View<const float> normalizers, View<const float> weights,
                                                  std::size_t vocabulary, std::uint32_t threads = 0) {
    std::vector<float> gradient(logits.size());
    token_logprobs_backward(logits, labels, normalizers, weights, vocabulary, gradient, threads);
    return gradient;
}

using AdamWOptions = dama_adamw_options;

/** See dama_adamw_options_init(). */
inline AdamWOptions adamw_options() { return detail::initialised(dama_adamw_options_init_sized); }

/** See dama_adamw_step(). */
inline void adamw_step(View<const float> gradients, std::uint64_t step, const AdamWOptions &options,
                       View<float> parameters, View<float> first_moment, View<float> second_moment) {
    detail::check_size("parameters", parameters.size(), gradients.size());
    detail::check_size("first_moment", first_moment.size(), gradients.size());
    detail::check_size("second_moment", second_moment.size(), gradients.size());
    check(dama_adamw_step(gradients.data(), gradients.size(), step, &options, parameters.data(), first_moment.data(),
                          second_moment.data()));
}

/** See dama_sum_of_squares(). */
inline double sum_of_squares(View<const float> values, std::uint32_t threads = 0) {
    double sum = 0;
    check(dama_sum_of_squares(values.data(), values.size(), threads, &sum));
    return sum;
}

using ScheduleOptions = dama_schedule_options;

/** See dama_schedule_options_init(); total_steps must be set. */
inline ScheduleOptions schedule_options() { return detail::initialised(dama_schedule_options_init_sized); }

/** See dama_learning_rate(); steps are counted from 0. */
inline double learning_rate(std::uint64_t step, const ScheduleOptions &options) {
    double rate = 0;
    check(dama_learning_rate(step, &options, &rate));
    return rate;
}

} // namespace dama

#endif /* DAMA_CPP_KERNELS_HPP */
