/*
 * Optional C++17 convenience over dama.h: exceptions instead of statuses, std::vector instead of pointer and count.
 * Everything is inline; nothing here is part of the ABI.
 */
#ifndef DAMA_HPP
#define DAMA_HPP

#include <dama.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace dama {

/** A call that failed; what() is dama_error_message(). */
class Error : public std::runtime_error {
public:
    explicit Error(dama_status status) : std::runtime_error(dama_error_message()), status_(status) {}
    dama_status status() const noexcept { return status_; }

private:
    dama_status status_;
};

/** Throws Error unless `status` is DAMA_OK. */
inline void check(dama_status status) {
    if (status != DAMA_OK) throw Error(status);
}

inline std::string version() { return dama_version_string(); }

/** See dama_hardness(). */
inline double hardness(const std::vector<float> &chosen_scores, const std::vector<float> &rejected_scores) {
    double delta = 0;
    check(dama_hardness(chosen_scores.data(), chosen_scores.size(), rejected_scores.data(), rejected_scores.size(),
                        &delta));
    return delta;
}

/** The log-probabilities of a global batch; see dama_preference_batch. Optional vectors may stay empty. */
struct PreferenceBatch {
    std::vector<double> policy_chosen, policy_rejected, reference_chosen, reference_rejected;
    std::vector<double> alpha_data;
    std::vector<std::int64_t> chosen_lengths, rejected_lengths;
    std::size_t slice_offset = 0;
    std::size_t slice_count = DAMA_REST;
};

/** What a step found; see dama_preference_result. */
struct PreferenceStep {
    std::vector<double> beta, margins, losses, grad_chosen, grad_rejected;
    std::vector<double> reward_chosen, reward_rejected, plain_reward_chosen, plain_reward_rejected;
    std::vector<std::uint8_t> mask;
    /** The numbers of the batch; its pointers are not set. */
    dama_preference_result summary{};
};

/** Owns a dama_adaptive_beta. Moves, does not copy; one thread at a time. */
class AdaptiveBeta {
public:
    using Options = dama_adaptive_beta_options;

    static Options preset(dama_preset preset = DAMA_PRESET_PAPER) {
        Options options;
        check(dama_adaptive_beta_options_init(&options, preset));
        return options;
    }

    explicit AdaptiveBeta(const Options &options = preset()) {
        dama_adaptive_beta *handle = nullptr;
        check(dama_adaptive_beta_create(&handle, &options));
        handle_.reset(handle);
    }

    static AdaptiveBeta from_state(const std::vector<std::uint8_t> &state) {
        dama_adaptive_beta *handle = nullptr;
        check(dama_adaptive_beta_load(&handle, state.data(), state.size()));
        return AdaptiveBeta(handle);
    }

    /** Owns a handle from now on. */
    explicit AdaptiveBeta(dama_adaptive_beta *handle) : handle_(handle) {}

    /** The handle, for calls that take a dama_adaptive_beta. */
    const dama_adaptive_beta *get() const noexcept { return handle_.get(); }

