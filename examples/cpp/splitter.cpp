// Sub-sentences from your own program, from C++: it reads a response and writes one sub-sentence on each line. If an
// answer fails the check, the built-in rules split the response, and a flag says so.
//
//     c++ -std=c++17 splitter.cpp $(pkg-config --cflags --libs dama) -o splitter
//     ./splitter [COMMAND [TEXT]]
//
// Splitter::endpoint() asks a model on an OpenAI-compatible server, Splitter::policy() asks a model in this process.
#include <dama.hpp>

#include <cstdio>

int main(int count, char **arguments) {
    const std::string command = count > 1 ? arguments[1] : "sed 's/ and /\\n/g'";
    const std::string text =
        count > 2 ? arguments[2] : "A yellow ring is below a black star and a large green square is at the centre.";
    try {
        const auto found = dama::Splitter::command(command).split(text);
        for (const auto &part : found.sentences) std::printf("- %s\n", part.c_str());
        for (const auto &flag : found.flags) std::printf("flag: %s\n", flag.c_str());
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
