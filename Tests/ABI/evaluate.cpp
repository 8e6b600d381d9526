// Benchmarks in C++: their data, their questions, scores of answers, and metrics.
#include "stopping.hpp"

#include <algorithm>
#include <stdexcept>

namespace {

const char questions[] = R"({"question_id": 1, "image": "a.jpg", "text": "Is there a cat?", "label": "yes"}
{"question_id": 2, "image": "b.jpg", "text": "Is there a cat?", "label": "no"}
{"question_id": 3, "image": "c.jpg", "text": "Is there a dog?", "label": "no"}
)";
const char answers[] = R"({"id": 1, "response": "Yes."}
{"id": 2, "response": "Yes, there is."}
{"id": 3, "response": "No."}
{"id": 4, "response": "No."}
)";

} // namespace

int main() {
    return run_tests([] {
        const Folder folder;
        const std::string set = folder / "coco_pope_random.json", data = folder / "data";
        const std::string responses = folder / "answers.jsonl", output = folder / "results.jsonl";
        write_file(set, questions);
        write_file(responses, answers);

        const auto names = dama::evaluate_benchmarks();
        CHECK(std::find(names.begin(), names.end(), "pope") != names.end());
        const auto needed = dama::evaluate_prepare("pope", {}, data);
        CHECK(needed.made.empty() && needed.missing.size() == 4 && needed.missing[0].is_optional);
        CHECK(needed.missing[0].name == "random.jsonl" && needed.missing[0].downloads.size() == 1);
        CHECK(needed.missing[0].downloads[0].name == "coco_pope_random.json");
        CHECK(needed.missing[0].downloads[0].sha256.empty() && !needed.missing[0].purpose.empty());
        CHECK(dama::evaluate_prepare("pope", {set}, data).made == std::vector<std::string>{"random.jsonl"});
        CHECK(dama::evaluate_prepare("pope", {}, data, true).kept == std::vector<std::string>{"random.jsonl"});
        CHECK_THROWS(dama::evaluate_prepare("pope", {responses}, data), DAMA_INVALID_ARGUMENT, "no file of pope");
        CHECK_THROWS_A(dama::evaluate_prepare(std::string("po\0pe", 5), {}, data), std::invalid_argument, "NUL");

        CHECK(dama::evaluate_questions("pope", data, folder / "questions.jsonl") == 3);
        CHECK(dama::evaluate_questions("pope", data, folder / "random.jsonl", "random") == 3);
        CHECK(read_file(folder / "random.jsonl") == read_file(folder / "questions.jsonl"));
        CHECK_THROWS(dama::evaluate_questions("pope", data, folder / "more.jsonl", "rare"), DAMA_INVALID_ARGUMENT,
                     "part is");

        auto options = dama::evaluate_options();
        CHECK(options.runs == 1 && options.max_missing == -1);
        options.block_rows = 1;
        CHECK_THROWS_THROUGH(dama::evaluate("pope", data, responses, output, options, nullptr,
                                            [](const dama::Progress &it) {
                                                if (it.rows_done > 0) throw Thrown{4};
                                                return true;
                                            }),
                             4);
        {
            Stopper stopper;
            CHECK_THROWS(dama::evaluate(
                             "pope", data, responses, output, options, nullptr,
                             [&](const dama::Progress &) { return stopper.wait(); }, &stopper.cancellation),
                         DAMA_CANCELLED, "");
        }
        CHECK(!std::filesystem::exists(output));
        const auto result = dama::evaluate("pope", data, responses, output, options);
        CHECK(result.questions == 3 && result.answered == 3 && result.missing == 0 && result.rows_rejected == 1);
        CHECK(result.metrics.size() == 5 && result.metrics[0].name == "f1");
        const auto &accuracy = result.metric("accuracy");
        CHECK(std::fabs(accuracy.value - 2.0 / 3) < 1e-15 && accuracy.official == "0.667");
        CHECK(std::isnan(accuracy.standard_deviation) && accuracy.runs == std::vector<double>{accuracy.value});
        CHECK_THROWS_A(result.metric("chair"), std::out_of_range, "there is no metric chair");
        CHECK(dama::evaluate("pope", data, responses, output, options).was_complete);

        const std::string other = folder / "other.jsonl", more = folder / "more.jsonl";
        write_file(more, std::string(answers).replace(std::string(answers).find("Yes, there"), 10, "No, there "));
        dama::evaluate("pope", data, more, other);
        auto comparing = dama::comparison_options();
        CHECK(comparing.resamples == 10000);
        comparing.resamples = 100;
        const std::vector<std::string> summaries{folder / "results.summary.json", folder / "other.summary.json"};
        const auto comparison = dama::evaluate_compare(summaries, comparing);
        CHECK(comparison.json.find("\"only_first\":0,\"only_other\":1") != std::string::npos);
        CHECK(comparison.text.find("f1") != std::string::npos && comparison.csv.find("f1,") != std::string::npos);
        CHECK(comparison.page.find("<html") != std::string::npos);
        CHECK_THROWS(dama::evaluate_compare({summaries[0]}), DAMA_INVALID_ARGUMENT, "at least 2");

        options.max_missing = 0;
        options.part = "popular";
        CHECK_THROWS(dama::evaluate("pope", data, responses, output, options), DAMA_INVALID_ARGUMENT, "popular");
    });
}
