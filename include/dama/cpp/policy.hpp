/* Policies: log-probabilities and text. */
#ifndef DAMA_CPP_POLICY_HPP
#define DAMA_CPP_POLICY_HPP

#include "../policy.h"
#include "callback.hpp"
#include "logps.hpp"
#include "splitter.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace dama {

/** A question and its image; the image is NULL for a text-only model. */
struct Prompt {
    const dama_image *image = nullptr;
    std::string text;
};

/** Messages as JSON with their images, and two responses, which are empty for Policy::chat(). See dama_conversation. */
struct Conversation {
    std::string messages;
    std::vector<dama_image> images;
    std::string chosen;
    std::string rejected;
};

/** A generated text. */
struct Generated {
    std::string text;
    std::vector<std::int32_t> tokens;
    dama_finish finish = DAMA_FINISH_END;
};

/** See dama_prompt_templates(). */
inline std::vector<std::string> prompt_templates() {
    return detail::strings([](dama_strings **out) { return dama_prompt_templates(out); });
}

/** Owns a dama_policy. Move-only; several threads may use it at the same time. */
class Policy {
public:
    using Options = dama_policy_options;
    using Facts = dama_policy_facts;
    using GenerationOptions = dama_generation_options;
    /** Receives a piece of text; false stops the generation, which throws Error with DAMA_CANCELLED. */
    using Callback = std::function<bool(const char *text)>;
    /** The same for a batch, with the index of the prompt. */
    using BatchCallback = std::function<bool(std::size_t index, const char *text)>;

    static Options options() { return detail::initialised(dama_policy_options_init_sized); }

    static GenerationOptions generation_options() {
        return detail::initialised(dama_generation_options_init_sized);
    }

    /** See dama_policy_create(). */
    explicit Policy(const std::string &model_dir, const Options &options = Policy::options())
        : handle_(detail::made<Owner>([&](dama_policy **out) {
              return dama_policy_create(out, detail::c_string(model_dir), &options);
          })) {}

    /** See dama_policy_describe(). */
    Facts facts() const {
        auto facts = detail::initialised(dama_policy_facts_init_sized);
        check(dama_policy_describe(handle_.get(), &facts));
        return facts;
    }

    /** See dama_policy_logps(). */
    std::vector<PairLogps> logps(const std::vector<PreferencePair> &pairs,
                                 const Cancellation *cancellation = nullptr) const {
        const auto views = detail::views(pairs);
        return detail::logps([&](dama_logps **out) {
            return dama_policy_logps(out, handle_.get(), views.data(), views.size(), detail::handle(cancellation));
        });
    }

    /** See dama_policy_chat_logps(). */
    std::vector<PairLogps> chat_logps(const std::vector<Conversation> &conversations,
                                      const Cancellation *cancellation = nullptr) const {
        const auto views = this->views(conversations, true);
        return detail::logps([&](dama_logps **out) {
            return dama_policy_chat_logps(out, handle_.get(), views.data(), views.size(), detail::handle(cancellation));
        });
    }

    /** See dama_policy_chat(). Rethrows what `on_text` throws. */
    std::vector<Generated> chat(const std::vector<Conversation> &conversations,
                                const GenerationOptions &options = generation_options(),
                                const BatchCallback &on_text = nullptr,
                                const Cancellation *cancellation = nullptr) const {
        const auto views = this->views(conversations, false);
        return texts(options, on_text, [&](dama_texts **out, const GenerationOptions &heard) {
            return dama_policy_chat(out, handle_.get(), views.data(), views.size(), &heard,
                                    detail::handle(cancellation));
        });
    }

    /** See dama_policy_generate(). Rethrows what `on_text` throws. */
    std::vector<Generated> generate(const std::vector<Prompt> &prompts,
                                    const GenerationOptions &options = generation_options(),
                                    const BatchCallback &on_text = nullptr,
                                    const Cancellation *cancellation = nullptr) const {
        std::vector<dama_prompt> views;
        views.reserve(prompts.size());
        for (const auto &prompt : prompts) views.push_back({prompt.image, detail::c_string(prompt.text)});
        return texts(options, on_text, [&](dama_texts **out, const GenerationOptions &heard) {
            return dama_policy_generate(out, handle_.get(), views.data(), views.size(), &heard,
                                        detail::handle(cancellation));
        });
    }

    /** See dama_policy_generate(); for one prompt. Rethrows what `on_text` throws. */
    Generated generate(const std::string &prompt, const dama_image *image = nullptr,
                       const GenerationOptions &options = generation_options(),
                       const Callback &on_text = nullptr, const Cancellation *cancellation = nullptr) const {
        BatchCallback heard;
        if (on_text) heard = [&](std::size_t, const char *text) { return on_text(text); };
        return std::move(generate(std::vector<Prompt>{{image, prompt}}, options, heard, cancellation).front());
    }

    /** The handle, for C functions. */
    const dama_policy *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_policy, dama_policy_free>;
    using Texts = detail::Handle<dama_texts, dama_texts_free>;

    struct Hearing {
        const BatchCallback *callback;
        detail::Listener listener;
    };

    static dama_status hear(std::size_t index, const char *text, void *user) {
        auto *self = static_cast<Hearing *>(user);
        return self->listener.hear([&] { return (*self->callback)(index, text); });
    }

    static std::vector<dama_conversation> views(const std::vector<Conversation> &conversations, bool has_responses) {
        std::vector<dama_conversation> views;
        views.reserve(conversations.size());
        for (const auto &it : conversations)
            views.push_back({detail::c_string(it.messages), it.images.data(), it.images.size(),
                             has_responses ? detail::c_string(it.chosen) : nullptr,
                             has_responses ? detail::c_string(it.rejected) : nullptr});
        return views;
    }

    template <typename Call>
    static std::vector<Generated> texts(GenerationOptions options, const BatchCallback &on_text, const Call &call) {
        Hearing hearing{&on_text, {}};
        if (on_text) {
            options.on_text = hear;
            options.user = &hearing;
        }
        dama_texts *found = nullptr;
        const dama_status status = call(&found, options);
        const Texts owner(found);
        hearing.listener.check(status);
        return copied(found);
    }

    static std::vector<Generated> copied(const dama_texts *texts) {
        std::vector<Generated> result(dama_texts_count(texts));
        for (std::size_t i = 0; i < result.size(); i++) {
            result[i].text = dama_texts_at(texts, i);
            result[i].tokens = detail::written<std::vector<std::int32_t>>(
                0, [&](std::int32_t *ids, std::size_t capacity, std::size_t *count) {
                    return dama_texts_tokens(texts, i, ids, capacity, count, &result[i].finish);
                });
        }
        return result;
    }

    Owner handle_;
};

inline Splitter Splitter::policy(const Policy &policy, const Options &options) {
    return Splitter(detail::made<Owner>(
        [&](dama_splitter **out) { return dama_splitter_create_policy(out, policy.get(), &options); }));
}

} // namespace dama

#endif /* DAMA_CPP_POLICY_HPP */
