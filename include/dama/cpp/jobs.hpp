/* Jobs over datasets: their progress, and scores of hardness. */
#ifndef DAMA_CPP_JOBS_HPP
#define DAMA_CPP_JOBS_HPP

#include "../jobs.h"
#include "callback.hpp"
#include "clip.hpp"

#include <functional>
#include <string>

namespace dama {

/*
 * A job takes its C options: fill in what `…_options()` gives, and leave data, output, progress and user, which the
 * parameters set. Text that the options point to has to outlive the call; for lists of it there is Strings.
 */

using Progress = dama_progress;

/**
 * Hears how far a job is. false stops it, which then throws Error with DAMA_CANCELLED; what it throws comes out of the job.
 * What is done is kept in both cases.
 */
using ProgressCallback = std::function<bool(const Progress &progress)>;

namespace detail {

/** A progress callback on its way through a job. */
class Watch {
public:
    explicit Watch(const ProgressCallback &callback) : callback_(callback) {}

    /** Runs `job` on the options with the parameters set in them. */
    template <typename Options, typename Job>
    void run(Options &options, const std::string &data, const std::string &output, Job &&job) {
        options.data = c_string(data);
        options.output = c_string(output);
        options.progress = callback_ ? hear : nullptr;
        options.user = this;
        listener_.check(job());
    }

private:
    static dama_status hear(const dama_progress *progress, void *user) {
        auto *self = static_cast<Watch *>(user);
        return self->listener_.hear([&] { return self->callback_(*progress); });
    }

    const ProgressCallback &callback_;
    Listener listener_;
};

} // namespace detail

using ScoreDatasetOptions = dama_score_dataset_options;
using ScoreDatasetResult = dama_score_dataset_result;

/** See dama_score_dataset_options_init(). */
inline ScoreDatasetOptions score_dataset_options() {
    return detail::initialised(dama_score_dataset_options_init_sized);
}

/** See dama_score_dataset(). */
inline ScoreDatasetResult score_dataset(const Scorer &scorer, const std::string &data, const std::string &output,
                                        ScoreDatasetOptions options = score_dataset_options(),
                                        const ProgressCallback &progress = nullptr) {
    auto result = detail::initialised(dama_score_dataset_result_init_sized);
    detail::Watch(progress).run(options, data, output,
                                [&] { return dama_score_dataset(scorer.get(), &options, &result); });
    return result;
}

} // namespace dama

#endif /* DAMA_CPP_JOBS_HPP */
