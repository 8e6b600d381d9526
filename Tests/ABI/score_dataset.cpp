// Scores of a dataset in C++: results, progress, stopping and resuming.
#include "stopping.hpp"

#include <algorithm>

namespace {

const char rows[] =
    R"({"idx": 1, "image": "wide.jpg", "good": "A red circle. A blue square.", "rejected": "A dog."}
{"idx": 2, "image": "tall.png", "good": "A red circle.", "rejected": "Two dogs. A cat."}
{"idx": 3, "image": "none.jpg", "good": "A red circle.", "rejected": "Two dogs. A cat."}
{"idx": 4, "image": "wide.jpg", "good": "A blue square.", "rejected": "Two dogs."}
)";

// The number after "delta": in line `index` of the output.
double delta_of(const std::string &output, int index) {
    std::size_t start = 0;
    while (index-- > 0) start = output.find('\n', start) + 1;
    const auto field = output.find("\"delta\":", start);
    if (field == std::string::npos) throw std::runtime_error("no delta in " + output.substr(start, 200));
    return std::strtod(output.c_str() + field + 8, nullptr);
}

} // namespace

int main() {
    return run_tests([] {
        const Folder folder;
        const std::string images = fixtures("DAMA_CLIP_FIXTURES"), data = folder / "pairs.jsonl";
        const std::string output = folder / "scores.jsonl";
        write_file(data, rows);
        const dama::Scorer scorer(images + "/legacy");
        const dama::Strings fields{"chosen=good"};
        auto options = dama::score_dataset_options();
        CHECK(options.block_rows == 32 && options.max_rejected == -1);
        options.image_root = images.c_str();
        options.fields = fields.data();
        options.field_count = fields.size();
        options.block_rows = 2;

        // Stopped by a callback that returns false, by one that throws, and by another thread; finished rows are kept.
        const auto computing = [](const dama::Progress &it) { return it.phase == DAMA_PHASE_COMPUTING; };
        CHECK_THROWS(dama::score_dataset(scorer, data, output, options,
                                         [&](const dama::Progress &it) { return !computing(it); }),
                     DAMA_CANCELLED, "");
        CHECK_THROWS_THROUGH(dama::score_dataset(scorer, data, output, options,
                                                 [&](const dama::Progress &it) {
                                                     if (computing(it)) throw Thrown{it.rows_total == 4 ? 4 : 0};
                                                     return true;
                                                 }),
                             4);
        {
            Stopper stopper;
            CHECK_THROWS(dama::score_dataset(
                             scorer, data, output, options,
                             [&](const dama::Progress &it) { return !computing(it) || stopper.wait(); },
                             &stopper.cancellation),
                         DAMA_CANCELLED, "");
        }
        CHECK(!std::filesystem::exists(output));

        int calls = 0;
        std::uint64_t last = 0;
        const auto result = dama::score_dataset(scorer, data, output, options, [&](const dama::Progress &it) {
            CHECK(it.struct_size == sizeof it && it.rows_done >= last);
            last = it.rows_done;
            calls++;
            return true;
        });
        CHECK(calls >= 3 && last == 4);
        CHECK(result.rows == 4 && result.rows_scored == 3 && result.rows_rejected == 1 && !result.was_complete);
        // The same as one pair at a time.
        const std::string wide = images + "/wide.jpg";
        const auto image = dama::Scorer::file(wide);
        const auto written = read_file(output);
        CHECK(std::count(written.begin(), written.end(), '\n') == 3);
        CHECK(std::fabs(delta_of(written, 0) -
                        scorer.hardness(image, "A red circle. A blue square.", "A dog.").delta) < 1e-5);
        CHECK(std::fabs(delta_of(written, 2) - scorer.hardness(image, "A blue square.", "Two dogs.").delta) < 1e-5);
        const double mean = (delta_of(written, 0) + delta_of(written, 1) + delta_of(written, 2)) / 3;
        CHECK(std::fabs(result.mean_delta - mean) < 1e-9 && result.mean_delta == result.mean_delta_used);

        CHECK(dama::score_dataset(scorer, data, output, options).was_complete);
        // With the caller's splitter, which makes other sub-sentences.
        const auto finer = dama::Splitter::command("sed 's/ circle/\\n&/'");
        options.splitter = finer.get();
        const auto split = folder / "split.jsonl";
        CHECK(dama::score_dataset(scorer, data, split, options).rows_scored == 3);
        const std::string part = "\"A red\"";
        CHECK(read_file(split).find(part) != std::string::npos && written.find(part) == std::string::npos);
        options.splitter = nullptr;
        // Shards and their merge.
        const auto merged = folder / "merged.jsonl";
        options.shards = 2;
        for (options.shard = 0; options.shard < 2; options.shard++) dama::score_dataset(scorer, data, merged, options);
        options.shard = options.shards = 0;
        const auto joined = dama::merge_scores(merged);
        CHECK(joined.rows == 4 && joined.mean_delta == result.mean_delta && read_file(merged) == written);
        CHECK_THROWS(dama::merge_scores(folder / "none.jsonl"), DAMA_INVALID_ARGUMENT, "no shards");
        options.mean_delta = 0.25;
        CHECK_THROWS(dama::score_dataset(scorer, data, output, options), DAMA_INVALID_ARGUMENT, "mean_delta");
        CHECK_THROWS(dama::score_dataset(scorer, "/nowhere.jsonl", folder / "other.jsonl"), DAMA_IO, "/nowhere.jsonl");
    });
}
