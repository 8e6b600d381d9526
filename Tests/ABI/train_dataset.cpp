// Training on a dataset in C++, configured by options and by YAML text.
#include "stopping.hpp"

namespace {

std::string rows() {
    std::string text;
    const char *const shapes[] = {"circle", "square", "star", "ring"};
    for (const char *shape : shapes)
        text += std::string(R"({"image": "image.png", "question": "What is it?", "chosen": "A )") + shape +
                R"(.", "rejected": "Two dogs and a )" + shape + ".\"}\n";
    return text;
}

struct Files {
    const Folder folder;
    const std::string fixture = fixtures("DAMA_LLAVA_FIXTURES");
    const std::string data = folder / "pairs.jsonl";
};

void options(const Files &files, const dama::Policy &policy) {
    auto trainer = dama::Trainer::options();
    trainer.trainable = DAMA_TRAINABLE_PROJECTOR;
    trainer.learning_rate = 1e-3;
    auto method = dama::AdaptiveBeta::preset();
    method.keep = 2;
    auto options = dama::train_dataset_options();
    CHECK(options.batch_size == 16 && options.epochs == 4);
    options.image_root = files.fixture.c_str();
    options.batch_size = 2;
    options.epochs = 2;
    options.trainer = &trainer;
    options.method = &method;

    const std::string whole = files.folder / "whole", stopped = files.folder / "stopped";
    std::vector<double> losses;
    bool heard_reference = false;
    const auto result = dama::train_dataset(policy, files.data, whole, options, [&](const dama::TrainProgress &it) {
        heard_reference |= it.event == DAMA_TRAIN_REFERENCE && it.reference != nullptr;
        if (it.event == DAMA_TRAIN_BATCH) losses.push_back(it.metrics->loss);
        CHECK(it.struct_size == sizeof it);
        return true;
    });
    CHECK(result.batches == 4 && result.steps == 4 && result.skipped == 0 && result.pairs == 4 && !result.was_complete);
    // The policy is its own reference: before the first step h is 0, and −log σ(0) is log 2.
    CHECK(heard_reference && losses.size() == 4 && std::fabs(losses[0] - std::log(2.0)) < 1e-5);
    CHECK(dama::train_dataset(policy, files.data, whole, options).was_complete);
    const dama::Policy trained(whole + "/model");

    // Stopped by an exception, then by another thread, and resumed: the same weights, bit for bit.
    CHECK_THROWS_THROUGH(dama::train_dataset(policy, files.data, stopped, options,
                                             [](const dama::TrainProgress &it) {
                                                 if (it.event == DAMA_TRAIN_BATCH && it.batch == 1) throw Thrown{9};
                                                 return true;
                                             }),
                         9);
    {
        Stopper stopper;
        CHECK_THROWS(dama::train_dataset(
                         policy, files.data, stopped, options,
                         [&](const dama::TrainProgress &it) { return it.event != DAMA_TRAIN_BATCH || stopper.wait(); },
                         &stopper.cancellation),
                     DAMA_CANCELLED, "");
    }
    CHECK(dama::train_dataset(policy, files.data, stopped, options).steps == 4);
    const auto weights = read_file(whole + "/model/model.safetensors");
    CHECK(!weights.empty() && weights == read_file(stopped + "/model/model.safetensors"));

    options.batch_size = 3;
    CHECK_THROWS(dama::train_dataset(policy, files.data, whole, options), DAMA_INVALID_ARGUMENT, "batch_size");
}

void yaml(const Files &files) {
    const std::string output = files.folder / "yaml";
    const std::string text = "model: " + files.fixture + "/default\ndata: " + files.data +
                             "\nimage_root: " + files.fixture + "\nout: " + output +
                             "\ntrainable: projector\nmethod:\n  keep: 2\nbatch_size: 2\nepochs: 1\n";
    CHECK(dama::train_yaml(text, {"batch_size=4"}).batches == 1);
    CHECK(dama::train_yaml(text, {"batch_size=4"}).was_complete);
    auto options = dama::train_yaml_options();
    options.restart = 1;
    CHECK(dama::train_yaml(text, {}, options).batches == 2);
    options.label = "my.yaml";
    CHECK_THROWS(dama::train_yaml("model: [", {}, options), DAMA_INVALID_ARGUMENT, "my.yaml");
    CHECK_THROWS(dama::train_yaml("model: ["), DAMA_INVALID_ARGUMENT, "configuration, line ");
    CHECK_THROWS(dama::train_yaml(text + "speed: 3\n"), DAMA_INVALID_ARGUMENT, "speed");
    CHECK_THROWS_A(dama::train_yaml(std::string("a\0", 2)), std::invalid_argument, "NUL byte at offset 1");
}

void plan(const Files &files) {
    const std::string text = "model: " + files.fixture + "/default\ndata: nothing\nout: nothing\ntrainable: projector\n";
    auto options = dama::memory_plan_options();
    CHECK(options.prompt_tokens == 64 && options.response_tokens == 128);
    options.response_tokens = 40;
    const auto plan = dama::train_plan(text, {"provider=cuda", "offload=true"}, options);
    CHECK(plan.json.find("\"offload\":true") != std::string::npos && plan.text.find("total") != std::string::npos);
    CHECK_THROWS(dama::train_plan("model: ["), DAMA_INVALID_ARGUMENT, "configuration, line ");
}

} // namespace

int main() {
    return run_tests([] {
        const Files files;
        write_file(files.data, rows());
        const dama::Policy policy(files.fixture + "/default");
        options(files, policy);
        yaml(files);
        plan(files);
    });
}
