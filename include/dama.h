/*
 * libdama: data- and model-aware preference alignment of multimodal language models.
 *
 * Method: "DAMA: Data- and Model-aware Alignment of Multi-modal LLMs" (ICML 2025, arXiv 2502.01943); equation numbers
 * are the paper's.
 *
 * This header includes one header for each topic; each of them can also be included by itself. The conventions for all
 * functions are in dama/base.h.
 */
#ifndef DAMA_H
#define DAMA_H

#include "dama/base.h"
#include "dama/hardness.h"
#include "dama/beta.h"
#include "dama/text.h"
#include "dama/splitter.h"
#include "dama/clip.h"
#include "dama/kernels.h"
#include "dama/jobs.h"
#include "dama/policy.h"
#include "dama/reference.h"
#include "dama/generate.h"
#include "dama/judge.h"
#include "dama/evaluate.h"
#include "dama/compare.h"
#include "dama/trainer.h"
#include "dama/train.h"

#endif /* DAMA_H */
