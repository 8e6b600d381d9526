// CLIP scores, hardness of a pair and splitters in C++.
#include "stopping.hpp"

namespace {

using Texts = std::vector<std::string>;

// The built-in rules split the first into two sub-sentences, and the second into one.
const std::string chosen = "There is a red circle at the top. A dog.", rejected = "Two dogs.";

void scores(const dama::Scorer &scorer, const dama_image &image) {
    const auto found = scorer.score(image, {"A dog.", "There is a red circle at the top.", "A dog."});
    // Values from expected.json, computed with transformers.
    CHECK(found.size() == 3 && std::fabs(found[0] - 12.2788f) < 2e-3f && std::fabs(found[1] + 13.7756f) < 2e-3f);
    CHECK(found[0] == found[2] && scorer.score(image, {}).empty());
    CHECK(scorer.dimension() == 16 && std::fabs(scorer.logit_scale() - 100) < 1e-3f);
    CHECK(scorer.facts().max_tokens == 77);

    const auto texts = scorer.embed_texts({"A dog."}), pixels = scorer.embed_images({image, image});
    CHECK(texts.size() == 16 && pixels.size() == 32);
    float cosine = 0;
    for (int i = 0; i < 16; i++) cosine += texts[i] * pixels[16 + i];
    CHECK(std::fabs(scorer.logit_scale() * cosine - found[0]) < 1e-3f);

    CHECK_THROWS(scorer.score(dama::Scorer::file("/nowhere.jpg"), {"a"}), DAMA_IO, "/nowhere.jpg");
    CHECK_THROWS_A(scorer.score(image, {std::string("a\0b", 3)}), std::invalid_argument, "NUL byte at offset 1");
}

// Eqs. (5) and (6) from the scores.
void hardness(const dama::Scorer &scorer, const dama_image &image) {
    const auto found = scorer.hardness(image, chosen, rejected);
    CHECK(found.chosen.size() == 2 && found.rejected.size() == 1);
    if (found.chosen.size() != 2 || found.rejected.size() != 1) return;
    CHECK(found.chosen[0].text == "There is a red circle at the top." && found.chosen[1].text == "A dog.");
    CHECK(std::fabs(found.chosen[0].score + 13.7756f) < 2e-3f && std::fabs(found.chosen[1].score - 12.2788f) < 2e-3f);
    const double a = std::exp(found.chosen[0].score), b = std::exp(found.chosen[1].score),
                 c = std::exp(found.rejected[0].score);
    CHECK(std::fabs(found.delta - (a + b - c) / (a + b + c)) < 1e-12);
    CHECK(std::fabs(found.chosen[1].probability - b / (a + b + c)) < 1e-12);
    CHECK(std::fabs(found.rejected[0].probability - c / (a + b + c)) < 1e-12);

    auto options = dama::Scorer::hardness_options();
    options.delta_source = DAMA_DELTA_FROM_SCORES;
    const float sum = found.chosen[0].score + found.chosen[1].score;
    CHECK(std::fabs(scorer.hardness(image, chosen, rejected, options).delta - sum / found.rejected[0].score) < 1e-6);

    // A splitter that makes shorter sub-sentences than the built-in rules.
    const auto finer = dama::Splitter::command("sed 's/ at /\\n&/; s/[.] /.\\n/'");
    options.splitter = finer.get();
    const auto parts = scorer.hardness(image, chosen, rejected, options).chosen;
    CHECK(parts.size() == 3 && parts.front().text == "There is a red circle" && parts.back().text == "A dog.");
    const auto inventor = dama::Splitter::command("sed 's/Two dogs.*/Seven cats/; s/[.] /.\\n/'");
    options.splitter = inventor.get();
    const auto flagged = scorer.hardness(image, chosen, rejected, options);
    CHECK(flagged.chosen_flags.empty() && flagged.rejected_flags.size() == 2);
    CHECK(flagged.rejected[0].text == rejected && flagged.rejected_flags.at(0) == "splitter_fallback");
    CHECK_THROWS(scorer.hardness(image, " ", rejected), DAMA_INVALID_ARGUMENT, "");

    // Many pairs in one call; a bad one stands beside the others.
    const auto many = scorer.hardness_batch({{image, chosen, rejected}, {image, " ", rejected}});
    CHECK(many.size() == 2 && many.at(0).status == DAMA_OK && many.at(0).message.empty());
    CHECK(many.at(0).hardness.delta == found.delta && many.at(0).hardness.chosen.at(1).text == "A dog.");
    CHECK(many.at(1).status == DAMA_INVALID_ARGUMENT && many.at(1).message.find("no words") != std::string::npos);
    options.splitter = nullptr;
    CHECK(std::fabs(scorer.hardness_batch({{image, chosen, rejected}}, options).at(0).hardness.delta -
                    sum / found.rejected[0].score) < 1e-6);
    CHECK(scorer.hardness_batch({}).empty());
}

void splitters() {
    static_assert(moves_only<dama::Splitter>(), "");
    auto built_in = dama::Splitter::built_in();
    CHECK(built_in.split("Dr. A sees a dog. It barks!").sentences == dama::split("Dr. A sees a dog. It barks!"));
    CHECK(built_in.split("A dog.").flags.empty() && built_in.split(" ").sentences.empty());
    const auto moved = std::move(built_in);
    CHECK(moved.get() && !built_in.get());
    CHECK_THROWS(built_in.split("A dog."), DAMA_INVALID_ARGUMENT, "splitter is NULL");

    auto options = dama::Splitter::options();
    CHECK(options.concurrency == 4 && options.timeout == 60);
    options.timeout = 30;
    const auto commas = dama::Splitter::command("tr ',' '\\n'", options);
    const auto found = commas.split("red circle,blue square");
    CHECK(found.sentences == (Texts{"red circle", "blue square"}) && found.flags.empty());
    // An answer with other words is rejected: the built-in rules split the text, and the flags say why.
    const auto fallback = dama::Splitter::command("echo Seven cats").split("A dog. It barks.");
    CHECK(fallback.sentences == (Texts{"A dog.", "It barks."}) && !fallback.flags.empty());
    CHECK(!fallback.flags.empty() && fallback.flags[0] == "splitter_fallback");

    CHECK_THROWS(dama::Splitter::command("exit 3").split("A dog."), DAMA_IO, "");
    CHECK_THROWS(dama::Splitter::command(""), DAMA_INVALID_ARGUMENT, "command");
    CHECK_THROWS(dama::Splitter::endpoint("ftp://example.org", "model"), DAMA_INVALID_ARGUMENT, "http");
    options.timeout = -1;
    CHECK_THROWS(dama::Splitter::command("cat", options), DAMA_INVALID_ARGUMENT, "timeout");
    CHECK_THROWS_A(dama::Splitter::command(std::string("a\0", 2)), std::invalid_argument, "NUL");
}

// A port without a server: the connection fails, or libcurl is missing.
void endpoint() {
    auto options = dama::Splitter::options();
    options.retries = 0;
    options.timeout = 5;
    const auto splitter = dama::Splitter::endpoint("http://127.0.0.1:1/v1/chat/completions", "model", options);
    try {
        splitter.split("A dog.");
        check_failed(__FILE__, __LINE__, "a server that is not there answers");
    } catch (const dama::Error &error) {
        CHECK(error.status() == DAMA_IO || error.status() == DAMA_UNSUPPORTED);
    }
}

void stopping(const dama::Scorer &scorer, const dama_image &image) {
    dama::Cancellation cancelled;
    CHECK(!cancelled.is_cancelled());
    cancelled.cancel();
    CHECK(cancelled.is_cancelled());
    CHECK_THROWS(scorer.score(image, {"A dog."}, &cancelled), DAMA_CANCELLED, "");
    CHECK_THROWS(scorer.embed_images({image}, &cancelled), DAMA_CANCELLED, "");
    CHECK_THROWS(scorer.embed_texts({"A dog."}, &cancelled), DAMA_CANCELLED, "");
    CHECK_THROWS(scorer.hardness(image, chosen, rejected, dama::Scorer::hardness_options(), &cancelled), DAMA_CANCELLED,
                 "");

    // From another thread, while a command that would take a minute runs.
    dama::Cancellation cancellation;
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        cancellation.cancel();
    });
    const auto begin = std::chrono::steady_clock::now();
    const auto slow = dama::Splitter::command("sleep 60");
    CHECK_THROWS(slow.split("A dog.", dama::split_options(), &cancellation), DAMA_CANCELLED, "");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
    other.join();
}

} // namespace

int main() {
    return run_tests([] {
        static_assert(moves_only<dama::Scorer>() && moves_only<dama::Cancellation>(), "");
        const std::string folder = fixtures("DAMA_CLIP_FIXTURES"), file = folder + "/wide.jpg";
        const auto image = dama::Scorer::file(file);
        dama::Scorer first(folder + "/legacy");
        const dama::Scorer scorer(std::move(first));
        CHECK(!first.get());
        CHECK_THROWS(first.score(image, {"a"}), DAMA_INVALID_ARGUMENT, "scorer is NULL");
        CHECK_THROWS(dama::Scorer("/nowhere"), DAMA_IO, "/nowhere");
        scores(scorer, image);
        hardness(scorer, image);
        splitters();
        endpoint();
        stopping(scorer, image);
    });
}
