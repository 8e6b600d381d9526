/* Log-probabilities of a dataset, computed by the reference model. */
#ifndef DAMA_CPP_REFERENCE_HPP
#define DAMA_CPP_REFERENCE_HPP

#include "../reference.h"
#include "jobs.hpp"
#include "logps.hpp"
#include "policy.hpp"

#include <string>
#include <vector>

namespace dama {

using ReferenceDatasetOptions = dama_reference_dataset_options;
using ReferenceDatasetResult = dama_reference_dataset_result;

/** See dama_reference_dataset_options_init(). */
inline ReferenceDatasetOptions reference_dataset_options() {
    return detail::initialised(dama_reference_dataset_options_init_sized);
}

/** See dama_reference_dataset(). */
inline ReferenceDatasetResult reference_dataset(const Policy &policy, const std::string &data,
                                                const std::string &output,
                                                ReferenceDatasetOptions options = reference_dataset_options(),
                                                const ProgressCallback &progress = nullptr,
                                                const Cancellation *cancellation = nullptr) {
    auto result = detail::initialised(dama_reference_dataset_result_init_sized);
    detail::run_job(options, data, output, progress, [&] {
        return dama_reference_dataset(policy.get(), &options, &result, detail::handle(cancellation));
    });
    return result;
}

/** Owns a dama_reference_cache. Move-only; several threads may use it at the same time. */
class ReferenceCache {
public:
    /** See dama_reference_cache_open(). */
    explicit ReferenceCache(const std::string &path, const Policy *policy = nullptr)
        : handle_(detail::made<Owner>([&](dama_reference_cache **out) {
              return dama_reference_cache_open(out, detail::c_string(path), policy ? policy->get() : nullptr);
          })) {}

    /** See dama_reference_cache_count(). */
    std::size_t size() const noexcept { return dama_reference_cache_count(handle_.get()); }

    /** See dama_reference_cache_contains(). */
    bool contains(const PreferencePair &pair) const {
        const auto view = detail::view(pair);
        std::int32_t found = 0;
        check(dama_reference_cache_contains(handle_.get(), &view, &found));
        return found != 0;
    }

    /** See dama_reference_cache_logps(). */
    std::vector<PairLogps> logps(const std::vector<PreferencePair> &pairs) const {
        const auto views = detail::views(pairs);
        return detail::logps([&](dama_logps **out) {
            return dama_reference_cache_logps(out, handle_.get(), views.data(), views.size());
        });
    }

    /** The handle, for C functions. */
    const dama_reference_cache *get() const noexcept { return handle_.get(); }

private:
    using Owner = detail::Handle<dama_reference_cache, dama_reference_cache_free>;
    Owner handle_;
};

} // namespace dama

#endif /* DAMA_CPP_REFERENCE_HPP */
