/* Comparisons of finished evaluations. */
#ifndef DAMA_CPP_COMPARE_HPP
#define DAMA_CPP_COMPARE_HPP

#include "../compare.h"
#include "callback.hpp"

#include <string>
#include <vector>

namespace dama {

using ComparisonOptions = dama_comparison_options;

/** See dama_comparison_options_init(). */
inline ComparisonOptions comparison_options() { return detail::initialised(dama_comparison_options_init_sized); }

/** A comparison as tables, JSON, CSV and a page in HTML; see dama_comparison_text() and the following. */
struct Comparison {
    std::string text, json, csv, page;
};

/** See dama_evaluate_compare(). */
inline Comparison evaluate_compare(const std::vector<std::string> &summaries,
                                   const ComparisonOptions &options = comparison_options(),
                                   const Cancellation *cancellation = nullptr) {
    using Owner = detail::Handle<dama_comparison, dama_comparison_free>;
    const Strings paths(summaries);
    const auto handle = detail::made<Owner>([&](dama_comparison **out) {
        return dama_evaluate_compare(out, paths.data(), paths.size(), &options, detail::handle(cancellation));
    });
    return {dama_comparison_text(handle.get()), dama_comparison_json(handle.get()), dama_comparison_csv(handle.get()),
            dama_comparison_page(handle.get())};
}

} // namespace dama

#endif /* DAMA_CPP_COMPARE_HPP */
