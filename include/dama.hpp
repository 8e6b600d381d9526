/*
 * Optional C++17 layer over dama.h: exceptions in place of statuses, std::vector and std::string in place of pointers
 * and counts, handles that free themselves. Everything is inline; nothing here is part of the ABI.
 *
 * This header includes one header for each topic; each of them can also be included by itself. A failing call throws
 * dama::Error. Sizes that disagree, and a string that contains NUL where none is allowed, throw std::invalid_argument.
 */
#ifndef DAMA_HPP
#define DAMA_HPP

#include "dama/cpp/error.hpp"
#include "dama/cpp/view.hpp"
#include "dama/cpp/callback.hpp"
#include "dama/cpp/hardness.hpp"
#include "dama/cpp/losses.hpp"
#include "dama/cpp/beta.hpp"
#include "dama/cpp/text.hpp"
#include "dama/cpp/splitter.hpp"
#include "dama/cpp/clip.hpp"
#include "dama/cpp/kernels.hpp"
#include "dama/cpp/logps.hpp"
#include "dama/cpp/policy.hpp"
#include "dama/cpp/jobs.hpp"
#include "dama/cpp/reference.hpp"
#include "dama/cpp/generate.hpp"
#include "dama/cpp/judge.hpp"
#include "dama/cpp/evaluate.hpp"
#include "dama/cpp/compare.hpp"
#include "dama/cpp/ranks.hpp"
#include "dama/cpp/trainer.hpp"
#include "dama/cpp/train.hpp"

#include "dama.h"

#endif /* DAMA_HPP */
