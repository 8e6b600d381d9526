/* Benchmarks: their data, their questions, and the job that scores a model's answers to them. */
#ifndef DAMA_CPP_EVALUATE_HPP
#define DAMA_CPP_EVALUATE_HPP

#include "../evaluate.h"
#include "jobs.hpp"
#include "judge.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dama {

/** See dama_evaluate_benchmarks(). */
inline std::vector<std::string> evaluate_benchmarks() { return detail::strings(dama_evaluate_benchmarks); }

/** See dama_download. */
struct Download {
    std::string name, address;
    std::vector<std::string> sha256;
};

/** See dama_missing_file. */
struct MissingFile {
    std::string name, purpose;
    bool is_optional;
    std::vector<Download> downloads;
};

/** See dama_preparation. */
struct Preparation {
    std::vector<std::string> made, kept;
    std::vector<MissingFile> missing;
};

/** See dama_evaluate_prepare(). */
inline Preparation evaluate_prepare(const std::string &benchmark, const std::vector<std::string> &files,
                                    const std::string &output, bool any_version = false,
                                    const Cancellation *cancellation = nullptr) {
    using Owner = detail::Handle<dama_preparation, dama_preparation_free>;
    const Strings paths(files);
    const auto handle = detail::made<Owner>([&](dama_preparation **out) {
        return dama_evaluate_prepare(out, detail::c_string(benchmark), paths.data(), paths.size(), any_version,
                                     detail::c_string(output), detail::handle(cancellation));
    });
    Preparation result{detail::copied(dama_preparation_made(handle.get())),
                       detail::copied(dama_preparation_kept(handle.get())),
                       {}};
    for (std::size_t i = 0; i < dama_preparation_count(handle.get()); i++) {
        auto file = detail::initialised(dama_missing_file_init_sized);
        check(dama_preparation_at(handle.get(), i, &file));
        MissingFile missing{file.name, file.purpose, file.is_optional != 0, {}};
        for (std::size_t j = 0; j < file.download_count; j++) {
            const auto &it = file.downloads[j];
            missing.downloads.push_back({it.name, it.address, detail::copied(it.sha256)});
        }
        result.missing.push_back(std::move(missing));
    }
    return result;
}

/** See dama_evaluate_questions(); an empty part is the whole benchmark. Returns the number of questions. */
inline std::uint64_t evaluate_questions(const std::string &benchmark, const std::string &data,
                                        const std::string &output, const std::string &part = "") {
    std::uint64_t count = 0;
    check(dama_evaluate_questions(detail::c_string(benchmark), detail::c_string(data),
                                  part.empty() ? nullptr : detail::c_string(part), detail::c_string(output), &count));
    return count;
}

/** See dama_metric. `official` is empty where there is none. */
struct Metric {
    std::string name;
    double value, standard_deviation;
    std::optional<std::string> official;
    std::vector<double> runs;
};

using EvaluateOptions = dama_evaluate_options;

/** The counts of dama_evaluate_result, and the metrics in the benchmark's order. */
struct EvaluateResult : dama_evaluate_result {
    std::vector<Metric> metrics;

    /** The metric of this name. Throws std::out_of_range if there is none. */
    const Metric &metric(const std::string &name) const {
        for (const auto &it : metrics)
            if (it.name == name) return it;
        throw std::out_of_range("there is no metric " + name);
    }
};

/** See dama_evaluate_options_init(). */
inline EvaluateOptions evaluate_options() { return detail::initialised(dama_evaluate_options_init_sized); }

/** See dama_evaluate(). `judge` is for benchmarks that need one, and replaces the options' judge. */
inline EvaluateResult evaluate(const std::string &benchmark, const std::string &data, const std::string &responses,
                               const std::string &output, EvaluateOptions options = evaluate_options(),
                               const Judge *judge = nullptr, const ProgressCallback &progress = nullptr,
                               const Cancellation *cancellation = nullptr) {
    using Owner = detail::Handle<dama_metrics, dama_metrics_free>;
    options.benchmark = detail::c_string(benchmark);
    options.responses = detail::c_string(responses);
    if (judge) options.judge = judge->get();
    EvaluateResult result;
    static_cast<dama_evaluate_result &>(result) = detail::initialised(dama_evaluate_result_init_sized);
    dama_metrics *made = nullptr;
    detail::run_job(options, data, output, progress, [&] {
        const dama_status status = dama_evaluate(&made, &options, &result, detail::handle(cancellation));
        if (status != DAMA_OK && judge) judge->rethrow();
        return status;
    });
    const Owner metrics(made);
    for (std::size_t i = 0; i < dama_metrics_count(metrics.get()); i++) {
        auto it = detail::initialised(dama_metric_init_sized);
        check(dama_metrics_at(metrics.get(), i, &it));
        result.metrics.push_back({it.name, it.value, it.standard_deviation,
                                  it.official ? std::optional<std::string>(it.official) : std::nullopt,
                                  std::vector<double>(it.runs, it.runs + it.run_count)});
    }
    return result;
}

} // namespace dama

#endif /* DAMA_CPP_EVALUATE_HPP */
