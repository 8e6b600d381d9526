/* Splitters of responses into sub-sentences: by rules, a language model, a command or a server. */
#ifndef DAMA_CPP_SPLITTER_HPP
#define DAMA_CPP_SPLITTER_HPP

#include "../splitter.h"
#include "callback.hpp"
#include "text.hpp"

#include <string>
#include <utility>
#include <vector>

namespace dama {

class Policy;

/** The sub-sentences of a text, and the flags; see dama_splitter_split(). */
struct SubSentences {
    std::vector<std::string> sentences, flags;
};

/** Owns a dama_splitter. Move-only; several threads may use it at the same time. */
class Splitter {
public:
    using Options = dama_splitter_options;

    static Options options() { return detail::initialised(dama_splitter_options_init_sized); }

    /** See dama_splitter_create_built_in(). */
    static Splitter built_in() {
        return Splitter(
            detail::made<Owner>([](dama_splitter **out) { return dama_splitter_create_built_in(out); }));
    }

    /** See dama_splitter_create_command(). */
    static Splitter command(const std::string &command, const Options &options = Splitter::options()) {
        return Splitter(detail::made<Owner>([&](dama_splitter **out) {
            return dama_splitter_create_command(out, detail::c_string(command), &options);
        }));
    }

    /** See dama_splitter_create_endpoint(). */
    static Splitter endpoint(const std::string &url, const std::string &model,
                             const Options &options = Splitter::options()) {
        return Splitter(detail::made<Owner>([&](dama_splitter **out) {
            return dama_splitter_create_endpoint(out, detail::c_string(url), detail::c_string(model), &options);
        }));
    }

    /** See dama_splitter_create_policy(). Defined in policy.hpp. */
    static Splitter policy(const Policy &policy, const Options &options = Splitter::options());

    /** See dama_splitter_split(). */
    SubSentences split(const std::string &text, const SplitOptions &options = split_options(),
                       const Cancellation *cancellation = nullptr) const {
        dama_strings *flags = nullptr;
        const auto sentences = detail::made<detail::OwnedStrings>([&](dama_strings **out) {
            return dama_splitter_split(out, &flags, handle_.get(), detail::c_string(text), &options,
                                       detail::handle(cancellation));
        });
        const detail::OwnedStrings owned(flags);
        return {detail::copied(sentences.get()), detail::copied(owned.get())};
    }

    /** The handle, for C functions. */
    const dama_splitter *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_splitter, dama_splitter_free>;

    explicit Splitter(Owner owner) noexcept : handle_(std::move(owner)) {}

    Owner handle_;
};

} // namespace dama

#endif /* DAMA_CPP_SPLITTER_HPP */
