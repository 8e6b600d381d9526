// Judges in C++: a function, what it throws, a command and a model.
#include "stopping.hpp"

#include <mutex>

namespace {

const char questions[] = R"({
    "v1_0": {"imagename": "a.jpg", "question": "What is it?", "answer": "cat", "capability": ["rec"]},
    "v1_1": {"imagename": "b.jpg", "question": "How many?", "answer": "3", "capability": ["math"]}
})";

} // namespace

int main() {
    static_assert(moves_only<dama::Judge>(), "owns its handle");
    return run_tests([] {
        const Folder folder;
        const std::string file = folder / "mm-vet.json", data = folder / "data", responses = folder / "answers.json";
        write_file(file, questions);
        write_file(responses, R"({"v1_0": "a cat", "v1_1": "two"})");
        CHECK(dama::evaluate_prepare("mm-vet", {file}, data).made.size() == 1);

        std::mutex mutex;
        int calls = 0;
        bool throws = true;
        auto first = dama::Judge::function("grader", [&](const dama::JudgeRequest &request) -> dama::JudgeAnswer {
            const std::lock_guard<std::mutex> lock(mutex);
            calls++;
            if (throws) throw Thrown{6};
            const std::string text = request.messages[request.message_count - 1].content;
            return {text.find("a cat") == std::string::npos ? "0.0" : request.run == 0 ? "1.0" : "0.6", "grader-1"};
        });
        const auto judge = std::move(first);
        auto options = dama::evaluate_options();
        options.runs = 2;
        const std::string output = folder / "results.jsonl";
        CHECK_THROWS_THROUGH(dama::evaluate("mm-vet", data, responses, output, options, &judge), 6);
        throws = false;
        calls = 0;
        const auto result = dama::evaluate("mm-vet", data, responses, output, options, &judge);
        const auto &total = result.metric("total");
        CHECK(calls == 4 && total.runs.size() == 2 && total.official == "40.0");
        CHECK(std::fabs(total.value - 40) < 1e-12 && std::fabs(total.standard_deviation - 10) < 1e-12);
        CHECK(read_file(output).find("grader-1") != std::string::npos);
        // Answers are kept as long as the judge.
        options.restart = 1;
        dama::evaluate("mm-vet", data, responses, output, options, &judge);
        CHECK(calls == 4);

        // A NUL would cut the answer.
        const auto cut = dama::Judge::function(
            "cut", [](const dama::JudgeRequest &) { return dama::JudgeAnswer{std::string("1\0", 2), ""}; });
        CHECK_THROWS_A(dama::evaluate("mm-vet", data, responses, folder / "cut.jsonl", dama::evaluate_options(), &cut),
                       std::invalid_argument, "NUL");

        const auto command = dama::Judge::command("echo 0.5");
        CHECK(dama::evaluate("mm-vet", data, responses, folder / "command.jsonl", dama::evaluate_options(), &command)
                  .metric("total")
                  .official == "50.0");
        auto own = dama::Judge::options();
        own.retries = 0;
        const auto endpoint = dama::Judge::endpoint("http://127.0.0.1:9/v1/chat/completions", "m", own);
        CHECK_THROWS(dama::evaluate("mm-vet", data, responses, folder / "endpoint.jsonl", dama::evaluate_options(),
                                    &endpoint),
                     DAMA_IO, "127.0.0.1:9");
        CHECK_THROWS(dama::evaluate("mm-vet", data, responses, folder / "none.jsonl"), DAMA_INVALID_ARGUMENT,
                     "needs a judge");
        CHECK_THROWS(dama::Judge::function("", [](const dama::JudgeRequest &) { return dama::JudgeAnswer(); }),
                     DAMA_INVALID_ARGUMENT, "name is empty");
        CHECK_THROWS(dama::Judge::policy(dama::Policy(fixtures("DAMA_LLAVA_FIXTURES") + "/default")), DAMA_UNSUPPORTED,
                     "takes an image");
        CHECK(dama::Judge::policy(dama::Policy(fixtures("DAMA_TEXT_MODEL"))).get() != nullptr);
    });
}
