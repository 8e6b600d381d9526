/* Errors as exceptions, handles that free themselves, and the conversion of strings. */
#ifndef DAMA_CPP_ERROR_HPP
#define DAMA_CPP_ERROR_HPP

#include "../base.h"

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dama {

/** The error of a failed call; what() is dama_error_message(). */
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

/** See dama_version_string(). */
inline std::string version() { return dama_version_string(); }

/** Shared by the headers of the topics. */
namespace detail {

template <typename T, void (*release)(T *)> struct Free {
    void operator()(T *handle) const noexcept { release(handle); }
};

/** Owns a handle of the library. Move-only. */
template <typename T, void (*release)(T *)> using Handle = std::unique_ptr<T, Free<T, release>>;

/** The handle that `call` writes through its argument. */
template <typename Owner, typename Call> Owner made(Call &&call) {
    typename Owner::pointer handle = nullptr;
    check(call(&handle));
    return Owner(handle);
}

/** A struct that `init`, a dama_T_init_sized(), has set. */
template <typename T> T initialised(void (*init)(T *, std::size_t)) {
    T value;
    init(&value, sizeof value);
    return value;
}

/**
 * The elements that `call(data, capacity, &count)` writes. It tries a capacity of `guess` before it asks for the count,
 * because most calls do all their work to compute the count.
 */
template <typename Container, typename Call> Container written(std::size_t guess, Call &&call) {
    Container result(guess, typename Container::value_type());
    std::size_t count = 0;
    dama_status status = guess == 0 ? DAMA_SHAPE_MISMATCH : call(result.data(), result.size(), &count);
    if (status == DAMA_SHAPE_MISMATCH) {
        check(call(nullptr, 0, &count));
        result.resize(count);
        status = call(result.data(), result.size(), &count);
    }
    check(status);
    result.resize(count);
    return result;
}

/** A string for a C parameter. Throws std::invalid_argument if it contains NUL, where C would cut it. */
inline const char *c_string(const std::string &text) {
    const auto position = text.find('\0');
    if (position != std::string::npos)
        throw std::invalid_argument("a string contains a NUL byte at offset " + std::to_string(position) +
                                    "; it must not contain NUL");
    return text.c_str();
}

using OwnedStrings = Handle<dama_strings, dama_strings_free>;

inline std::vector<std::string> copied(const dama_strings *strings) {
    std::vector<std::string> result;
    result.reserve(dama_strings_count(strings));
    for (std::size_t i = 0; i < dama_strings_count(strings); i++) result.emplace_back(dama_strings_at(strings, i));
    return result;
}

/** The strings of the handle that `call` writes through its argument. */
template <typename Call> std::vector<std::string> strings(Call &&call) {
    return copied(made<OwnedStrings>(call).get());
}

} // namespace detail

/**
 * Strings for the fields of options: `options.stop = strings.data(); options.stop_count = strings.size();`. The object
 * must outlive the call that uses the options.
 */
class Strings {
public:
    Strings() = default;
    Strings(std::vector<std::string> strings) : strings_(std::move(strings)) {
        pointers_.reserve(strings_.size());
        for (const auto &string : strings_) pointers_.push_back(detail::c_string(string));
    }
    Strings(std::initializer_list<std::string> strings) : Strings(std::vector<std::string>(strings)) {}

    Strings(const Strings &) = delete;
    Strings &operator=(const Strings &) = delete;
    Strings(Strings &&) noexcept = default;
    Strings &operator=(Strings &&) noexcept = default;

    const char *const *data() const noexcept { return pointers_.empty() ? nullptr : pointers_.data(); }
    std::size_t size() const noexcept { return pointers_.size(); }

private:
    std::vector<std::string> strings_;
    std::vector<const char *> pointers_;
};

} // namespace dama

#endif /* DAMA_CPP_ERROR_HPP */
