// Log-probabilities and generation in C++.
#include "stopping.hpp"

#include <algorithm>
#include <numeric>
#include <regex>

namespace {

// The first pair of default/expected.json, and the results of transformers.
const std::string prompt = "What is in the image?";
const std::string chosen = "A red circle is left of a blue star.";
const std::string rejected = "There is a large green square at the top.";

void facts(const dama::Policy &policy) {
    const auto facts = policy.facts();
    CHECK(facts.hidden_size == 32 && facts.max_length == 512);
    CHECK(std::string(facts.prompt_template).find("chat_template.jinja") != std::string::npos);
    const auto names = dama::prompt_templates();
    CHECK(std::count(names.begin(), names.end(), "vicuna_v1") == 1);
}

void logps(const dama::Policy &policy, const dama_image &image) {
    const auto found = policy.logps({{&image, prompt, chosen, rejected}, {&image, prompt, rejected, chosen}});
    CHECK(found.size() == 2);
    const auto &first = found.at(0).chosen;
    // fp32 on both sides, summed over the tokens.
    CHECK(std::fabs(first.sum + 139.1931) < 1e-3 && first.tokens.size() == 20 && !first.was_cut);
    CHECK(std::fabs(first.tokens.at(0) + 9.23180f) < 1e-4f && std::fabs(first.mean - first.sum / 20) < 1e-9);
    CHECK(std::fabs(std::accumulate(first.tokens.begin(), first.tokens.end(), 0.0) - first.sum) < 1e-5);
    // The same arithmetic at another position of the batch.
    CHECK(std::fabs(found.at(1).rejected.sum - first.sum) < 1e-4);

    CHECK_THROWS(policy.logps({}), DAMA_INVALID_ARGUMENT, "empty");
    CHECK_THROWS(policy.logps({{nullptr, prompt, chosen, rejected}}), DAMA_INVALID_ARGUMENT, "pair 0");
    CHECK_THROWS_A(policy.logps({{&image, prompt, std::string("a\0b", 3), rejected}}), std::invalid_argument, "NUL");
}

void chat(const dama::Policy &policy, const dama_image &image) {
    const std::string messages = "[{\"role\": \"user\", \"content\": \"" + prompt + "\"}]";
    const auto found = policy.chat_logps({{messages, {image}, chosen, rejected}});
    CHECK(found.size() == 1 && std::fabs(found.at(0).chosen.sum + 139.1931) < 1e-3);
    auto options = dama::Policy::generation_options();
    options.max_tokens = 12;
    const auto texts = policy.chat({{messages, {image}, "", ""}}, options);
    CHECK(texts.size() == 1 && texts.at(0).tokens == policy.generate(prompt, &image, options).tokens);
    CHECK_THROWS(policy.chat({{"{}", {image}, "", ""}}, options), DAMA_INVALID_ARGUMENT, "conversations[0].messages");
}

void generate(const dama::Policy &policy, const dama_image &image) {
    auto options = dama::Policy::generation_options();
    options.max_tokens = 12;
    const std::vector<dama::Prompt> prompts = {{&image, prompt}, {&image, "Describe the picture.\nBe short."}};
    std::vector<std::string> heard(2);
    const auto found = policy.generate(prompts, options, [&](std::size_t index, const char *text) {
        heard.at(index) += text;
        return true;
    });
    CHECK(found.size() == 2 && found.at(0).text == heard[0] && found.at(1).text == heard[1]);
    // The greedy text of transformers.
    CHECK(found.at(0).tokens == (std::vector<std::int32_t>{165, 180, 58, 148, 351, 313, 399, 275, 66, 34, 274, 299}));
    CHECK(found.at(0).finish == DAMA_FINISH_LENGTH && found.at(1).tokens.size() == 12);
    const auto alone = policy.generate(prompt, &image, options);
    CHECK(alone.tokens == found.at(0).tokens && alone.text == heard[0]);

    // A stop string: a piece of the text from its fourth byte on.
    const dama::Strings stop{heard[0].substr(3, 2)};
    options.stop = stop.data();
    options.stop_count = stop.size();
    const auto stopped = policy.generate(prompt, &image, options);
    CHECK(stopped.finish == DAMA_FINISH_STOP && heard[0].compare(0, stopped.text.size(), stopped.text) == 0);
    CHECK(stopped.text.find(heard[0].substr(3, 2)) == std::string::npos);
    options.stop_count = 0;

    CHECK_THROWS(policy.generate(std::vector<dama::Prompt>{}, options), DAMA_INVALID_ARGUMENT, "empty");
    CHECK_THROWS(policy.generate({{&image, prompt}, {nullptr, prompt}}, options), DAMA_INVALID_ARGUMENT, "prompt 1");
}

void stopping(const dama::Policy &policy, const dama_image &image) {
    auto options = dama::Policy::generation_options();
    options.max_tokens = 200;
    int left = 3;
    CHECK_THROWS(policy.generate(prompt, &image, options, [&](const char *) { return --left > 0; }), DAMA_CANCELLED,
                 "");
    CHECK(left == 0);
    CHECK_THROWS_THROUGH(policy.generate(prompt, &image, options, [](const char *) -> bool { throw Thrown{7}; }), 7);
    Stopper stopper;
    CHECK_THROWS(policy.generate(
                     prompt, &image, options, [&](const char *) { return stopper.wait(); }, &stopper.cancellation),
                 DAMA_CANCELLED, "");
    CHECK_THROWS(policy.logps({{&image, prompt, chosen, rejected}}, &stopper.cancellation), DAMA_CANCELLED, "");
    // The exception leaves no state behind.
    options.max_tokens = 2;
    CHECK(policy.generate(prompt, &image, options).tokens == (std::vector<std::int32_t>{165, 180}));
}

// A model with random weights gives unusable answers, so the built-in rules split the text, and the flags say so.
void splitter() {
    const Folder folder;
    const std::string model = folder / "model";
    std::filesystem::copy(fixtures("DAMA_TEXT_MODEL"), model, std::filesystem::copy_options::recursive);
    // The fixture needs more positions for the prompt.
    const auto config = std::regex_replace(read_file(model + "/config.json"),
                                           std::regex("\"max_position_embeddings\": [0-9]+"),
                                           "\"max_position_embeddings\": 8192");
    std::filesystem::permissions(model + "/config.json", std::filesystem::perms::owner_all);
    write_file(model + "/config.json", config);
    // The splitter keeps the model alive.
    const auto splitter = dama::Splitter::policy(dama::Policy(model));
    const auto found = splitter.split("Two dogs sleep. A cat sits.");
    CHECK(found.sentences == (std::vector<std::string>{"Two dogs sleep.", "A cat sits."}));
    CHECK(found.flags.size() == 2 && found.flags[0] == "splitter_fallback");
}

} // namespace

int main() {
    return run_tests([] {
        static_assert(moves_only<dama::Policy>(), "");
        const std::string folder = fixtures("DAMA_LLAVA_FIXTURES"), file = folder + "/image.png";
        const auto image = dama::Scorer::file(file);
        dama::Policy first(folder + "/default");
        const dama::Policy policy(std::move(first));
        CHECK(!first.get());
        CHECK_THROWS(first.facts(), DAMA_INVALID_ARGUMENT, "policy is NULL");
        facts(policy);
        logps(policy, image);
        generate(policy, image);
        chat(policy, image);
        stopping(policy, image);
        splitter();
        CHECK_THROWS(dama::Splitter::policy(policy), DAMA_UNSUPPORTED, "text-only");
        CHECK_THROWS(dama::Policy("/nowhere"), DAMA_IO, "/nowhere");
    });
}
