/* Data hardness: δ of a pair, and alpha_D. */
#ifndef DAMA_CPP_HARDNESS_HPP
#define DAMA_CPP_HARDNESS_HPP

#include "../hardness.h"
#include "error.hpp"

#include <limits>
#include <vector>

namespace dama {

/** See dama_hardness(). */
inline double hardness(const std::vector<float> &chosen_scores, const std::vector<float> &rejected_scores) {
    double delta = 0;
    check(dama_hardness(chosen_scores.data(), chosen_scores.size(), rejected_scores.data(), rejected_scores.size(),
                        &delta));
    return delta;
}

/** See dama_hardness_from_scores(). */
inline double hardness_from_scores(const std::vector<float> &chosen_scores,
                                   const std::vector<float> &rejected_scores) {
    double delta = 0;
    check(dama_hardness_from_scores(chosen_scores.data(), chosen_scores.size(), rejected_scores.data(),
                                    rejected_scores.size(), &delta));
    return delta;
}

/** See dama_alpha_data(). */
inline std::vector<double> alpha_data(const std::vector<double> &delta,
                                      double mean_delta = std::numeric_limits<double>::quiet_NaN()) {
    std::vector<double> result(delta.size());
    check(dama_alpha_data(delta.data(), delta.size(), mean_delta, result.data()));
    return result;
}

} // namespace dama

#endif /* DAMA_CPP_HARDNESS_HPP */
