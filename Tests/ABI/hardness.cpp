// Hardness, losses and adaptive beta in C++, against closed forms.
#include "check.hpp"

#include <array>

namespace {

void hardness() {
    const double a = std::exp(1.0) + std::exp(2.0), b = std::exp(0.5);
    CHECK(std::fabs(dama::hardness({1.0f, 2.0f}, {0.5f}) - (a - b) / (a + b)) < 1e-14);
    CHECK(dama::hardness_from_scores({20, 22}, {21}) == 2);
    const auto alpha = dama::alpha_data({0.5, -0.5});
    CHECK(alpha.size() == 2 && std::fabs(alpha[0] - 2 / (1 + std::exp(-0.5))) < 1e-15);
    CHECK(dama::alpha_data({0.5, -0.5}, 0.5)[0] == 1);

    CHECK_THROWS(dama::hardness({}, {0.5f}), DAMA_INVALID_ARGUMENT, "chosen scores are empty");
    CHECK_THROWS(dama::hardness({NAN}, {0.5f}), DAMA_INVALID_ARGUMENT, "finite");
    CHECK_THROWS(dama::hardness_from_scores({1}, {1, -1}), DAMA_INVALID_ARGUMENT, "0");
    CHECK_THROWS(dama::alpha_data({0, NAN}), DAMA_INVALID_ARGUMENT, "delta 1");
}

void losses() {
    const auto sigmoid = dama::loss_evaluate(DAMA_LOSS_SIGMOID, {3, -1e4}, {0.5, 1});
    CHECK(std::fabs(sigmoid.values[0] - std::log1p(std::exp(-1.5))) < 1e-15 && sigmoid.values[1] == 1e4);
    CHECK(std::fabs(sigmoid.derivatives[0] + 0.5 / (1 + std::exp(1.5))) < 1e-15 && sigmoid.derivatives[1] == -1);
    // (h − 1/(2β))² and its derivative.
    const auto ipo = dama::loss_evaluate(DAMA_LOSS_IPO, {3}, {0.5});
    CHECK(ipo.values[0] == 4 && ipo.derivatives[0] == 4);
    // −(1 − ε) log σ(βh) − ε log σ(−βh), whose derivative is β (σ(βh) − (1 − ε)).
    const auto cdpo = dama::loss_evaluate(DAMA_LOSS_CDPO, {3}, {0.5}, 0.1);
    CHECK(std::fabs(cdpo.derivatives[0] - 0.5 * (1 / (1 + std::exp(-1.5)) - 0.9)) < 1e-15);
    CHECK_THROWS(dama::loss_evaluate(DAMA_LOSS_CDPO, {3}, {0.5}, 0.5), DAMA_INVALID_ARGUMENT, "0.5");
    CHECK_THROWS_A(dama::loss_evaluate(DAMA_LOSS_IPO, {3, 4}, {0.5}), std::invalid_argument,
                   "beta has 1 elements, not 2");
    CHECK(dama::loss_evaluate(DAMA_LOSS_HINGE, {}, {}).values.empty());
}

dama::PreferenceBatch batch() {
    dama::PreferenceBatch batch;
    batch.policy_chosen = {-1, -2};
    batch.policy_rejected = {-3, -3};
    batch.reference_chosen = {-1, -1};
    batch.reference_rejected = {-1, -1};
    return batch;
}

void adaptive_beta() {
    static_assert(moves_only<dama::AdaptiveBeta>(), "");
    auto options = dama::AdaptiveBeta::preset(DAMA_PRESET_DPO);
    options.beta = 0.5;
    dama::AdaptiveBeta controller(options);
    const auto step = controller.step(batch());
    // DPO: h is the difference of the log-ratios, ℓ = −log σ(βh).
    CHECK(step.margins == (std::vector<double>{2, 1}));
    CHECK(std::fabs(step.losses[0] - std::log1p(std::exp(-1.0))) < 1e-15);
    CHECK(std::fabs(step.grad_chosen[1] + 0.25 / (1 + std::exp(0.5))) < 1e-15);
    CHECK(step.grad_rejected[1] == -step.grad_chosen[1] && step.mask == (std::vector<std::uint8_t>{1, 1}));
    controller.commit();
    CHECK(controller.facts().steps == 1 && controller.facts().running_mean == controller.running_mean());
    CHECK(controller.options().beta == 0.5);

    auto sliced = batch();
    sliced.slice_offset = 1;
    CHECK(controller.step(sliced).margins == (std::vector<double>{1}));
    sliced.policy_rejected.pop_back();
    CHECK_THROWS_A(controller.step(sliced), std::invalid_argument, "policy_rejected has 1 elements, not 2");

    auto resumed = dama::AdaptiveBeta::from_state(controller.state());
    CHECK(resumed.running_mean() == controller.running_mean() && resumed.state() == controller.state());
    CHECK_THROWS(dama::AdaptiveBeta::from_state({}), DAMA_INVALID_ARGUMENT, "");
    CHECK_THROWS(dama::AdaptiveBeta::from_state({1, 2, 3}), DAMA_INVALID_ARGUMENT, "");
    // A moved-from object is empty, and its calls fail.
    const dama::AdaptiveBeta moved(std::move(resumed));
    CHECK(moved.get() && !resumed.get());
    CHECK_THROWS(resumed.commit(), DAMA_INVALID_ARGUMENT, "controller is NULL");
}

} // namespace

int main() {
    return run_tests([] {
        CHECK(dama::version() == dama_version_string());
        hardness();
        losses();
        adaptive_beta();
    });
}
