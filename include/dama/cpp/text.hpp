/* Text: tokenizers and sub-sentences. */
#ifndef DAMA_CPP_TEXT_HPP
#define DAMA_CPP_TEXT_HPP

#include "../text.h"
#include "error.hpp"
#include "view.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dama {

/** Owns a dama_tokenizer. Move-only; several threads may use it at the same time. */
class Tokenizer {
public:
    using Facts = dama_tokenizer_facts;

    /** See dama_tokenizer_create(). */
    explicit Tokenizer(const std::string &path)
        : handle_(detail::made<Owner>(
              [&](dama_tokenizer **out) { return dama_tokenizer_create(out, detail::c_string(path)); })) {}

    /** See dama_tokenizer_encode(); the text may contain NUL bytes. */
    std::vector<std::int32_t> encode(std::string_view text, bool add_special_tokens = true) const {
        // Most tokens take a byte or more; 16 is for special tokens.
        return detail::written<std::vector<std::int32_t>>(
            text.size() + 16, [&](std::int32_t *ids, std::size_t capacity, std::size_t *count) {
                return dama_tokenizer_encode(handle_.get(), text.data(), text.size(), add_special_tokens, ids, capacity,
                                             count);
            });
    }

    /** See dama_tokenizer_decode(); the text may contain NUL bytes. */
    std::string decode(View<const std::int32_t> ids, bool skip_special_tokens = true) const {
        return text_of(ids.size() * 8, [&](char *text, std::size_t capacity, std::size_t *size) {
            return dama_tokenizer_decode(handle_.get(), ids.data(), ids.size(), skip_special_tokens, text, capacity,
                                         size);
        });
    }

    /** See dama_tokenizer_describe(). */
    Facts facts() const {
        auto facts = detail::initialised(dama_tokenizer_facts_init_sized);
        check(dama_tokenizer_describe(handle_.get(), &facts));
        return facts;
    }

    /** See dama_tokenizer_find(); empty if the token does not exist. */
    std::optional<std::int32_t> find(const std::string &token) const {
        std::int32_t id = -1;
        check(dama_tokenizer_find(handle_.get(), detail::c_string(token), &id));
        return id < 0 ? std::nullopt : std::optional<std::int32_t>(id);
    }

    /** See dama_tokenizer_spell(). */
    std::string spell(std::int32_t id) const {
        return text_of(64, [&](char *token, std::size_t capacity, std::size_t *size) {
            return dama_tokenizer_spell(handle_.get(), id, token, capacity, size);
        });
    }

    /** The handle, for C functions. */
    const dama_tokenizer *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_tokenizer, dama_tokenizer_free>;

    /** The text that `call` writes with a final NUL, which the size does not include. */
    template <typename Call> static std::string text_of(std::size_t guess, Call &&call) {
        auto text = detail::written<std::string>(guess + 1, [&](char *data, std::size_t capacity, std::size_t *size) {
            const dama_status status = call(data, capacity, size);
            if (status == DAMA_OK) ++*size;
            return status;
        });
        text.pop_back();
        return text;
    }

    Owner handle_;
};

using SplitOptions = dama_split_options;

/** See dama_split_options_init(). */
inline SplitOptions split_options() { return detail::initialised(dama_split_options_init_sized); }

/** See dama_split(). */
inline std::vector<std::string> split(const std::string &text, const SplitOptions &options = split_options()) {
    return detail::strings([&](dama_strings **out) { return dama_split(out, detail::c_string(text), &options); });
}

/** See dama_split(); `token_limit` is the most tokens of a sub-sentence: 77 for CLIP. */
inline std::vector<std::string> split(const std::string &text, const Tokenizer &tokenizer, std::uint32_t token_limit) {
    auto options = split_options();
    options.tokenizer = tokenizer.get();
    options.token_limit = token_limit;
    return split(text, options);
}

} // namespace dama

#endif /* DAMA_CPP_TEXT_HPP */
