/* The job that answers the questions of a dataset with a policy. */
#ifndef DAMA_CPP_GENERATE_HPP
#define DAMA_CPP_GENERATE_HPP

#include "../generate.h"
#include "jobs.hpp"
#include "policy.hpp"

#include <string>

namespace dama {

using GenerateDatasetOptions = dama_generate_dataset_options;
using GenerateDatasetResult = dama_generate_dataset_result;

/** See dama_generate_dataset_options_init(). */
inline GenerateDatasetOptions generate_dataset_options() {
    return detail::initialised(dama_generate_dataset_options_init_sized);
}

/** See dama_generate_dataset(). */
inline GenerateDatasetResult generate_dataset(const Policy &policy, const std::string &data, const std::string &output,
                                              GenerateDatasetOptions options = generate_dataset_options(),
                                              const ProgressCallback &progress = nullptr,
                                              const Cancellation *cancellation = nullptr) {
    auto result = detail::initialised(dama_generate_dataset_result_init_sized);
    detail::run_job(options, data, output, progress, [&] {
        return dama_generate_dataset(policy.get(), &options, &result, detail::handle(cancellation));
    });
    return result;
}

} // namespace dama

#endif /* DAMA_CPP_GENERATE_HPP */
