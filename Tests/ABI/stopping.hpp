/* What the C++ tests of callbacks and stopping share. */
#ifndef DAMA_TEST_STOPPING_HPP
#define DAMA_TEST_STOPPING_HPP

#include <atomic>
#include <chrono>
#include <thread>

#include "check.hpp"

/* What a callback throws in a test; nothing of the library derives from it. */
struct Thrown {
    int number;
};

/* Evaluating it throws the Thrown of this number. */
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
 * Another thread, which cancels once a callback has been called. The callback waits for that, so that the other thread
 * alone stops the call, and in its middle.
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

    /* For the callback: true, to go on. */
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