    /** See dama_adaptive_beta_step(). Throws std::invalid_argument where vectors differ in length. */
    PreferenceStep step(const PreferenceBatch &batch) {
        const std::size_t count = batch.policy_chosen.size();
        dama_preference_batch in;
        dama_preference_batch_init(&in);
        in.count = count;
        in.policy_chosen = data(batch.policy_chosen, count);
        in.policy_rejected = data(batch.policy_rejected, count);
        in.reference_chosen = data(batch.reference_chosen, count);
        in.reference_rejected = data(batch.reference_rejected, count);
        in.alpha_data = data(batch.alpha_data, count);
        in.chosen_lengths = data(batch.chosen_lengths, count);
        in.rejected_lengths = data(batch.rejected_lengths, count);
        in.slice_offset = batch.slice_offset;
        in.slice_count = batch.slice_count;

        const std::size_t rest = count - (batch.slice_offset < count ? batch.slice_offset : count);
        const std::size_t width = batch.slice_count < rest ? batch.slice_count : rest;
        PreferenceStep out;
        dama_preference_result_init(&out.summary);
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

    void commit() { check(dama_adaptive_beta_commit(handle_.get())); }

    double running_mean() const {
        double mean = 0;
        check(dama_adaptive_beta_running_mean(handle_.get(), &mean));
        return mean;
    }

    std::vector<std::uint8_t> state() const {
        std::size_t size = 0;
        check(dama_adaptive_beta_save(handle_.get(), nullptr, 0, &size));
        std::vector<std::uint8_t> bytes(size);
        check(dama_adaptive_beta_save(handle_.get(), bytes.data(), bytes.size(), &size));
        return bytes;
    }

private:
    struct Free {
        void operator()(dama_adaptive_beta *handle) const { dama_adaptive_beta_free(handle); }
    };

    /** NULL for an empty vector; the C call then says what is missing. */
    template <typename T> static const T *data(const std::vector<T> &values, std::size_t count) {
        if (values.empty()) return nullptr;
        if (values.size() != count) throw std::invalid_argument("the vectors of a batch differ in length");
        return values.data();
    }

    std::unique_ptr<dama_adaptive_beta, Free> handle_;
};

/** Owns a dama_scorer. Moves, does not copy; may be used from several threads at once. */
class Scorer {
public:
    using Options = dama_scorer_options;

    static Options options() {
        Options options;
        dama_scorer_options_init(&options);
        return options;
    }

    /** See dama_scorer_create(). */
    explicit Scorer(const std::string &model_dir, const Options &options = Scorer::options()) {
        dama_scorer *handle = nullptr;
        check(dama_scorer_create(&handle, model_dir.c_str(), &options));
        handle_.reset(handle);
        check(dama_scorer_info(handle, &dimension_, &logit_scale_));
    }

    std::size_t dimension() const noexcept { return dimension_; }
    float logit_scale() const noexcept { return logit_scale_; }

    /** The image of a JPEG or PNG file; `path` must outlive the call it is used in. */
    static dama_image file(const std::string &path) {
        dama_image image{};
        image.path = path.c_str();
        return image;
    }

    /** See dama_scorer_score(). */
    std::vector<float> score(const dama_image &image, const std::vector<std::string> &sentences) const {
        std::vector<float> scores(sentences.size());
        const auto texts = pointers(sentences);
        check(dama_scorer_score(handle_.get(), &image, texts.data(), texts.size(), scores.data()));
        return scores;
    }

    /** See dama_scorer_embed_images(): [images, dimension]. */
    std::vector<float> embed_images(const std::vector<dama_image> &images) const {
        std::vector<float> embeddings(images.size() * dimension_);
        check(dama_scorer_embed_images(handle_.get(), images.data(), images.size(), embeddings.data(),
                                       embeddings.size()));
        return embeddings;
    }

    /** See dama_scorer_embed_texts(): [texts, dimension]. */
    std::vector<float> embed_texts(const std::vector<std::string> &texts) const {
        std::vector<float> embeddings(texts.size() * dimension_);
        const auto strings = pointers(texts);
        check(dama_scorer_embed_texts(handle_.get(), strings.data(), strings.size(), embeddings.data(),
                                      embeddings.size()));
        return embeddings;
    }

private:
    static std::vector<const char *> pointers(const std::vector<std::string> &strings) {
        std::vector<const char *> result;
        for (const auto &string : strings) result.push_back(string.c_str());
        return result;
    }

