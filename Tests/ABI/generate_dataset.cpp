// Answers to the questions of a dataset in C++.
#include "stopping.hpp"

namespace {

const char rows[] = R"({"idx": "a", "image": "image.png", "question": "What is in the image?"}
{"idx": "b", "image": "none.png", "question": "a"}
{"idx": "c", "image": "image.png", "question": "Where is the circle?"}
)";

// `text` as the library writes it as a JSON string.
std::string quoted(const std::string &text) {
    std::string result = "\"";
    for (const char it : text) {
        char escaped[8] = {it};
        if (it == '"' || it == '\\') std::snprintf(escaped, sizeof escaped, "\\%c", it);
        if (it > 0 && it < ' ') std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(it));
        result += escaped;
    }
    return result + "\"";
}

bool computed_one(const dama::Progress &it) { return it.phase == DAMA_PHASE_COMPUTING && it.rows_done > 0; }

} // namespace

int main() {
    return run_tests([] {
        const Folder folder;
        const std::string fixture = fixtures("DAMA_LLAVA_FIXTURES"), file = fixture + "/image.png";
        const std::string data = folder / "questions.jsonl", output = folder / "answers.jsonl";
        write_file(data, rows);
        const dama::Policy policy(fixture + "/default");
        auto generation = dama::Policy::generation_options();
        generation.max_tokens = 12;
        auto options = dama::generate_dataset_options();
        CHECK(options.samples == 1 && options.block_rows == 8);
        options.image_root = fixture.c_str();
        options.generation = &generation;
        options.block_rows = 1;
        CHECK_THROWS_THROUGH(dama::generate_dataset(policy, data, output, options,
                                                    [](const dama::Progress &it) {
                                                        if (computed_one(it)) throw Thrown{3};
                                                        return true;
                                                    }),
                             3);
        {
            Stopper stopper;
            CHECK_THROWS(dama::generate_dataset(
                             policy, data, output, options, [&](const dama::Progress &) { return stopper.wait(); },
                             &stopper.cancellation),
                         DAMA_CANCELLED, "");
        }
        CHECK(!std::filesystem::exists(output));
        const auto result = dama::generate_dataset(policy, data, output, options);
        CHECK(result.rows == 3 && result.rows_rejected == 1 && result.rows_cut == 2 && !result.was_complete);
        CHECK(dama::generate_dataset(policy, data, output, options).was_complete);

        // The same text as with one prompt at a time.
        const auto image = dama::Scorer::file(file);
        const auto written = read_file(output);
        const auto answer = policy.generate("What is in the image?", &image, generation);
        CHECK(answer.finish == DAMA_FINISH_LENGTH && written.find("\"finish\":\"length\"") != std::string::npos);
        CHECK(written.find("\"response\":" + quoted(answer.text)) != std::string::npos);
        CHECK(written.find("\"a\"") < written.find("\"c\"") && written.find("\"b\"") == std::string::npos);

        options.samples = 2;
        CHECK_THROWS(dama::generate_dataset(policy, data, folder / "other.jsonl", options), DAMA_INVALID_ARGUMENT,
                     "temperature");
    });
}
