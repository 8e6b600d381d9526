// The metrics of a model's answers to a benchmark, from C++: POPE with questions about pictures of the embedded world.
//
//     c++ -std=c++17 evaluate.cpp $(pkg-config --cflags --libs dama) -o evaluate
//     ./evaluate SET.json ANSWERS.jsonl FOLDER
//
// After a stop or a kill, the same command resumes.
// example arguments: examples/data/shapes/pope/coco_pope_random.json examples/data/shapes/pope/answers.jsonl OUTPUT
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    if (count != 4) {
        std::fprintf(stderr, "usage: %s SET.json ANSWERS.jsonl FOLDER\n", arguments[0]);
        return 2;
    }
    try {
        const std::string folder = arguments[3], data = folder + "/pope";
        for (const auto &file : dama::evaluate_prepare("pope", {arguments[1]}, data).missing)
            std::printf("not there: %s, %s\n", file.name.c_str(), file.purpose.c_str());
        // The questions in the form that dama::generate_dataset() answers.
        dama::evaluate_questions("pope", data, folder + "/questions.jsonl");

        const auto result = dama::evaluate("pope", data, arguments[2], folder + "/results.jsonl");
        std::printf("%llu of %llu questions answered\n", static_cast<unsigned long long>(result.answered),
                    static_cast<unsigned long long>(result.questions));
        for (const auto &metric : result.metrics)
            std::printf("%-10s %s\n", metric.name.c_str(), metric.official.value_or("undefined").c_str());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