    struct Free {
        void operator()(dama_scorer *handle) const { dama_scorer_free(handle); }
    };
    std::unique_ptr<dama_scorer, Free> handle_;
    std::size_t dimension_ = 0;
    float logit_scale_ = 0;
};

/** An image, a question about it and two answers; the image is NULL for a model of text alone. */
struct PreferencePair {
    const dama_image *image = nullptr;
    std::string prompt, chosen, rejected;
};

/** log π of one response; see dama_response_logp. */
struct ResponseLogps {
    double sum = 0, mean = 0;
    bool was_cut = false;
    /** Of each response token. */
    std::vector<float> tokens;
};

struct PairLogps {
    ResponseLogps chosen, rejected;
};

/** By which one thread stops the calls of another; see dama_cancellation. Moves, does not copy. */
class Cancellation {
public:
    Cancellation() {
        dama_cancellation *handle = nullptr;
        check(dama_cancellation_create(&handle));
        handle_.reset(handle);
    }

    /** Thread-safe. */
    void cancel() noexcept { dama_cancellation_cancel(handle_.get()); }
    bool is_cancelled() const noexcept { return dama_cancellation_is_cancelled(handle_.get()) != 0; }

    const dama_cancellation *get() const noexcept { return handle_.get(); }

private:
    struct Free {
        void operator()(dama_cancellation *handle) const { dama_cancellation_free(handle); }
    };
    std::unique_ptr<dama_cancellation, Free> handle_;
};

/** What Policy and Trainer share. */
namespace detail {

inline const dama_cancellation *handle(const Cancellation *cancellation) {
    return cancellation ? cancellation->get() : nullptr;
}

inline std::vector<dama_preference_pair> views(const std::vector<PreferencePair> &pairs) {
    std::vector<dama_preference_pair> views;
    for (const auto &pair : pairs)
        views.push_back({pair.image, pair.prompt.c_str(), pair.chosen.c_str(), pair.rejected.c_str()});
    return views;
}

inline ResponseLogps response(const dama_logps *logps, std::size_t pair, dama_response which) {
    dama_response_logp logp;
    check(dama_logps_get(logps, pair, which, &logp));
    ResponseLogps result{logp.sum, logp.mean, logp.was_cut != 0, std::vector<float>(logp.count)};
    std::size_t count = 0;
    check(dama_logps_tokens(logps, pair, which, result.tokens.data(), result.tokens.size(), &count));
    return result;
}

/** The log-probabilities of a handle, which is freed. */
inline std::vector<PairLogps> taken(dama_logps *logps) {
    struct Free {
        void operator()(dama_logps *handle) const { dama_logps_free(handle); }
    };
    const std::unique_ptr<dama_logps, Free> owner(logps);
    std::vector<PairLogps> result;
    for (std::size_t i = 0; i < dama_logps_count(logps); i++)
        result.push_back({response(logps, i, DAMA_CHOSEN), response(logps, i, DAMA_REJECTED)});
    return result;
}

} // namespace detail

/** A text that continues a prompt. */
struct Generated {
    std::string text;
    std::vector<std::int32_t> tokens;
    dama_finish finish = DAMA_FINISH_END;
};

/** Owns a dama_policy. Moves, does not copy; may be used from several threads at once. */
class Policy {
public:
    using Options = dama_policy_options;
    using GenerationOptions = dama_generation_options;
    /** Hears of a piece of text; false stops the generation, which throws Error with DAMA_CANCELLED. */
    using Callback = std::function<bool(const char *)>;

    static Options options() {
        Options options;
        dama_policy_options_init(&options);
        return options;
    }

    static GenerationOptions generation_options() {
        GenerationOptions options;
        dama_generation_options_init(&options);
        return options;
    }

    /** See dama_policy_create(). */
    explicit Policy(const std::string &model_dir, const Options &options = Policy::options()) {
        dama_policy *handle = nullptr;
        check(dama_policy_create(&handle, model_dir.c_str(), &options));
        handle_.reset(handle);
    }

    dama_policy_facts facts() const {
        dama_policy_facts facts;
        dama_policy_facts_init(&facts);
        check(dama_policy_describe(handle_.get(), &facts));
        return facts;
    }

