/* Judges of answers: a function, a server, a command or a local model. */
#ifndef DAMA_CPP_JUDGE_HPP
#define DAMA_CPP_JUDGE_HPP

#include "../judge.h"
#include "callback.hpp"
#include "policy.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace dama {

using JudgeRequest = dama_judge_request;

/** A judge's answer, and the model that gave it; empty if it is not known. */
struct JudgeAnswer {
    std::string text, model;
};

/**
 * Answers a request, which is valid during the call, on several threads at once. An exception that it throws stops the
 * job, which rethrows it; finished work is kept.
 */
using JudgeFunction = std::function<JudgeAnswer(const JudgeRequest &request)>;

/** Owns a dama_judge. Move-only; several threads may use it at the same time. */
class Judge {
public:
    using Options = dama_judge_options;

    static Options options() { return detail::initialised(dama_judge_options_init_sized); }

    /** See dama_judge_create_callback(). */
    static Judge function(const std::string &name, JudgeFunction function, const Options &options = Judge::options()) {
        auto caller = std::make_unique<Caller>(std::move(function));
        auto owner = detail::made<Owner>([&](dama_judge **out) {
            return dama_judge_create_callback(out, detail::c_string(name), Caller::call, &options, caller.get());
        });
        return Judge(std::move(owner), std::move(caller));
    }

    /** See dama_judge_create_command(). */
    static Judge command(const std::string &command, const Options &options = Judge::options()) {
        return Judge(detail::made<Owner>([&](dama_judge **out) {
            return dama_judge_create_command(out, detail::c_string(command), &options);
        }));
    }

    /** See dama_judge_create_endpoint(). */
    static Judge endpoint(const std::string &url, const std::string &model, const Options &options = Judge::options()) {
        return Judge(detail::made<Owner>([&](dama_judge **out) {
            return dama_judge_create_endpoint(out, detail::c_string(url), detail::c_string(model), &options);
        }));
    }

    /** See dama_judge_create_policy(). */
    static Judge policy(const Policy &policy, const Options &options = Judge::options()) {
        return Judge(detail::made<Owner>(
            [&](dama_judge **out) { return dama_judge_create_policy(out, policy.get(), &options); }));
    }

    /** The handle, for C functions. */
    const dama_judge *get() const noexcept { return handle_.get(); }

    /** Rethrows the first exception of the function since the last call of this; does nothing if there is none. */
    void rethrow() const {
        if (caller_) caller_->rethrow();
    }

private:
    using Owner = detail::Handle<dama_judge, dama_judge_free>;

    class Caller {
    public:
        explicit Caller(JudgeFunction function) : function_(std::move(function)) {}

        static dama_status call(const dama_judge_request *request, dama_judge_reply *reply, void *user) noexcept {
            auto *self = static_cast<Caller *>(user);
            try {
                const auto answer = self->function_(*request);
                const char *model = answer.model.empty() ? nullptr : detail::c_string(answer.model);
                check(dama_judge_reply_set(reply, detail::c_string(answer.text), model));
                return DAMA_OK;
            } catch (...) {
                const std::lock_guard<std::mutex> lock(self->mutex_);
                if (!self->thrown_) self->thrown_ = std::current_exception();
                return DAMA_CANCELLED;
            }
        }

        void rethrow() {
            std::exception_ptr thrown;
            {
                const std::lock_guard<std::mutex> lock(mutex_);
                thrown.swap(thrown_);
            }
            if (thrown) std::rethrow_exception(thrown);
        }

    private:
        JudgeFunction function_;
        std::mutex mutex_;
        std::exception_ptr thrown_;
    };

    explicit Judge(Owner owner, std::unique_ptr<Caller> caller = nullptr) noexcept
        : caller_(std::move(caller)), handle_(std::move(owner)) {}

    // The handle is freed first: it calls the function.
    std::unique_ptr<Caller> caller_;
    Owner handle_;
};

} // namespace dama

#endif /* DAMA_CPP_JUDGE_HPP */
