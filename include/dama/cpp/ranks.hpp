/* Ranks that train together. */
#ifndef DAMA_CPP_RANKS_HPP
#define DAMA_CPP_RANKS_HPP

#include "../trainer.h"
#include "callback.hpp"
#include "error.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <utility>

namespace dama {

/**
 * The processes or threads that train one model together; see dama_ranks. `ranks` of Trainer::Options and of the options
 * of a training job takes get(). Neither copied nor moved, and it must outlive the trainer.
 */
class Ranks {
public:
    /** See dama_sum_callback. If it throws, the step or the job fails, and rethrow() throws its exception. */
    using Sum = std::function<void(void *numbers, std::size_t count, dama_sum_type type, std::int64_t device)>;

    Ranks(std::uint32_t rank, std::uint32_t count, Sum sum)
        : sum_(std::move(sum)), ranks_(detail::initialised(dama_ranks_init_sized)) {
        ranks_.rank = rank;
        ranks_.count = count;
        ranks_.sum = call;
        ranks_.user = this;
    }
    Ranks(const Ranks &) = delete;
    Ranks &operator=(const Ranks &) = delete;

    const dama_ranks *get() const noexcept { return &ranks_; }

    /** Rethrows what the sum has thrown, once; does nothing otherwise. */
    void rethrow() {
        if (auto thrown = std::exchange(thrown_, nullptr)) std::rethrow_exception(thrown);
    }

private:
    static dama_status call(void *numbers, std::size_t count, dama_sum_type type, std::int64_t device, void *user) {
        auto &own = *static_cast<Ranks *>(user);
        try {
            own.sum_(numbers, count, type, device);
            return DAMA_OK;
        } catch (...) {
            own.thrown_ = std::current_exception();
            return DAMA_CANCELLED;
        }
    }

    Sum sum_;
    dama_ranks ranks_;
    std::exception_ptr thrown_;
};

} // namespace dama

#endif /* DAMA_CPP_RANKS_HPP */