    /** See dama_policy_logps(). */
    std::vector<PairLogps> logps(const std::vector<PreferencePair> &pairs,
                                 const Cancellation *cancellation = nullptr) const {
        const auto views = detail::views(pairs);
        dama_logps *found = nullptr;
        check(dama_policy_logps(&found, handle_.get(), views.data(), views.size(), detail::handle(cancellation)));
        return detail::taken(found);
    }

    /** The handle, for calls that take a dama_policy. */
    const dama_policy *get() const noexcept { return handle_.get(); }

    /** See dama_policy_generate(), for one prompt. What `on_text` throws comes out here. */
    Generated generate(const std::string &prompt, const dama_image *image = nullptr,
                       GenerationOptions options = generation_options(), const Callback &on_text = nullptr) const {
        Listener listener{&on_text, nullptr};
        if (on_text) {
            options.on_text = Listener::hear;
            options.user = &listener;
        }
        const dama_prompt view{image, prompt.c_str()};
        dama_texts *found = nullptr;
        const dama_status status = dama_policy_generate(&found, handle_.get(), &view, 1, &options);
        if (listener.thrown) std::rethrow_exception(listener.thrown);
        check(status);
        const std::unique_ptr<dama_texts, FreeTexts> owner(found);
        Generated result;
        result.text = dama_texts_at(found, 0);
        std::size_t count = 0;
        check(dama_texts_tokens(found, 0, nullptr, 0, &count, &result.finish));
        result.tokens.resize(count);
        check(dama_texts_tokens(found, 0, result.tokens.data(), count, &count, nullptr));
        return result;
    }

private:
    /** Keeps exceptions from passing through the library. */
    struct Listener {
        const Callback *callback;
        std::exception_ptr thrown;

        static dama_status hear(std::size_t, const char *text, void *user) {
            auto *self = static_cast<Listener *>(user);
            try {
                return (*self->callback)(text) ? DAMA_OK : DAMA_CANCELLED;
            } catch (...) {
                self->thrown = std::current_exception();
                return DAMA_CANCELLED;
            }
        }
    };

    struct Free {
        void operator()(dama_policy *handle) const { dama_policy_free(handle); }
    };
    struct FreeTexts {
        void operator()(dama_texts *handle) const { dama_texts_free(handle); }
    };
    std::unique_ptr<dama_policy, Free> handle_;
};

/** A pair to train on; see dama_training_pair. */
struct TrainingPair {
    PreferencePair pair;
    double alpha_data = 1;
    double reference_chosen = std::numeric_limits<double>::quiet_NaN();
    double reference_rejected = std::numeric_limits<double>::quiet_NaN();
    std::int32_t hardness_third = -1;
};

/** A tensor that is trained; the pointers are the trainer's memory. */
struct Parameter {
    std::string name;
    std::vector<std::int64_t> shape;
    std::size_t count = 0;
    float *value = nullptr, *gradient = nullptr;
    bool decays = false;
};

/** Owns a dama_trainer. Moves, does not copy; one thread at a time. */
class Trainer {
public:
    using Options = dama_trainer_options;
    using ExportOptions = dama_export_options;

    static Options options() {
        Options options;
        dama_trainer_options_init(&options);
        return options;
    }

    static ExportOptions export_options() {
        ExportOptions options;
        dama_export_options_init(&options);
        return options;
    }

    /** See dama_trainer_create(); the policies need not outlive it. */
    explicit Trainer(const Policy &policy, const Policy *reference = nullptr,
                     const AdaptiveBeta &controller = AdaptiveBeta(), const Options &options = Trainer::options()) {
        dama_trainer *handle = nullptr;
        check(dama_trainer_create(&handle, policy.get(), reference ? reference->get() : nullptr, controller.get(),
                                  &options));
        handle_.reset(handle);
    }

