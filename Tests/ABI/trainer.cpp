// Training in C++.
#include "stopping.hpp"

#include <algorithm>
#include <stdexcept>

namespace {

dama::Trainer::Options projector() {
    auto options = dama::Trainer::options();
    options.trainable = DAMA_TRAINABLE_PROJECTOR;
    options.learning_rate = 1e-3;
    options.max_gradient_norm = 0;
    return options;
}

std::vector<float> values(const dama::Trainer &trainer) {
    std::vector<float> result;
    for (const auto &it : trainer.parameters()) result.insert(result.end(), it.value, it.value + it.count);
    return result;
}

void steps(const dama::Policy &policy, const std::vector<dama::PreferencePair> &pairs) {
    dama::Trainer trainer(policy, &policy, dama::AdaptiveBeta(), projector());
    std::vector<dama::TrainingPair> training;
    for (const auto &pair : pairs) training.emplace_back().pair = pair;
    const auto before = values(trainer);
    const auto metrics = trainer.step(training);
    // The policy is its own reference: h is 0, and −log σ(0) is log 2.
    CHECK(std::fabs(metrics.loss - std::log(2.0)) < 1e-6 && metrics.updated == 1 && metrics.pairs == pairs.size());
    // The first step of AdamW moves every value that has a gradient by the learning rate.
    const auto after = values(trainer);
    float farthest = 0;
    for (std::size_t i = 0; i < before.size(); i++) farthest = std::max(farthest, std::fabs(after[i] - before[i]));
    CHECK(std::fabs(farthest - 1e-3f) < 1e-6f);
    CHECK(trainer.facts().steps == 1 && trainer.facts().skipped == 0);
    CHECK(trainer.controller().running_mean() == trainer.facts().running_mean);

    dama::Cancellation cancelled;
    cancelled.cancel();
    CHECK_THROWS(trainer.step(training, &cancelled), DAMA_CANCELLED, "");
    CHECK(trainer.facts().steps == 1 && values(trainer) == after);
    training[0].pair.chosen.clear();
    CHECK_THROWS(trainer.step(training), DAMA_INVALID_ARGUMENT, "pair 0");
}

void parts(const dama::Policy &policy, const std::vector<dama::PreferencePair> &pairs) {
    dama::Trainer first(policy, nullptr, dama::AdaptiveBeta(), projector());
    dama::Trainer trainer(std::move(first));
    CHECK(!first.get() && first.parameters().empty());
    CHECK_THROWS(first.update(), DAMA_INVALID_ARGUMENT, "trainer is NULL");

    const auto computed = policy.logps(pairs);
    const auto found = trainer.forward(pairs);
    // The training graph and the policy's graph, in fp32.
    for (std::size_t i = 0; i < pairs.size(); i++)
        CHECK(std::fabs(found.at(i).chosen.sum - computed[i].chosen.sum) < 1e-3);
    CHECK_THROWS_A(trainer.backward({1, 1}, {1}), std::invalid_argument, "grad_rejected has 1 elements, not 2");
    trainer.backward(std::vector<double>(pairs.size(), 1), std::vector<double>(pairs.size(), 0));
    double sum = 0;
    for (const auto &it : trainer.parameters()) sum += dama::sum_of_squares({it.gradient, it.count});
    CHECK(sum > 0 && std::fabs(trainer.gradient_norm() / std::sqrt(sum) - 1) < 1e-6);
    auto numbers = trainer.read(0);
    const auto parameter = trainer.parameters()[0];
    CHECK(std::equal(numbers.begin(), numbers.end(), parameter.value) && !parameter.device_gradient);
    CHECK(trainer.read(0, DAMA_PARAMETER_GRADIENT).size() == numbers.size());
    const auto before = numbers;
    numbers[0] += 1;
    trainer.write(0, numbers);
    CHECK(parameter.value[0] == numbers[0]);
    trainer.write(0, before);
    CHECK_THROWS(trainer.read(9999), DAMA_INVALID_ARGUMENT, "beyond the end");
    CHECK(trainer.update() == trainer.gradient_norm());
    trainer.zero_grad();
    CHECK(trainer.gradient_norm() == 0);
}

void ranks(const dama::Policy &policy, const std::vector<dama::PreferencePair> &pairs) {
    std::vector<dama::TrainingPair> training;
    for (const auto &pair : pairs) training.emplace_back().pair = pair;
    dama::Ranks alone(0, 1, [](void *, std::size_t, dama_sum_type, std::int64_t) { throw std::logic_error("called"); });
    auto options = projector();
    options.ranks = alone.get();
    CHECK(dama::Trainer(policy, &policy, dama::AdaptiveBeta(), options).step(training).updated == 1);

    dama::Ranks broken(1, 2, [](void *numbers, std::size_t count, dama_sum_type type, std::int64_t device) {
        CHECK(numbers && count == 2 && type == DAMA_SUM_FLOAT64 && device == -1);
        throw std::runtime_error("the network is gone");
    });
    options.ranks = broken.get();
    dama::Trainer trainer(policy, &policy, dama::AdaptiveBeta(), options);
    CHECK_THROWS(trainer.step(training), DAMA_CANCELLED, "");
    CHECK_THROWS_A(broken.rethrow(), std::runtime_error, "the network is gone");
    broken.rethrow();
    CHECK(trainer.facts().steps == 0);
}

void checkpoints(const dama::Policy &policy, const std::vector<dama::PreferencePair> &pairs) {
    const Folder folder;
    dama::Trainer trainer(policy, nullptr, dama::AdaptiveBeta(), projector()),
        other(policy, nullptr, dama::AdaptiveBeta(), projector());
    trainer.forward(pairs);
    trainer.backward(std::vector<double>(pairs.size(), 1), std::vector<double>(pairs.size(), -1));
    trainer.update();
    trainer.save(folder / "checkpoint", "row 12");
    CHECK(values(other) != values(trainer));
    CHECK(other.load(folder / "checkpoint") == "row 12" && values(other) == values(trainer));
    trainer.save(folder / "without");
    CHECK(other.load(folder / "without").empty());
    CHECK_THROWS(other.load(folder / "none"), DAMA_IO, "none");
    trainer.export_to(folder / "model");
    const dama::Policy trained(folder / "model");
    CHECK(std::fabs(trained.logps(pairs).at(0).chosen.sum - trainer.forward(pairs).at(0).chosen.sum) < 1e-3);
}

} // namespace

int main() {
    return run_tests([] {
        static_assert(moves_only<dama::Trainer>(), "");
        const std::string folder = fixtures("DAMA_LLAVA_FIXTURES"), file = folder + "/image.png";
        const auto image = dama::Scorer::file(file);
        const dama::Policy policy(folder + "/default");
        const std::vector<dama::PreferencePair> pairs = {
            {&image, "What is in the image?", "A red circle is left of a blue star.", "Two dogs."},
            {&image, "Where is the circle?", "At the top.", "There is none, but a large star."},
        };
        steps(policy, pairs);
        parts(policy, pairs);
        ranks(policy, pairs);
        checkpoints(policy, pairs);
    });
}
