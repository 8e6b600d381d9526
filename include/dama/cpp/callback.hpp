/* Stopping calls, and callbacks that throw. */
#ifndef DAMA_CPP_CALLBACK_HPP
#define DAMA_CPP_CALLBACK_HPP

#include "error.hpp"

#include <exception>

namespace dama {

/**
 * Lets one thread stop the calls of another, which then throw Error with DAMA_CANCELLED; see dama_cancellation.
 * Move-only.
 */
class Cancellation {
public:
    Cancellation()
        : handle_(detail::made<Owner>([](dama_cancellation **out) { return dama_cancellation_create(out); })) {}

    /** See dama_cancellation_cancel(). Any thread may call it at any time. */
    void cancel() noexcept { dama_cancellation_cancel(handle_.get()); }
    bool is_cancelled() const noexcept { return dama_cancellation_is_cancelled(handle_.get()) != 0; }

    /** The handle, for C functions. */
    const dama_cancellation *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_cancellation, dama_cancellation_free>;
    Owner handle_;
};

namespace detail {

inline const dama_cancellation *handle(const Cancellation *cancellation) noexcept {
    return cancellation ? cancellation->get() : nullptr;
}

/** Holds an exception that a callback throws, so that it does not pass through C, and rethrows it after the call. */
class Listener {
public:
    /** Returns the status for the library: DAMA_OK if `call` returns true. */
    template <typename Call> dama_status hear(Call &&call) noexcept {
        try {
            return call() ? DAMA_OK : DAMA_CANCELLED;
        } catch (...) {
            thrown_ = std::current_exception();
            return DAMA_CANCELLED;
        }
    }

    /** Rethrows the callback's exception; otherwise throws Error unless `status` is DAMA_OK. */
    void check(dama_status status) const {
        if (thrown_) std::rethrow_exception(thrown_);
        dama::check(status);
    }

private:
    std::exception_ptr thrown_;
};

} // namespace detail

} // namespace dama

#endif /* DAMA_CPP_CALLBACK_HPP */
