/*
 * Optional C++17 convenience over dama.h: exceptions instead of statuses, std::vector instead of pointer and count.
 * Everything is inline; nothing here is part of the ABI.
 */
#ifndef DAMA_HPP
#define DAMA_HPP

#include <dama.h>

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

} // namespace dama

#endif /* DAMA_HPP */
