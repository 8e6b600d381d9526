// Adaptive beta from C++: a run that is saved and resumed gives the same results bit for bit.
//
//     c++ -std=c++17 adaptive_beta.cpp $(pkg-config --cflags --libs dama) -o adaptive_beta && ./adaptive_beta
#include <dama.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

// Log-probabilities as of a model at this step: margins grow, faster for some pairs.
dama::PreferenceBatch batch_at(int step) {
    dama::PreferenceBatch batch;
    for (int i = 0; i < 16; i++) {
        const double reference = -50.0 - i;
        batch.reference_chosen.push_back(reference);
        batch.reference_rejected.push_back(reference - 1);
        batch.policy_chosen.push_back(reference + 0.05 * step * (i % 5 - 1) + i % 3);
        batch.policy_rejected.push_back(reference - 1 - 0.02 * step);
        batch.alpha_data.push_back(0.8 + 0.03 * i);
    }
    return batch;
}

} // namespace

int main() {
    auto options = dama::AdaptiveBeta::preset(DAMA_PRESET_RELEASED); // samples int(0.8 · 16) = 12 pairs
    options.seed = 7;
    dama::AdaptiveBeta controller(options);
    std::vector<std::uint8_t> checkpoint;
    double uninterrupted = 0;
    for (int step = 0; step < 40; step++) {
        if (step == 20) checkpoint = controller.state();
        const auto found = controller.step(batch_at(step));
        if (step % 10 == 0) {
            std::printf("step %2d: loss %.4f, alpha_M %.4f, kept %zu, beta of pair 0 %.4f\n", step, found.summary.loss,
                        found.summary.alpha_model, found.summary.kept, found.beta[0]);
        }
        controller.commit();
        uninterrupted = found.summary.loss;
    }

    auto resumed = dama::AdaptiveBeta::from_state(checkpoint);
    double loss = 0;
    for (int step = 20; step < 40; step++) {
        loss = resumed.step(batch_at(step)).summary.loss;
        resumed.commit();
    }
    std::printf("last loss %.17g, resumed at step 20 %.17g\n", uninterrupted, loss);
    return loss == uninterrupted && resumed.state() == controller.state() ? EXIT_SUCCESS : EXIT_FAILURE;
}
