/* Shared by the C++ tests of callbacks and stopping. */
#ifndef DAMA_TEST_STOPPING_HPP
#define DAMA_TEST_STOPPING_HPP

#include <atomic>
#include <chrono>
#include <thread>

#include "check.hpp"

/* The exception that a callback throws in a test; no type of the library derives from it. */
struct Thrown {
    int number;
};

/* The expression throws the Thrown with this number. */
#define CHECK_THROWS_THROUGH(expression, wanted)                                                   \
    do {                                                                                           \
        try {                                                                                      \
            (void)(expression);                                                                    \
            check_failed(__FILE__, __LINE__, "nothing is thrown by " #expression);                 \
        } catch (const Thrown &thrown) {                                                           \
            if (thrown.number != (wanted)) check_failed(__FILE__, __LINE__, "another is thrown");  \
        }                                                                                          \
    } while (0)

/*
 * A thread that cancels after the first call of a callback. The callback waits for it, so only the other thread stops
 * the call, and in its middle.
 */
class Stopper {
public:
    Stopper() : thread_([this] {
        while (!started_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        cancellation.cancel();
    }) {}
    ~Stopper() {
        started_ = true;
        thread_.join();
    }
    Stopper(const Stopper &) = delete;
    Stopper &operator=(const Stopper &) = delete;

    /* Call it in the callback; it returns true, to continue. */
    bool wait() {
        started_ = true;
        while (!cancellation.is_cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return true;
    }

    dama::Cancellation cancellation;

private:
    std::atomic<bool> started_{false};
    std::thread thread_;
};

#endif
