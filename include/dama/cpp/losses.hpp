/* Preference losses of margins. */
#ifndef DAMA_CPP_LOSSES_HPP
#define DAMA_CPP_LOSSES_HPP

#include "../beta.h"
#include "error.hpp"
#include "view.hpp"

#include <vector>

namespace dama {

/** ℓ and ∂ℓ/∂h of each margin h. */
struct LossValues {
    std::vector<double> values, derivatives;
};

/** See dama_loss_evaluate(). Throws std::invalid_argument if the vectors differ in length. */
inline LossValues loss_evaluate(dama_loss loss, const std::vector<double> &margins, const std::vector<double> &beta,
                                double parameter = 0) {
    detail::check_size("beta", beta.size(), margins.size());
    LossValues result{std::vector<double>(margins.size()), std::vector<double>(margins.size())};
    check(dama_loss_evaluate(loss, parameter, margins.data(), beta.data(), margins.size(), result.values.data(),
                             result.derivatives.data()));
    return result;
}

} // namespace dama

#endif /* DAMA_CPP_LOSSES_HPP */
