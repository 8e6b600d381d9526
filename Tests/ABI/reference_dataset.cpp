// The reference's log-probabilities of a dataset in C++, and their cache.
#include "stopping.hpp"

namespace {

const char rows[] =
    R"({"image": "image.png", "question": "What is in the image?", "chosen": "A red square.", "rejected": "Two dogs."}
{"image": "image.png", "question": "Where is the circle?", "chosen": "At the top.", "rejected": "There is none."}
{"image": "none.png", "question": "a", "chosen": "b", "rejected": "c"}
)";

void compare(const dama::ResponseLogps &computed, const dama::ResponseLogps &stored) {
    CHECK(computed.tokens.size() == stored.tokens.size() && computed.was_cut == stored.was_cut);
    // The same arithmetic in batches of other shapes.
    CHECK(std::fabs(computed.sum - stored.sum) < 1e-4);
}

} // namespace

int main() {
    return run_tests([] {
        static_assert(moves_only<dama::ReferenceCache>(), "");
        const Folder folder;
        const std::string fixture = fixtures("DAMA_LLAVA_FIXTURES"), file = fixture + "/image.png";
        const std::string data = folder / "pairs.jsonl", output = folder / "reference.jsonl";
        write_file(data, rows);
        const dama::Policy policy(fixture + "/default");
        auto options = dama::reference_dataset_options();
        options.image_root = fixture.c_str();
        options.block_rows = 1;
        CHECK_THROWS_THROUGH(dama::reference_dataset(policy, data, output, options,
                                                     [](const dama::Progress &it) {
                                                         if (it.rows_done > 0) throw Thrown{5};
                                                         return true;
                                                     }),
                             5);
        {
            Stopper stopper;
            CHECK_THROWS(dama::reference_dataset(
                             policy, data, output, options, [&](const dama::Progress &) { return stopper.wait(); },
                             &stopper.cancellation),
                         DAMA_CANCELLED, "");
        }
        const auto result = dama::reference_dataset(policy, data, output, options);
        CHECK(result.rows == 3 && result.rows_rejected == 1 && result.rows_cut == 0 && !result.was_complete);
        CHECK(dama::reference_dataset(policy, data, output, options).was_complete);

        dama::ReferenceCache first(output, &policy);
        const dama::ReferenceCache cache(std::move(first));
        CHECK(first.size() == 0 && cache.size() == 2);
        const auto image = dama::Scorer::file(file);
        const std::vector<dama::PreferencePair> pairs = {
            {&image, "What is in the image?", "A red square.", "Two dogs."},
            {&image, "Where is the circle?", "At the top.", "There is none."},
        };
        CHECK_THROWS(first.contains(pairs[0]), DAMA_INVALID_ARGUMENT, "cache is NULL");
        const auto computed = policy.logps(pairs), stored = cache.logps(pairs);
        for (std::size_t i = 0; i < pairs.size(); i++) {
            compare(computed.at(i).chosen, stored.at(i).chosen);
            compare(computed.at(i).rejected, stored.at(i).rejected);
        }
        auto other = pairs[1];
        CHECK(cache.contains(other));
        other.rejected = "There is none!";
        CHECK(!cache.contains(other));
        CHECK_THROWS(cache.logps({pairs[0], other}), DAMA_INVALID_ARGUMENT, "pair 1: ");
        CHECK_THROWS(dama::ReferenceCache("/nowhere.jsonl"), DAMA_IO, "/nowhere.jsonl");
    });
}