    /** See dama_trainer_step(). */
    dama_step_metrics step(const std::vector<TrainingPair> &pairs, const Cancellation *cancellation = nullptr) {
        std::vector<dama_training_pair> views;
        for (const auto &it : pairs)
            views.push_back({{it.pair.image, it.pair.prompt.c_str(), it.pair.chosen.c_str(), it.pair.rejected.c_str()},
                             it.alpha_data, it.reference_chosen, it.reference_rejected, it.hardness_third});
        dama_step_metrics metrics;
        dama_step_metrics_init(&metrics);
        check(dama_trainer_step(handle_.get(), views.data(), views.size(), &metrics, detail::handle(cancellation)));
        return metrics;
    }

    /** See dama_trainer_forward(). */
    std::vector<PairLogps> forward(const std::vector<PreferencePair> &pairs,
                                   const Cancellation *cancellation = nullptr) {
        const auto views = detail::views(pairs);
        dama_logps *found = nullptr;
        check(dama_trainer_forward(&found, handle_.get(), views.data(), views.size(), detail::handle(cancellation)));
        return detail::taken(found);
    }

    /** See dama_trainer_backward(). Throws std::invalid_argument where the vectors differ in length. */
    void backward(const std::vector<double> &grad_chosen, const std::vector<double> &grad_rejected,
                  const Cancellation *cancellation = nullptr) {
        if (grad_chosen.size() != grad_rejected.size())
            throw std::invalid_argument("grad_chosen and grad_rejected differ in length");
        check(dama_trainer_backward(handle_.get(), grad_chosen.data(), grad_rejected.data(), grad_chosen.size(),
                                    detail::handle(cancellation)));
    }

    void zero_grad() { check(dama_trainer_zero_grad(handle_.get())); }

    double gradient_norm() const {
        double norm = 0;
        check(dama_trainer_gradient_norm(handle_.get(), &norm));
        return norm;
    }

    /** See dama_trainer_update(): the global norm before clipping. */
    double update() {
        double norm = 0;
        check(dama_trainer_update(handle_.get(), &norm));
        return norm;
    }

    std::vector<Parameter> parameters() const {
        std::vector<Parameter> result;
        for (std::size_t i = 0; i < dama_trainer_parameter_count(handle_.get()); i++) {
            dama_parameter it;
            dama_parameter_init(&it);
            check(dama_trainer_parameter(handle_.get(), i, &it));
            result.push_back({it.name, std::vector<std::int64_t>(it.shape, it.shape + it.dimensions), it.count, it.value,
                              it.gradient, it.decays != 0});
        }
        return result;
    }

    dama_trainer_progress progress() const {
        dama_trainer_progress progress;
        dama_trainer_progress_init(&progress);
        check(dama_trainer_get_progress(handle_.get(), &progress));
        return progress;
    }

    /** A copy of the controller as it stands. */
    AdaptiveBeta controller() const {
        dama_adaptive_beta *copy = nullptr;
        check(dama_trainer_controller(&copy, handle_.get()));
        return AdaptiveBeta(copy);
    }

    /** See dama_trainer_save(). */
    void save(const std::string &path, const std::string &note = "") const {
        check(dama_trainer_save(handle_.get(), path.c_str(), note.empty() ? nullptr : note.c_str()));
    }

    /** See dama_trainer_load(): the note, empty where there was none. */
    std::string load(const std::string &path) {
        struct FreeStrings {
            void operator()(dama_strings *handle) const { dama_strings_free(handle); }
        };
        dama_strings *found = nullptr;
        check(dama_trainer_load(&found, handle_.get(), path.c_str()));
        const std::unique_ptr<dama_strings, FreeStrings> note(found);
        const char *text = dama_strings_at(found, 0);
        return text ? text : "";
    }

    /** See dama_trainer_export(). Called so because `export` is a word of the language. */
    void export_to(const std::string &directory, const ExportOptions &options = export_options()) const {
        check(dama_trainer_export(handle_.get(), directory.c_str(), &options));
    }

private:
    struct Free {
        void operator()(dama_trainer *handle) const { dama_trainer_free(handle); }
    };
    std::unique_ptr<dama_trainer, Free> handle_;
};

} // namespace dama

#endif /* DAMA_HPP */
