/* Training steps. */
#ifndef DAMA_CPP_TRAINER_HPP
#define DAMA_CPP_TRAINER_HPP

#include "../trainer.h"
#include "beta.hpp"
#include "callback.hpp"
#include "logps.hpp"
#include "policy.hpp"
#include "view.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace dama {

/** A pair for training; see dama_training_pair. */
struct TrainingPair {
    PreferencePair pair;
    double alpha_data = 1;
    double reference_chosen = std::numeric_limits<double>::quiet_NaN();
    double reference_rejected = std::numeric_limits<double>::quiet_NaN();
    std::int32_t hardness_third = -1;
};

/** A trainable tensor; the pointers are the trainer's memory, those of dama_parameter. */
struct Parameter {
    std::string name;
    std::vector<std::int64_t> shape;
    std::size_t count = 0;
    float *value = nullptr, *gradient = nullptr;
    bool decays = false;
    void *device_gradient = nullptr;
    std::int64_t device = -1;
};

/** Owns a dama_trainer. Move-only; use it from one thread at a time. */
class Trainer {
public:
    using Options = dama_trainer_options;
    using Facts = dama_trainer_facts;
    using ExportOptions = dama_export_options;

    static Options options() { return detail::initialised(dama_trainer_options_init_sized); }
    static ExportOptions export_options() { return detail::initialised(dama_export_options_init_sized); }

    /** See dama_trainer_create(). The policies need not outlive the trainer. */
    explicit Trainer(const Policy &policy, const Policy *reference = nullptr,
                     const AdaptiveBeta &controller = AdaptiveBeta(), const Options &options = Trainer::options())
        : handle_(detail::made<Owner>([&](dama_trainer **out) {
              return dama_trainer_create(out, policy.get(), reference ? reference->get() : nullptr, controller.get(),
                                         &options);
          })) {}

    /** See dama_trainer_step(). */
    dama_step_metrics step(const std::vector<TrainingPair> &pairs, const Cancellation *cancellation = nullptr) {
        std::vector<dama_training_pair> views;
        views.reserve(pairs.size());
        for (const auto &it : pairs)
            views.push_back({detail::view(it.pair), it.alpha_data, it.reference_chosen, it.reference_rejected,
                             it.hardness_third});
        auto metrics = detail::initialised(dama_step_metrics_init_sized);
        check(dama_trainer_step(handle_.get(), views.data(), views.size(), &metrics, detail::handle(cancellation)));
        return metrics;
    }

    /** See dama_trainer_forward(). */
    std::vector<PairLogps> forward(const std::vector<PreferencePair> &pairs,
                                   const Cancellation *cancellation = nullptr) {
        const auto views = detail::views(pairs);
        return detail::logps([&](dama_logps **out) {
            return dama_trainer_forward(out, handle_.get(), views.data(), views.size(), detail::handle(cancellation));
        });
    }

    /** See dama_trainer_backward(). Throws std::invalid_argument if the vectors differ in length. */
    void backward(const std::vector<double> &grad_chosen, const std::vector<double> &grad_rejected,
                  const Cancellation *cancellation = nullptr) {
        detail::check_size("grad_rejected", grad_rejected.size(), grad_chosen.size());
        check(dama_trainer_backward(handle_.get(), grad_chosen.data(), grad_rejected.data(), grad_chosen.size(),
                                    detail::handle(cancellation)));
    }

    void zero_grad() { check(dama_trainer_zero_grad(handle_.get())); }

    double gradient_norm() const {
        double norm = 0;
        check(dama_trainer_gradient_norm(handle_.get(), &norm));
        return norm;
    }

    /** See dama_trainer_update(). Returns the global norm before clipping. */
    double update() {
        double norm = 0;
        check(dama_trainer_update(handle_.get(), &norm));
        return norm;
    }

    std::vector<Parameter> parameters() const {
        std::vector<Parameter> result;
        for (std::size_t i = 0; i < dama_trainer_parameter_count(handle_.get()); i++) {
            auto it = detail::initialised(dama_parameter_init_sized);
            check(dama_trainer_parameter_at(handle_.get(), i, &it));
            const std::vector<std::int64_t> shape(it.shape, it.shape + it.dimensions);
            result.push_back({it.name, shape, it.count, it.value, it.gradient, it.decays != 0, it.device_gradient,
                              it.device});
        }
        return result;
    }

    /** The value or the gradient of a parameter, wherever it lies; see dama_trainer_read_parameter(). */
    std::vector<float> read(std::size_t index, dama_parameter_part part = DAMA_PARAMETER_VALUE) const {
        auto it = detail::initialised(dama_parameter_init_sized);
        check(dama_trainer_parameter_at(handle_.get(), index, &it));
        std::vector<float> numbers(it.count);
        check(dama_trainer_read_parameter(handle_.get(), index, part, numbers.data(), numbers.size()));
        return numbers;
    }

    /** Replaces it; see dama_trainer_write_parameter(). */
    void write(std::size_t index, const std::vector<float> &numbers,
               dama_parameter_part part = DAMA_PARAMETER_VALUE) {
        check(dama_trainer_write_parameter(handle_.get(), index, part, numbers.data(), numbers.size()));
    }

    /** See dama_trainer_describe(). */
    Facts facts() const {
        auto facts = detail::initialised(dama_trainer_facts_init_sized);
        check(dama_trainer_describe(handle_.get(), &facts));
        return facts;
    }

    /** See dama_trainer_controller(). */
    AdaptiveBeta controller() const {
        dama_adaptive_beta *copy = nullptr;
        check(dama_trainer_controller(&copy, handle_.get()));
        return AdaptiveBeta(copy);
    }

    /** See dama_trainer_save(). */
    void save(const std::string &path, const std::string &note = "") const {
        check(dama_trainer_save(handle_.get(), detail::c_string(path),
                                note.empty() ? nullptr : detail::c_string(note)));
    }

    /** See dama_trainer_load(). Returns the note, or an empty string if the checkpoint has none. */
    std::string load(const std::string &path) {
        const auto note = detail::strings(
            [&](dama_strings **out) { return dama_trainer_load(out, handle_.get(), detail::c_string(path)); });
        return note.empty() ? std::string() : note.front();
    }

    /** See dama_trainer_export(). It has this name because `export` is a keyword. */
    void export_to(const std::string &directory, const ExportOptions &options = export_options()) const {
        check(dama_trainer_export(handle_.get(), detail::c_string(directory), &options));
    }

    /** The handle, for C functions. */
    const dama_trainer *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_trainer, dama_trainer_free>;
    Owner handle_;
};

} // namespace dama

#endif /* DAMA_CPP_TRAINER_HPP */
