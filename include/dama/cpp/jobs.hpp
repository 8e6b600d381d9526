/* Jobs over datasets: their progress, and the job that scores hardness. */
#ifndef DAMA_CPP_JOBS_HPP
#define DAMA_CPP_JOBS_HPP

#include "../jobs.h"
#include "callback.hpp"
#include "clip.hpp"

#include <functional>
#include <string>
#include <utility>

namespace dama {

/*
 * A job takes the options struct of C: `…_options()` returns the defaults. The parameters of the function set the
 * fields data, output, progress and user. Strings that the options point to must outlive the call; Strings holds a
 * list.
 */

using Progress = dama_progress;

/**
 * Receives the progress of a job. If it returns false, the job throws Error with DAMA_CANCELLED; an exception that it
 * throws is rethrown by the job. Finished work is kept in both cases.
 */
using ProgressCallback = std::function<bool(const Progress &progress)>;

namespace detail {

/** Runs `job` with `callback` as the options' progress. */
template <typename Told, typename Options, typename Job>
void run_job(Options &options, const std::function<bool(const Told &)> &callback, Job &&job) {
    struct Watch {
        const std::function<bool(const Told &)> &callback;
        Listener listener;

        static dama_status hear(const Told *progress, void *user) {
            auto *self = static_cast<Watch *>(user);
            return self->listener.hear([&] { return self->callback(*progress); });
        }
    };
    Watch watch{callback, {}};
    options.progress = callback ? Watch::hear : nullptr;
    options.user = &watch;
    watch.listener.check(job());
}

/** Runs `job` in the same way, from the file `data` to `output`. */
template <typename Told, typename Options, typename Job>
void run_job(Options &options, const std::string &data, const std::string &output,
             const std::function<bool(const Told &)> &callback, Job &&job) {
    options.data = c_string(data);
    options.output = c_string(output);
    run_job(options, callback, std::forward<Job>(job));
}

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
                                        const ProgressCallback &progress = nullptr,
                                        const Cancellation *cancellation = nullptr) {
    auto result = detail::initialised(dama_score_dataset_result_init_sized);
    detail::run_job(options, data, output, progress, [&] {
        return dama_score_dataset(scorer.get(), &options, &result, detail::handle(cancellation));
    });
    return result;
}

using MergeScoresOptions = dama_merge_scores_options;

/** See dama_merge_scores_options_init(). */
inline MergeScoresOptions merge_scores_options() {
    return detail::initialised(dama_merge_scores_options_init_sized);
}

/** See dama_merge_scores(). Joins the shards beside `output`, or those that the options name. */
inline ScoreDatasetResult merge_scores(const std::string &output, MergeScoresOptions options = merge_scores_options(),
                                       const ProgressCallback &progress = nullptr,
                                       const Cancellation *cancellation = nullptr) {
    auto result = detail::initialised(dama_score_dataset_result_init_sized);
    options.output = detail::c_string(output);
    detail::run_job(options, progress,
                    [&] { return dama_merge_scores(&options, &result, detail::handle(cancellation)); });
    return result;
}

} // namespace dama

#endif /* DAMA_CPP_JOBS_HPP */
