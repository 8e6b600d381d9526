/* The job that trains on a dataset. */
#ifndef DAMA_CPP_TRAIN_HPP
#define DAMA_CPP_TRAIN_HPP

#include "../train.h"
#include "jobs.hpp"
#include "policy.hpp"

#include <functional>
#include <string>
#include <vector>

namespace dama {

using TrainProgress = dama_train_progress;
using TrainDatasetOptions = dama_train_dataset_options;
using TrainDatasetResult = dama_train_dataset_result;
using TrainYAMLOptions = dama_train_yaml_options;
using MemoryPlanOptions = dama_memory_plan_options;

/** Receives the progress of training, as ProgressCallback does. A job that it stops writes a checkpoint first. */
using TrainCallback = std::function<bool(const TrainProgress &progress)>;

/** See dama_train_dataset_options_init(). */
inline TrainDatasetOptions train_dataset_options() {
    return detail::initialised(dama_train_dataset_options_init_sized);
}

/** See dama_train_dataset(). */
inline TrainDatasetResult train_dataset(const Policy &policy, const std::string &data, const std::string &output,
                                        TrainDatasetOptions options = train_dataset_options(),
                                        const TrainCallback &progress = nullptr,
                                        const Cancellation *cancellation = nullptr) {
    auto result = detail::initialised(dama_train_dataset_result_init_sized);
    detail::run_job(options, data, output, progress, [&] {
        return dama_train_dataset(policy.get(), &options, &result, detail::handle(cancellation));
    });
    return result;
}

/** See dama_train_yaml_options_init(). */
inline TrainYAMLOptions train_yaml_options() { return detail::initialised(dama_train_yaml_options_init_sized); }

/** See dama_train_yaml(); each override is "key=value". */
inline TrainDatasetResult train_yaml(const std::string &text, const std::vector<std::string> &overrides = {},
                                     TrainYAMLOptions options = train_yaml_options(),
                                     const TrainCallback &progress = nullptr,
                                     const Cancellation *cancellation = nullptr) {
    const Strings values(overrides);
    auto result = detail::initialised(dama_train_dataset_result_init_sized);
    detail::run_job(options, progress, [&] {
        return dama_train_yaml(detail::c_string(text), values.data(), values.size(), &options, &result,
                               detail::handle(cancellation));
    });
    return result;
}

/** See dama_memory_plan_options_init(). */
inline MemoryPlanOptions memory_plan_options() { return detail::initialised(dama_memory_plan_options_init_sized); }

/** A plan as a table and as JSON; see dama_memory_plan_text() and dama_memory_plan_json(). */
struct MemoryPlan {
    std::string text, json;
};

/** See dama_train_plan(); each override is "key=value". */
inline MemoryPlan train_plan(const std::string &text, const std::vector<std::string> &overrides = {},
                             const MemoryPlanOptions &options = memory_plan_options()) {
    using Owner = detail::Handle<dama_memory_plan, dama_memory_plan_free>;
    const Strings values(overrides);
    const auto handle = detail::made<Owner>([&](dama_memory_plan **out) {
        return dama_train_plan(out, detail::c_string(text), values.data(), values.size(), &options);
    });
    return {dama_memory_plan_text(handle.get()), dama_memory_plan_json(handle.get())};
}

} // namespace dama

#endif /* DAMA_CPP_TRAIN_HPP */
