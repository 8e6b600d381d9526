/* Preference pairs and their log-probabilities, which policies, trainers and caches share. */
#ifndef DAMA_CPP_LOGPS_HPP
#define DAMA_CPP_LOGPS_HPP

#include "../policy.h"
#include "error.hpp"

#include <string>
#include <vector>

namespace dama {

/** An image, a question about it and two responses; the image is NULL for a text-only model. */
struct PreferencePair {
    const dama_image *image = nullptr;
    std::string prompt, chosen, rejected;
};

/** log π of one response; see dama_response_logp. */
struct ResponseLogps {
    double sum = 0, mean = 0;
    bool was_cut = false;
    /** The log-probability of each response token. */
    std::vector<float> tokens;
};

/** log π of both responses of a pair. */
struct PairLogps {
    ResponseLogps chosen, rejected;
};

namespace detail {

inline dama_preference_pair view(const PreferencePair &pair) {
    return {pair.image, c_string(pair.prompt), c_string(pair.chosen), c_string(pair.rejected)};
}

inline std::vector<dama_preference_pair> views(const std::vector<PreferencePair> &pairs) {
    std::vector<dama_preference_pair> views;
    views.reserve(pairs.size());
    for (const auto &pair : pairs) views.push_back(view(pair));
    return views;
}

inline ResponseLogps response(const dama_logps *logps, std::size_t pair, dama_response which) {
    dama_response_logp logp;
    check(dama_logps_at(logps, pair, which, &logp));
    ResponseLogps result{logp.sum, logp.mean, logp.was_cut != 0, std::vector<float>(logp.count)};
    std::size_t count = 0;
    check(dama_logps_tokens(logps, pair, which, result.tokens.data(), result.tokens.size(), &count));
    return result;
}

/** The log-probabilities of the handle that `call` writes through its argument. */
template <typename Call> std::vector<PairLogps> logps(Call &&call) {
    const auto found = made<Handle<dama_logps, dama_logps_free>>(call);
    std::vector<PairLogps> result;
    result.reserve(dama_logps_count(found.get()));
    for (std::size_t i = 0; i < dama_logps_count(found.get()); i++)
        result.push_back({response(found.get(), i, DAMA_CHOSEN), response(found.get(), i, DAMA_REJECTED)});
    return result;
}

} // namespace detail

} // namespace dama

#endif /* DAMA_CPP_LOGPS_HPP */
