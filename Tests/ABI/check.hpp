/* Shared by the C++ tests, in addition to check.h: checks of exceptions, and folders that remove themselves. */
#ifndef DAMA_TEST_CHECK_HPP
#define DAMA_TEST_CHECK_HPP

#include <dama.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "check.h"

/* The expression throws dama::Error with this status, and a message that contains this text. */
#define CHECK_THROWS(expression, wanted, text)                                                                 \
    do {                                                                                                       \
        try {                                                                                                  \
            (void)(expression);                                                                                \
            check_failed(__FILE__, __LINE__, "nothing is thrown by " #expression);                             \
        } catch (const dama::Error &error) {                                                                   \
            if (error.status() != (wanted) || std::string(error.what()).find(text) == std::string::npos)       \
                check_failed(__FILE__, __LINE__, std::to_string(error.status()) + ": " + error.what());        \
        }                                                                                                      \
    } while (0)

/* The expression throws this standard exception, with a message that contains this text. */
#define CHECK_THROWS_A(expression, type, text)                                               \
    do {                                                                                     \
        try {                                                                                \
            (void)(expression);                                                              \
            check_failed(__FILE__, __LINE__, "nothing is thrown by " #expression);           \
        } catch (const type &error) {                                                        \
            if (std::string(error.what()).find(text) == std::string::npos)                   \
                check_failed(__FILE__, __LINE__, error.what());                              \
        }                                                                                    \
    } while (0)

inline void check_failed(const char *file, int line, const std::string &what) {
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
    check_failures++;
}

/* Owners of handles are move-only. */
template <typename T> constexpr bool moves_only() {
    return std::is_nothrow_move_constructible<T>::value && std::is_nothrow_move_assignable<T>::value &&
           !std::is_copy_constructible<T>::value && !std::is_copy_assignable<T>::value;
}

/* A new empty folder, which is removed with its contents. */
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "dama-cpp-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    std::string operator/(const std::string &name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

inline void write_file(const std::string &path, const std::string &contents) {
    std::ofstream file(path, std::ios::binary);
    file << contents;
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

inline std::string read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

/* A folder of fixtures, from the environment that Tests/ABI/run sets. */
inline std::string fixtures(const char *variable) {
    const char *value = std::getenv(variable);
    if (!value) throw std::runtime_error(std::string("set ") + variable + ", as Tests/ABI/run does");
    return value;
}

/* main() of a test: runs it, and counts an exception as a failure. */
template <typename Test> int run_tests(Test &&test) {
    try {
        test();
    } catch (const std::exception &error) {
        check_failed("main", 0, error.what());
    }
    return check_failures != 0;
}

#endif
