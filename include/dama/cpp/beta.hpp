/* Adaptive beta: see dama/beta.h. The losses alone are in losses.hpp. */
#ifndef DAMA_CPP_BETA_HPP
#define DAMA_CPP_BETA_HPP

#include "../beta.h"
#include "error.hpp"
#include "view.hpp"

#include <cstdint>
#include <utility>
#include <vector>

namespace dama {

/** The log-probabilities of a global batch; see dama_preference_batch. Optional vectors may be empty. */
struct PreferenceBatch {
    std::vector<double> policy_chosen, policy_rejected, reference_chosen, reference_rejected;
    std::vector<double> alpha_data;
    std::vector<std::int64_t> chosen_lengths, rejected_lengths;
    std::size_t slice_offset = 0;
    std::size_t slice_count = DAMA_REST;
};

/** The result of a step; see dama_preference_result. */
struct PreferenceStep {
    std::vector<double> beta, margins, losses, grad_chosen, grad_rejected;
    std::vector<double> reward_chosen, reward_rejected, plain_reward_chosen, plain_reward_rejected;
    std::vector<std::uint8_t> mask;
    /** The numbers of the batch. The pointers are NULL. */
    dama_preference_result summary{};
};

/** Owns a dama_adaptive_beta. Move-only; use it from one thread at a time. */
class AdaptiveBeta {
public:
    using Options = dama_adaptive_beta_options;
    using Facts = dama_adaptive_beta_facts;

    /** See dama_adaptive_beta_options_init(). */
    static Options preset(dama_preset preset = DAMA_PRESET_PAPER) {
        Options options;
        dama_adaptive_beta_options_init(&options, preset);
        return options;
    }

    /** See dama_adaptive_beta_create(). */
    explicit AdaptiveBeta(const Options &options = preset())
        : handle_(detail::made<Owner>(
              [&](dama_adaptive_beta **out) { return dama_adaptive_beta_create(out, &options); })) {}

    /** See dama_adaptive_beta_load(). */
    static AdaptiveBeta from_state(const std::vector<std::uint8_t> &state) {
        return AdaptiveBeta(detail::made<Owner>([&](dama_adaptive_beta **out) {
            return dama_adaptive_beta_load(out, state.data(), state.size());
        }));
    }

    /** Takes ownership of a handle. */
    explicit AdaptiveBeta(dama_adaptive_beta *handle) : handle_(handle) {}

    /** The handle, for C functions. */
    const dama_adaptive_beta *get() const noexcept { return handle_.get(); }

    /** See dama_adaptive_beta_step(). Throws std::invalid_argument if the vectors differ in length. */
    PreferenceStep step(const PreferenceBatch &batch) {
        const std::size_t count = batch.policy_chosen.size();
        auto in = detail::initialised(dama_preference_batch_init_sized);
        in.count = count;
        in.policy_chosen = data("policy_chosen", batch.policy_chosen, count);
        in.policy_rejected = data("policy_rejected", batch.policy_rejected, count);
        in.reference_chosen = data("reference_chosen", batch.reference_chosen, count);
        in.reference_rejected = data("reference_rejected", batch.reference_rejected, count);
        in.alpha_data = data("alpha_data", batch.alpha_data, count);
        in.chosen_lengths = data("chosen_lengths", batch.chosen_lengths, count);
        in.rejected_lengths = data("rejected_lengths", batch.rejected_lengths, count);
        in.slice_offset = batch.slice_offset;
        in.slice_count = batch.slice_count;

        const std::size_t rest = count - (batch.slice_offset < count ? batch.slice_offset : count);
        const std::size_t width = batch.slice_count < rest ? batch.slice_count : rest;
        PreferenceStep out;
        out.summary = detail::initialised(dama_preference_result_init_sized);
        out.summary.capacity = width;
        out.mask.resize(width);
        out.summary.mask = out.mask.data();
        const auto room = [width](std::vector<double> &values) {
            values.resize(width);
            return values.data();
        };
        out.summary.beta = room(out.beta);
        out.summary.margins = room(out.margins);
        out.summary.losses = room(out.losses);
        out.summary.grad_chosen = room(out.grad_chosen);
        out.summary.grad_rejected = room(out.grad_rejected);
        out.summary.reward_chosen = room(out.reward_chosen);
        out.summary.reward_rejected = room(out.reward_rejected);
        out.summary.plain_reward_chosen = room(out.plain_reward_chosen);
        out.summary.plain_reward_rejected = room(out.plain_reward_rejected);
        check(dama_adaptive_beta_step(handle_.get(), &in, &out.summary));
        out.summary.mask = nullptr;
        out.summary.beta = out.summary.margins = out.summary.losses = nullptr;
        out.summary.grad_chosen = out.summary.grad_rejected = nullptr;
        out.summary.reward_chosen = out.summary.reward_rejected = nullptr;
        out.summary.plain_reward_chosen = out.summary.plain_reward_rejected = nullptr;
        return out;
    }

    /** See dama_adaptive_beta_commit(). */
    void commit() { check(dama_adaptive_beta_commit(handle_.get())); }

    /** See dama_adaptive_beta_describe(). */
    Facts facts() const {
        auto facts = detail::initialised(dama_adaptive_beta_facts_init_sized);
        check(dama_adaptive_beta_describe(handle_.get(), &facts));
        return facts;
    }

    double running_mean() const { return facts().running_mean; }

    /** See dama_adaptive_beta_get_options(). */
    Options options() const {
        Options options = preset();
        check(dama_adaptive_beta_get_options(handle_.get(), &options));
        return options;
    }

    /** See dama_adaptive_beta_save(). */
    std::vector<std::uint8_t> state() const {
        return detail::written<std::vector<std::uint8_t>>(
            0, [&](std::uint8_t *bytes, std::size_t capacity, std::size_t *size) {
                return dama_adaptive_beta_save(handle_.get(), bytes, capacity, size);
            });
    }

private:
    using Owner = detail::Handle<dama_adaptive_beta, dama_adaptive_beta_free>;

    explicit AdaptiveBeta(Owner owner) noexcept : handle_(std::move(owner)) {}

    /** NULL for an empty vector; the C function then names what is missing. */
    template <typename T> static const T *data(const char *name, const std::vector<T> &values, std::size_t count) {
        if (values.empty()) return nullptr;
        detail::check_size(name, values.size(), count);
        return values.data();
    }

    Owner handle_;
};

} // namespace dama

#endif /* DAMA_CPP_BETA_HPP */
