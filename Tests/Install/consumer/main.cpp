// A C++ program outside the tree: all its compiler and linker flags come from find_package(dama).
#include <dama.hpp>

#include <cstdio>

int main() {
    const double delta = dama::hardness({20, 25}, {21});
    bool thrown = false;
    try {
        dama::hardness({}, {21});
    } catch (const dama::Error &error) {
        thrown = error.status() == DAMA_INVALID_ARGUMENT && error.what()[0] != 0;
    }
    // A handle that is moved, saved and loaded.
    dama::AdaptiveBeta controller;
    dama::PreferenceBatch batch;
    batch.policy_chosen = {-40, -50};
    batch.policy_rejected = {-45, -48};
    batch.reference_chosen = {-41, -51};
    batch.reference_rejected = {-44, -47};
    const dama::PreferenceStep step = controller.step(batch);
    controller.commit();
    const auto again = dama::AdaptiveBeta::from_state(controller.state());
    const bool same = step.summary.kept == 2 && step.beta.size() == 2 && again.running_mean() == controller.running_mean();
    std::printf("%s %.3f\n", dama::version().c_str(), delta);
    return !(same && thrown && delta > 0.9 && delta < 1);
}
