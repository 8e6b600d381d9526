"""The C ABI for ctypes. scripts/generate_abi.py writes this file from include/dama.h; do not edit it.

The names are the same as in C. Handles, and pointers to numbers, to writable characters and to void, are addresses
(``c_void_p``): pass ``array.ctypes.data``, ``ctypes.byref()`` or None. The parameter for a new handle is a pointer to
``c_void_p``, and the parameter for a struct is a pointer to its class: pass the object itself.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

from ._library import load

DAMA_ABI_VERSION = 1
DAMA_IGNORED_LABEL = -100
DAMA_REST = ctypes.c_size_t(-1).value

_library = load(DAMA_ABI_VERSION)


class dama_status(IntEnum):
    DAMA_OK = 0
    DAMA_INVALID_ARGUMENT = 1
    DAMA_SHAPE_MISMATCH = 2
    DAMA_IO = 3
    DAMA_MODEL = 4
    DAMA_UNSUPPORTED = 5
    DAMA_OUT_OF_MEMORY = 6
    DAMA_INTERNAL = 7
    DAMA_CANCELLED = 8


class dama_response(IntEnum):
    DAMA_CHOSEN = 0
    DAMA_REJECTED = 1


class dama_delta_source(IntEnum):
    DAMA_DELTA_FROM_PROBABILITIES = 0
    DAMA_DELTA_FROM_SCORES = 1


class dama_loss(IntEnum):
    DAMA_LOSS_SIGMOID = 0
    DAMA_LOSS_IPO = 1
    DAMA_LOSS_HINGE = 2
    DAMA_LOSS_CDPO = 3
    DAMA_LOSS_ROBUST = 4
    DAMA_LOSS_SIMPO = 5


class dama_preset(IntEnum):
    DAMA_PRESET_PAPER = 0
    DAMA_PRESET_RELEASED = 1
    DAMA_PRESET_BETA_DPO = 2
    DAMA_PRESET_DPO = 3
    DAMA_PRESET_D2PO = 4
    DAMA_PRESET_MDPO = 5


class dama_gap(IntEnum):
    DAMA_GAP_REWARD = 0
    DAMA_GAP_LOG_RATIO = 1


class dama_filter(IntEnum):
    DAMA_FILTER_NONE = 0
    DAMA_FILTER_NEAREST = 1
    DAMA_FILTER_SAMPLE = 2
    DAMA_FILTER_BOTTOM = 3
    DAMA_FILTER_TOP = 4
    DAMA_FILTER_RANDOM = 5


class dama_sample_scale(IntEnum):
    DAMA_SAMPLE_SCALE_UNIT = 0
    DAMA_SAMPLE_SCALE_RUNNING_DEVIATION = 1


class dama_responsiveness(IntEnum):
    DAMA_RESPONSIVENESS_RATIO_OF_MEAN = 0
    DAMA_RESPONSIVENESS_MEAN_OF_RATIOS = 1
    DAMA_RESPONSIVENESS_LINEAR = 2


class dama_mean_source(IntEnum):
    DAMA_MEAN_OF_KEPT = 0
    DAMA_MEAN_OF_ALL = 1


class dama_mean_time(IntEnum):
    DAMA_MEAN_AFTER_STEP = 0
    DAMA_MEAN_BEFORE_USE = 1


class dama_combination(IntEnum):
    DAMA_COMBINE_PRODUCT = 0
    DAMA_COMBINE_WEIGHTED = 1
    DAMA_COMBINE_DATA = 2
    DAMA_COMBINE_MODEL = 3
    DAMA_COMBINE_NONE = 4


class dama_long_texts(IntEnum):
    DAMA_LONG_TEXTS_REFUSE = 0
    DAMA_LONG_TEXTS_CUT = 1


class dama_schedule(IntEnum):
    DAMA_SCHEDULE_CONSTANT = 0
    DAMA_SCHEDULE_LINEAR = 1
    DAMA_SCHEDULE_COSINE = 2


class dama_phase(IntEnum):
    DAMA_PHASE_SCANNING = 0
    DAMA_PHASE_COMPUTING = 1
    DAMA_PHASE_WRITING = 2


class dama_image_mode(IntEnum):
    DAMA_IMAGE_MODE_CROP = 0
    DAMA_IMAGE_MODE_PAD = 1
    DAMA_IMAGE_MODE_CHECKPOINT = 2


class dama_overlong(IntEnum):
    DAMA_OVERLONG_ERROR = 0
    DAMA_OVERLONG_CUT = 1


class dama_early_stopping(IntEnum):
    DAMA_EARLY_STOPPING_NO = 0
    DAMA_EARLY_STOPPING_YES = 1
    DAMA_EARLY_STOPPING_NEVER = 2


class dama_finish(IntEnum):
    DAMA_FINISH_END = 0
    DAMA_FINISH_STOP = 1
    DAMA_FINISH_LENGTH = 2


class dama_reference_format(IntEnum):
    DAMA_REFERENCE_FULL = 0
    DAMA_REFERENCE_LOGPS = 1
    DAMA_REFERENCE_RELEASED = 2


class dama_trainable(IntEnum):
    DAMA_TRAINABLE_FULL = 0
    DAMA_TRAINABLE_LORA = 1
    DAMA_TRAINABLE_PROJECTOR = 2
    DAMA_TRAINABLE_PATTERNS = 3


class dama_activations(IntEnum):
    DAMA_ACTIVATIONS_KEEP = 0
    DAMA_ACTIVATIONS_RECOMPUTE = 1


class dama_sum_type(IntEnum):
    DAMA_SUM_FLOAT32 = 0
    DAMA_SUM_FLOAT64 = 1


class dama_parameter_part(IntEnum):
    DAMA_PARAMETER_VALUE = 0
    DAMA_PARAMETER_GRADIENT = 1


class dama_export_kind(IntEnum):
    DAMA_EXPORT_MODEL = 0
    DAMA_EXPORT_ADAPTERS = 1


class dama_weight_type(IntEnum):
    DAMA_WEIGHT_FLOAT32 = 0
    DAMA_WEIGHT_FLOAT16 = 1
    DAMA_WEIGHT_BFLOAT16 = 2


class dama_train_event(IntEnum):
    DAMA_TRAIN_REFERENCE = 0
    DAMA_TRAIN_BATCH = 1
    DAMA_TRAIN_NOTICE = 2


class dama_adaptive_beta_options(ctypes.Structure):
    pass


class dama_preference_batch(ctypes.Structure):
    pass


class dama_preference_result(ctypes.Structure):
    pass


class dama_adaptive_beta_facts(ctypes.Structure):
    pass


class dama_tokenizer_facts(ctypes.Structure):
    pass


class dama_split_options(ctypes.Structure):
    pass


class dama_splitter_options(ctypes.Structure):
    pass


class dama_scorer_options(ctypes.Structure):
    pass


class dama_scorer_facts(ctypes.Structure):
    pass


class dama_image(ctypes.Structure):
    pass


class dama_hardness_options(ctypes.Structure):
    pass


class dama_scored_sentence(ctypes.Structure):
    pass


class dama_response_pair(ctypes.Structure):
    pass


class dama_pair_outcome(ctypes.Structure):
    pass


class dama_adamw_options(ctypes.Structure):
    pass


class dama_schedule_options(ctypes.Structure):
    pass


class dama_progress(ctypes.Structure):
    pass


class dama_score_dataset_options(ctypes.Structure):
    pass


class dama_score_dataset_result(ctypes.Structure):
    pass


class dama_merge_scores_options(ctypes.Structure):
    pass


class dama_policy_options(ctypes.Structure):
    pass


class dama_policy_facts(ctypes.Structure):
    pass


class dama_preference_pair(ctypes.Structure):
    pass


class dama_conversation(ctypes.Structure):
    pass


class dama_response_logp(ctypes.Structure):
    pass


class dama_prompt(ctypes.Structure):
    pass


class dama_generation_options(ctypes.Structure):
    pass


class dama_reference_dataset_options(ctypes.Structure):
    pass


class dama_reference_dataset_result(ctypes.Structure):
    pass


class dama_generate_dataset_options(ctypes.Structure):
    pass


class dama_generate_dataset_result(ctypes.Structure):
    pass


class dama_judge_options(ctypes.Structure):
    pass


class dama_judge_message(ctypes.Structure):
    pass


class dama_judge_request(ctypes.Structure):
    pass


class dama_download(ctypes.Structure):
    pass


class dama_missing_file(ctypes.Structure):
    pass


class dama_metric(ctypes.Structure):
    pass


class dama_evaluate_options(ctypes.Structure):
    pass


class dama_evaluate_result(ctypes.Structure):
    pass


class dama_comparison_options(ctypes.Structure):
    pass


class dama_ranks(ctypes.Structure):
    pass


class dama_trainer_options(ctypes.Structure):
    pass


class dama_training_pair(ctypes.Structure):
    pass


class dama_step_metrics(ctypes.Structure):
    pass


class dama_parameter(ctypes.Structure):
    pass


class dama_trainer_facts(ctypes.Structure):
    pass


class dama_export_options(ctypes.Structure):
    pass


class dama_train_progress(ctypes.Structure):
    pass


class dama_train_dataset_options(ctypes.Structure):
    pass


class dama_train_dataset_result(ctypes.Structure):
    pass


class dama_train_yaml_options(ctypes.Structure):
    pass


class dama_memory_plan_options(ctypes.Structure):
    pass


dama_progress_callback = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.POINTER(dama_progress), ctypes.c_void_p)
dama_text_callback = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p)
dama_judge_callback = ctypes.CFUNCTYPE(
    ctypes.c_uint,
    ctypes.POINTER(dama_judge_request),
    ctypes.c_void_p,
    ctypes.c_void_p,
)
dama_sum_callback = ctypes.CFUNCTYPE(
    ctypes.c_uint,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_int64,
    ctypes.c_void_p,
)
dama_train_callback = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.POINTER(dama_train_progress), ctypes.c_void_p)

dama_adaptive_beta_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("gap", ctypes.c_uint),
    ("beta", ctypes.c_double),
    ("normalize", ctypes.c_int32),
    ("filter", ctypes.c_uint),
    ("guard", ctypes.c_double),
    ("keep", ctypes.c_size_t),
    ("keep_ratio", ctypes.c_double),
    ("sample_scale", ctypes.c_uint),
    ("responsiveness", ctypes.c_uint),
    ("slope", ctypes.c_double),
    ("mean_source", ctypes.c_uint),
    ("mean_time", ctypes.c_uint),
    ("combination", ctypes.c_uint),
    ("loss", ctypes.c_uint),
    ("rho", ctypes.c_double),
    ("beta_floor", ctypes.c_double),
    ("beta_ceiling", ctypes.c_double),
    ("momentum", ctypes.c_double),
    ("seed", ctypes.c_uint64),
    ("loss_parameter", ctypes.c_double),
]

dama_preference_batch._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("count", ctypes.c_size_t),
    ("policy_chosen", ctypes.c_void_p),
    ("policy_rejected", ctypes.c_void_p),
    ("reference_chosen", ctypes.c_void_p),
    ("reference_rejected", ctypes.c_void_p),
    ("alpha_data", ctypes.c_void_p),
    ("chosen_lengths", ctypes.c_void_p),
    ("rejected_lengths", ctypes.c_void_p),
    ("slice_offset", ctypes.c_size_t),
    ("slice_count", ctypes.c_size_t),
]

dama_preference_result._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("capacity", ctypes.c_size_t),
    ("beta", ctypes.c_void_p),
    ("mask", ctypes.c_void_p),
    ("margins", ctypes.c_void_p),
    ("losses", ctypes.c_void_p),
    ("grad_chosen", ctypes.c_void_p),
    ("grad_rejected", ctypes.c_void_p),
    ("reward_chosen", ctypes.c_void_p),
    ("reward_rejected", ctypes.c_void_p),
    ("plain_reward_chosen", ctypes.c_void_p),
    ("plain_reward_rejected", ctypes.c_void_p),
    ("loss", ctypes.c_double),
    ("slice_loss", ctypes.c_double),
    ("alpha_model", ctypes.c_double),
    ("batch_gap", ctypes.c_double),
    ("running_mean", ctypes.c_double),
    ("accuracy", ctypes.c_double),
    ("kept", ctypes.c_size_t),
    ("kept_in_slice", ctypes.c_size_t),
    ("nonfinite", ctypes.c_size_t),
    ("normalized", ctypes.c_int32),
    ("sampled_uniformly", ctypes.c_int32),
]

dama_adaptive_beta_facts._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("running_mean", ctypes.c_double),
    ("running_deviation", ctypes.c_double),
    ("steps", ctypes.c_uint64),
    ("nonfinite_pairs", ctypes.c_uint64),
    ("uniform_samplings", ctypes.c_uint64),
]

dama_tokenizer_facts._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("vocabulary_size", ctypes.c_int32),
    ("id_end", ctypes.c_int32),
    ("bos_id", ctypes.c_int32),
    ("eos_id", ctypes.c_int32),
    ("pad_id", ctypes.c_int32),
    ("unk_id", ctypes.c_int32),
]

dama_split_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("token_limit", ctypes.c_uint32),
    ("tokenizer", ctypes.c_void_p),
]

dama_splitter_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("concurrency", ctypes.c_uint32),
    ("timeout", ctypes.c_double),
    ("cache", ctypes.c_char_p),
    ("api_key", ctypes.c_char_p),
    ("first_pause", ctypes.c_double),
    ("retries", ctypes.c_uint32),
    ("reserved", ctypes.c_uint32),
]

dama_scorer_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("threads", ctypes.c_uint32),
    ("max_image_pixels", ctypes.c_uint64),
    ("provider", ctypes.c_char_p),
    ("onnxruntime", ctypes.c_char_p),
    ("long_texts", ctypes.c_uint),
    ("logit_scale", ctypes.c_float),
    ("ignore_orientation", ctypes.c_int32),
    ("drop_alpha", ctypes.c_int32),
    ("precision", ctypes.c_char_p),
]

dama_scorer_facts._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("dimension", ctypes.c_uint32),
    ("max_tokens", ctypes.c_uint32),
    ("logit_scale", ctypes.c_float),
]

dama_image._fields_ = [
    ("path", ctypes.c_char_p),
    ("bytes", ctypes.c_void_p),
    ("size", ctypes.c_size_t),
    ("rgb", ctypes.c_void_p),
    ("height", ctypes.c_size_t),
    ("width", ctypes.c_size_t),
]

dama_hardness_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("delta_source", ctypes.c_uint),
    ("splitter", ctypes.c_void_p),
]

dama_scored_sentence._fields_ = [
    ("text", ctypes.c_char_p),
    ("probability", ctypes.c_double),
    ("score", ctypes.c_float),
]

dama_response_pair._fields_ = [
    ("image", ctypes.POINTER(dama_image)),
    ("chosen", ctypes.c_char_p),
    ("rejected", ctypes.c_char_p),
]

dama_pair_outcome._fields_ = [
    ("status", ctypes.c_uint),
    ("reserved", ctypes.c_uint32),
    ("delta", ctypes.c_double),
    ("message", ctypes.c_char_p),
    ("pair", ctypes.c_void_p),
]

dama_adamw_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("threads", ctypes.c_uint32),
    ("learning_rate", ctypes.c_double),
    ("beta1", ctypes.c_double),
    ("beta2", ctypes.c_double),
    ("epsilon", ctypes.c_double),
    ("weight_decay", ctypes.c_double),
    ("gradient_scale", ctypes.c_double),
]

dama_schedule_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("schedule", ctypes.c_uint),
    ("learning_rate", ctypes.c_double),
    ("total_steps", ctypes.c_uint64),
    ("warmup_steps", ctypes.c_uint64),
    ("warmup_ratio", ctypes.c_double),
]

dama_progress._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("phase", ctypes.c_uint),
    ("rows_done", ctypes.c_uint64),
    ("rows_total", ctypes.c_uint64),
    ("rows_rejected", ctypes.c_uint64),
    ("rows_resumed", ctypes.c_uint64),
    ("seconds", ctypes.c_double),
    ("rows_per_second", ctypes.c_double),
    ("seconds_left", ctypes.c_double),
]

dama_score_dataset_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("delta_source", ctypes.c_uint),
    ("data", ctypes.c_char_p),
    ("image_root", ctypes.c_char_p),
    ("output", ctypes.c_char_p),
    ("mean_delta", ctypes.c_double),
    ("fields", ctypes.POINTER(ctypes.c_char_p)),
    ("field_count", ctypes.c_size_t),
    ("max_rejected", ctypes.c_int64),
    ("restart", ctypes.c_int32),
    ("workers", ctypes.c_uint32),
    ("block_rows", ctypes.c_uint32),
    ("cache_bytes", ctypes.c_size_t),
    ("row_limit", ctypes.c_size_t),
    ("image_limit", ctypes.c_size_t),
    ("progress", dama_progress_callback),
    ("user", ctypes.c_void_p),
    ("follow_links", ctypes.c_int32),
    ("reserved", ctypes.c_uint32),
    ("splitter", ctypes.c_void_p),
    ("data_format", ctypes.c_char_p),
    ("cache_rows", ctypes.c_uint64),
    ("shard", ctypes.c_uint64),
    ("shards", ctypes.c_uint64),
    ("report", ctypes.c_char_p),
]

dama_score_dataset_result._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("was_complete", ctypes.c_int32),
    ("rows", ctypes.c_uint64),
    ("rows_scored", ctypes.c_uint64),
    ("rows_rejected", ctypes.c_uint64),
    ("mean_delta", ctypes.c_double),
    ("mean_delta_used", ctypes.c_double),
]

dama_merge_scores_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("restart", ctypes.c_int32),
    ("output", ctypes.c_char_p),
    ("shards", ctypes.POINTER(ctypes.c_char_p)),
    ("shard_count", ctypes.c_size_t),
    ("progress", dama_progress_callback),
    ("user", ctypes.c_void_p),
]

dama_policy_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("threads", ctypes.c_uint32),
    ("max_image_pixels", ctypes.c_uint64),
    ("provider", ctypes.c_char_p),
    ("onnxruntime", ctypes.c_char_p),
    ("prompt_template", ctypes.c_char_p),
    ("system", ctypes.c_char_p),
    ("image_mode", ctypes.c_uint),
    ("overlong", ctypes.c_uint),
    ("max_length", ctypes.c_uint32),
    ("token_budget", ctypes.c_uint32),
    ("share_prefix", ctypes.c_int32),
    ("reserved", ctypes.c_uint32),
    ("ignore_orientation", ctypes.c_int32),
    ("drop_alpha", ctypes.c_int32),
    ("vision_tower", ctypes.c_char_p),
    ("template_date", ctypes.c_char_p),
    ("precision", ctypes.c_char_p),
]

dama_policy_facts._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("vocabulary_size", ctypes.c_uint32),
    ("hidden_size", ctypes.c_uint32),
    ("max_length", ctypes.c_uint32),
    ("image_tokens", ctypes.c_uint32),
    ("prompt_template", ctypes.c_char_p),
]

dama_preference_pair._fields_ = [
    ("image", ctypes.POINTER(dama_image)),
    ("prompt", ctypes.c_char_p),
    ("chosen", ctypes.c_char_p),
    ("rejected", ctypes.c_char_p),
]

dama_conversation._fields_ = [
    ("messages", ctypes.c_char_p),
    ("images", ctypes.POINTER(dama_image)),
    ("image_count", ctypes.c_size_t),
    ("chosen", ctypes.c_char_p),
    ("rejected", ctypes.c_char_p),
]

dama_response_logp._fields_ = [
    ("sum", ctypes.c_double),
    ("mean", ctypes.c_double),
    ("count", ctypes.c_size_t),
    ("was_cut", ctypes.c_int32),
]

dama_prompt._fields_ = [
    ("image", ctypes.POINTER(dama_image)),
    ("text", ctypes.c_char_p),
]

dama_generation_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("max_tokens", ctypes.c_uint32),
    ("temperature", ctypes.c_double),
    ("top_p", ctypes.c_double),
    ("top_k", ctypes.c_uint32),
    ("stop", ctypes.POINTER(ctypes.c_char_p)),
    ("stop_count", ctypes.c_size_t),
    ("seed", ctypes.c_uint64),
    ("on_text", dama_text_callback),
    ("user", ctypes.c_void_p),
    ("num_beams", ctypes.c_uint32),
    ("early_stopping", ctypes.c_uint),
    ("length_penalty", ctypes.c_double),
]

dama_reference_dataset_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("format", ctypes.c_uint),
    ("data", ctypes.c_char_p),
    ("image_root", ctypes.c_char_p),
    ("output", ctypes.c_char_p),
    ("fields", ctypes.POINTER(ctypes.c_char_p)),
    ("field_count", ctypes.c_size_t),
    ("max_rejected", ctypes.c_int64),
    ("restart", ctypes.c_int32),
    ("workers", ctypes.c_uint32),
    ("block_rows", ctypes.c_uint32),
    ("row_limit", ctypes.c_size_t),
    ("image_limit", ctypes.c_size_t),
    ("progress", dama_progress_callback),
    ("user", ctypes.c_void_p),
    ("follow_links", ctypes.c_int32),
    ("reserved", ctypes.c_uint32),
    ("scores", ctypes.c_char_p),
    ("data_format", ctypes.c_char_p),
]

dama_reference_dataset_result._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("was_complete", ctypes.c_int32),
    ("rows", ctypes.c_uint64),
    ("rows_rejected", ctypes.c_uint64),
    ("rows_cut", ctypes.c_uint64),
]

dama_generate_dataset_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("samples", ctypes.c_uint32),
    ("data", ctypes.c_char_p),
    ("image_root", ctypes.c_char_p),
    ("output", ctypes.c_char_p),
    ("fields", ctypes.POINTER(ctypes.c_char_p)),
    ("field_count", ctypes.c_size_t),
    ("max_rejected", ctypes.c_int64),
    ("restart", ctypes.c_int32),
    ("workers", ctypes.c_uint32),
    ("block_rows", ctypes.c_uint32),
    ("follow_links", ctypes.c_int32),
    ("row_limit", ctypes.c_size_t),
    ("image_limit", ctypes.c_size_t),
    ("generation", ctypes.POINTER(dama_generation_options)),
    ("progress", dama_progress_callback),
    ("user", ctypes.c_void_p),
    ("data_format", ctypes.c_char_p),
]

dama_generate_dataset_result._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("was_complete", ctypes.c_int32),
    ("rows", ctypes.c_uint64),
    ("rows_rejected", ctypes.c_uint64),
    ("rows_cut", ctypes.c_uint64),
]

dama_judge_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("concurrency", ctypes.c_uint32),
    ("timeout", ctypes.c_double),
    ("cache", ctypes.c_char_p),
    ("api_key", ctypes.c_char_p),
    ("requests_per_minute", ctypes.c_double),
    ("first_pause", ctypes.c_double),
    ("retries", ctypes.c_uint32),
    ("any_model", ctypes.c_int32),
    ("expected_model", ctypes.c_char_p),
    ("request_fields", ctypes.c_char_p),
]

dama_judge_message._fields_ = [
    ("role", ctypes.c_char_p),
    ("content", ctypes.c_char_p),
]

dama_judge_request._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("max_tokens", ctypes.c_uint32),
    ("messages", ctypes.POINTER(dama_judge_message)),
    ("message_count", ctypes.c_size_t),
    ("temperature", ctypes.c_double),
    ("top_p", ctypes.c_double),
    ("run", ctypes.c_uint32),
    ("attempt", ctypes.c_uint32),
]

dama_download._fields_ = [
    ("name", ctypes.c_char_p),
    ("address", ctypes.c_char_p),
    ("sha256", ctypes.c_void_p),
]

dama_missing_file._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("is_optional", ctypes.c_int32),
    ("name", ctypes.c_char_p),
    ("purpose", ctypes.c_char_p),
    ("downloads", ctypes.POINTER(dama_download)),
    ("download_count", ctypes.c_size_t),
]

dama_metric._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("reserved", ctypes.c_uint32),
    ("name", ctypes.c_char_p),
    ("value", ctypes.c_double),
    ("standard_deviation", ctypes.c_double),
    ("official", ctypes.c_char_p),
    ("runs", ctypes.c_void_p),
    ("run_count", ctypes.c_size_t),
]

dama_evaluate_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("runs", ctypes.c_uint32),
    ("benchmark", ctypes.c_char_p),
    ("data", ctypes.c_char_p),
    ("responses", ctypes.c_char_p),
    ("output", ctypes.c_char_p),
    ("variant", ctypes.c_char_p),
    ("part", ctypes.c_char_p),
    ("prompts", ctypes.c_char_p),
    ("judge_answers", ctypes.c_char_p),
    ("judge", ctypes.c_void_p),
    ("max_missing", ctypes.c_int64),
    ("max_rejected", ctypes.c_int64),
    ("restart", ctypes.c_int32),
    ("workers", ctypes.c_uint32),
    ("block_rows", ctypes.c_uint32),
    ("reserved", ctypes.c_uint32),
    ("row_limit", ctypes.c_size_t),
    ("progress", dama_progress_callback),
    ("user", ctypes.c_void_p),
]

dama_evaluate_result._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("was_complete", ctypes.c_int32),
    ("questions", ctypes.c_uint64),
    ("answered", ctypes.c_uint64),
    ("missing", ctypes.c_uint64),
    ("empty", ctypes.c_uint64),
    ("rows_rejected", ctypes.c_uint64),
]

dama_comparison_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("resamples", ctypes.c_uint32),
    ("data", ctypes.c_char_p),
    ("confidence", ctypes.c_double),
    ("seed", ctypes.c_uint64),
    ("allow_different", ctypes.c_int32),
    ("reserved", ctypes.c_uint32),
]

dama_ranks._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("rank", ctypes.c_uint32),
    ("count", ctypes.c_uint32),
    ("reserved", ctypes.c_uint32),
    ("sum", dama_sum_callback),
    ("user", ctypes.c_void_p),
]

dama_trainer_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("trainable", ctypes.c_uint),
    ("patterns", ctypes.POINTER(ctypes.c_char_p)),
    ("pattern_count", ctypes.c_size_t),
    ("lora_targets", ctypes.POINTER(ctypes.c_char_p)),
    ("lora_target_count", ctypes.c_size_t),
    ("lora_alpha", ctypes.c_double),
    ("lora_rank", ctypes.c_uint32),
    ("activations", ctypes.c_uint),
    ("seed", ctypes.c_uint64),
    ("learning_rate", ctypes.c_double),
    ("beta1", ctypes.c_double),
    ("beta2", ctypes.c_double),
    ("epsilon", ctypes.c_double),
    ("weight_decay", ctypes.c_double),
    ("schedule", ctypes.POINTER(dama_schedule_options)),
    ("max_gradient_norm", ctypes.c_double),
    ("tokens_per_run", ctypes.c_uint32),
    ("threads", ctypes.c_uint32),
    ("lora_dropout", ctypes.c_double),
    ("sft_weight", ctypes.c_double),
    ("offload", ctypes.c_uint64),
    ("ranks", ctypes.POINTER(dama_ranks)),
]

dama_training_pair._fields_ = [
    ("pair", dama_preference_pair),
    ("alpha_data", ctypes.c_double),
    ("reference_chosen", ctypes.c_double),
    ("reference_rejected", ctypes.c_double),
    ("hardness_third", ctypes.c_int32),
]

dama_step_metrics._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("updated", ctypes.c_int32),
    ("step", ctypes.c_uint64),
    ("skipped", ctypes.c_uint64),
    ("loss", ctypes.c_double),
    ("alpha_model", ctypes.c_double),
    ("running_mean", ctypes.c_double),
    ("accuracy", ctypes.c_double),
    ("beta_mean", ctypes.c_double),
    ("beta_min", ctypes.c_double),
    ("beta_max", ctypes.c_double),
    ("margin_mean", ctypes.c_double),
    ("reward_chosen", ctypes.c_double),
    ("reward_rejected", ctypes.c_double),
    ("gap_by_third", ctypes.c_double * 3),
    ("gradient_norm", ctypes.c_double),
    ("learning_rate", ctypes.c_double),
    ("pairs", ctypes.c_size_t),
    ("kept", ctypes.c_size_t),
    ("tokens", ctypes.c_size_t),
    ("seconds_prepare", ctypes.c_double),
    ("seconds_reference", ctypes.c_double),
    ("seconds_forward", ctypes.c_double),
    ("seconds_backward", ctypes.c_double),
    ("seconds_update", ctypes.c_double),
    ("margin_std", ctypes.c_double),
    ("loss_std", ctypes.c_double),
    ("logps_chosen", ctypes.c_double),
    ("logps_rejected", ctypes.c_double),
    ("reference_chosen", ctypes.c_double),
    ("reference_rejected", ctypes.c_double),
    ("beta_clamped", ctypes.c_size_t),
    ("sft_loss", ctypes.c_double),
]

dama_parameter._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("decays", ctypes.c_int32),
    ("name", ctypes.c_char_p),
    ("shape", ctypes.c_void_p),
    ("dimensions", ctypes.c_size_t),
    ("count", ctypes.c_size_t),
    ("value", ctypes.c_void_p),
    ("gradient", ctypes.c_void_p),
    ("device_gradient", ctypes.c_void_p),
    ("device", ctypes.c_int64),
]

dama_trainer_facts._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("steps", ctypes.c_uint64),
    ("skipped", ctypes.c_uint64),
    ("learning_rate", ctypes.c_double),
    ("running_mean", ctypes.c_double),
]

dama_export_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("kind", ctypes.c_uint),
    ("type", ctypes.c_uint),
    ("replace", ctypes.c_int32),
    ("shard_bytes", ctypes.c_uint64),
]

dama_train_progress._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("event", ctypes.c_uint),
    ("reference", ctypes.POINTER(dama_progress)),
    ("metrics", ctypes.POINTER(dama_step_metrics)),
    ("notice", ctypes.c_char_p),
    ("batch", ctypes.c_uint64),
    ("batches", ctypes.c_uint64),
    ("epoch", ctypes.c_uint64),
    ("seconds", ctypes.c_double),
    ("batches_per_second", ctypes.c_double),
    ("seconds_left", ctypes.c_double),
]

dama_train_dataset_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("batch_size", ctypes.c_uint32),
    ("data", ctypes.c_char_p),
    ("image_root", ctypes.c_char_p),
    ("output", ctypes.c_char_p),
    ("fields", ctypes.POINTER(ctypes.c_char_p)),
    ("field_count", ctypes.c_size_t),
    ("scores", ctypes.c_char_p),
    ("reference", ctypes.c_char_p),
    ("max_rejected", ctypes.c_int64),
    ("restart", ctypes.c_int32),
    ("follow_links", ctypes.c_int32),
    ("epochs", ctypes.c_uint32),
    ("tensorboard", ctypes.c_int32),
    ("max_steps", ctypes.c_uint64),
    ("checkpoint_every", ctypes.c_uint32),
    ("checkpoints_kept", ctypes.c_uint32),
    ("image_limit", ctypes.c_size_t),
    ("trainer", ctypes.POINTER(dama_trainer_options)),
    ("schedule", ctypes.POINTER(dama_schedule_options)),
    ("method", ctypes.POINTER(dama_adaptive_beta_options)),
    ("exported", ctypes.POINTER(dama_export_options)),
    ("progress", dama_train_callback),
    ("user", ctypes.c_void_p),
    ("no_export", ctypes.c_int32),
    ("reserved", ctypes.c_uint32),
    ("shuffle", ctypes.c_int32),
    ("drop_last", ctypes.c_int32),
    ("mean_delta", ctypes.c_double),
    ("data_format", ctypes.c_char_p),
    ("eval_data", ctypes.c_char_p),
    ("eval_share", ctypes.c_double),
    ("eval_every", ctypes.c_uint64),
    ("eval_best", ctypes.c_char_p),
    ("min_delta", ctypes.c_double),
]

dama_train_dataset_result._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("was_complete", ctypes.c_int32),
    ("batches", ctypes.c_uint64),
    ("steps", ctypes.c_uint64),
    ("skipped", ctypes.c_uint64),
    ("pairs", ctypes.c_uint64),
    ("rows_rejected", ctypes.c_uint64),
]

dama_train_yaml_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("restart", ctypes.c_int32),
    ("label", ctypes.c_char_p),
    ("progress", dama_train_callback),
    ("user", ctypes.c_void_p),
    ("ranks", ctypes.POINTER(dama_ranks)),
    ("onnxruntime", ctypes.c_char_p),
]

dama_memory_plan_options._fields_ = [
    ("struct_size", ctypes.c_uint32),
    ("prompt_tokens", ctypes.c_uint32),
    ("response_tokens", ctypes.c_uint32),
    ("reserved", ctypes.c_uint32),
    ("label", ctypes.c_char_p),
]

dama_abi_version = _library.dama_abi_version
dama_abi_version.argtypes = []
dama_abi_version.restype = ctypes.c_uint32

dama_version_string = _library.dama_version_string
dama_version_string.argtypes = []
dama_version_string.restype = ctypes.c_char_p

dama_error_message = _library.dama_error_message
dama_error_message.argtypes = []
dama_error_message.restype = ctypes.c_char_p

dama_cancellation_create = _library.dama_cancellation_create
dama_cancellation_create.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
dama_cancellation_create.restype = ctypes.c_uint

dama_cancellation_free = _library.dama_cancellation_free
dama_cancellation_free.argtypes = [ctypes.c_void_p]
dama_cancellation_free.restype = None

dama_cancellation_cancel = _library.dama_cancellation_cancel
dama_cancellation_cancel.argtypes = [ctypes.c_void_p]
dama_cancellation_cancel.restype = None

dama_cancellation_is_cancelled = _library.dama_cancellation_is_cancelled
dama_cancellation_is_cancelled.argtypes = [ctypes.c_void_p]
dama_cancellation_is_cancelled.restype = ctypes.c_int32

dama_strings_count = _library.dama_strings_count
dama_strings_count.argtypes = [ctypes.c_void_p]
dama_strings_count.restype = ctypes.c_size_t

dama_strings_at = _library.dama_strings_at
dama_strings_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
dama_strings_at.restype = ctypes.c_char_p

dama_strings_free = _library.dama_strings_free
dama_strings_free.argtypes = [ctypes.c_void_p]
dama_strings_free.restype = None

dama_hardness = _library.dama_hardness
dama_hardness.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
dama_hardness.restype = ctypes.c_uint

dama_hardness_from_scores = _library.dama_hardness_from_scores
dama_hardness_from_scores.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_hardness_from_scores.restype = ctypes.c_uint

dama_alpha_data = _library.dama_alpha_data
dama_alpha_data.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_double, ctypes.c_void_p]
dama_alpha_data.restype = ctypes.c_uint

dama_loss_evaluate = _library.dama_loss_evaluate
dama_loss_evaluate.argtypes = [
    ctypes.c_uint,
    ctypes.c_double,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
dama_loss_evaluate.restype = ctypes.c_uint

dama_adaptive_beta_options_init_sized = _library.dama_adaptive_beta_options_init_sized
dama_adaptive_beta_options_init_sized.argtypes = [
    ctypes.POINTER(dama_adaptive_beta_options),
    ctypes.c_size_t,
    ctypes.c_uint,
]
dama_adaptive_beta_options_init_sized.restype = None

dama_adaptive_beta_create = _library.dama_adaptive_beta_create
dama_adaptive_beta_create.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(dama_adaptive_beta_options)]
dama_adaptive_beta_create.restype = ctypes.c_uint

dama_adaptive_beta_free = _library.dama_adaptive_beta_free
dama_adaptive_beta_free.argtypes = [ctypes.c_void_p]
dama_adaptive_beta_free.restype = None

dama_preference_batch_init_sized = _library.dama_preference_batch_init_sized
dama_preference_batch_init_sized.argtypes = [ctypes.POINTER(dama_preference_batch), ctypes.c_size_t]
dama_preference_batch_init_sized.restype = None

dama_preference_result_init_sized = _library.dama_preference_result_init_sized
dama_preference_result_init_sized.argtypes = [ctypes.POINTER(dama_preference_result), ctypes.c_size_t]
dama_preference_result_init_sized.restype = None

dama_adaptive_beta_step = _library.dama_adaptive_beta_step
dama_adaptive_beta_step.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_preference_batch),
    ctypes.POINTER(dama_preference_result),
]
dama_adaptive_beta_step.restype = ctypes.c_uint

dama_adaptive_beta_commit = _library.dama_adaptive_beta_commit
dama_adaptive_beta_commit.argtypes = [ctypes.c_void_p]
dama_adaptive_beta_commit.restype = ctypes.c_uint

dama_adaptive_beta_facts_init_sized = _library.dama_adaptive_beta_facts_init_sized
dama_adaptive_beta_facts_init_sized.argtypes = [ctypes.POINTER(dama_adaptive_beta_facts), ctypes.c_size_t]
dama_adaptive_beta_facts_init_sized.restype = None

dama_adaptive_beta_describe = _library.dama_adaptive_beta_describe
dama_adaptive_beta_describe.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_adaptive_beta_facts)]
dama_adaptive_beta_describe.restype = ctypes.c_uint

dama_adaptive_beta_get_options = _library.dama_adaptive_beta_get_options
dama_adaptive_beta_get_options.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_adaptive_beta_options)]
dama_adaptive_beta_get_options.restype = ctypes.c_uint

dama_adaptive_beta_save = _library.dama_adaptive_beta_save
dama_adaptive_beta_save.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
dama_adaptive_beta_save.restype = ctypes.c_uint

dama_adaptive_beta_load = _library.dama_adaptive_beta_load
dama_adaptive_beta_load.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.c_size_t]
dama_adaptive_beta_load.restype = ctypes.c_uint

dama_tokenizer_create = _library.dama_tokenizer_create
dama_tokenizer_create.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p]
dama_tokenizer_create.restype = ctypes.c_uint

dama_tokenizer_free = _library.dama_tokenizer_free
dama_tokenizer_free.argtypes = [ctypes.c_void_p]
dama_tokenizer_free.restype = None

dama_tokenizer_encode = _library.dama_tokenizer_encode
dama_tokenizer_encode.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_size_t,
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_tokenizer_encode.restype = ctypes.c_uint

dama_tokenizer_decode = _library.dama_tokenizer_decode
dama_tokenizer_decode.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int32,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_tokenizer_decode.restype = ctypes.c_uint

dama_tokenizer_facts_init_sized = _library.dama_tokenizer_facts_init_sized
dama_tokenizer_facts_init_sized.argtypes = [ctypes.POINTER(dama_tokenizer_facts), ctypes.c_size_t]
dama_tokenizer_facts_init_sized.restype = None

dama_tokenizer_describe = _library.dama_tokenizer_describe
dama_tokenizer_describe.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_tokenizer_facts)]
dama_tokenizer_describe.restype = ctypes.c_uint

dama_tokenizer_find = _library.dama_tokenizer_find
dama_tokenizer_find.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
dama_tokenizer_find.restype = ctypes.c_uint

dama_tokenizer_spell = _library.dama_tokenizer_spell
dama_tokenizer_spell.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
dama_tokenizer_spell.restype = ctypes.c_uint

dama_split_options_init_sized = _library.dama_split_options_init_sized
dama_split_options_init_sized.argtypes = [ctypes.POINTER(dama_split_options), ctypes.c_size_t]
dama_split_options_init_sized.restype = None

dama_split = _library.dama_split
dama_split.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.POINTER(dama_split_options)]
dama_split.restype = ctypes.c_uint

dama_splitter_options_init_sized = _library.dama_splitter_options_init_sized
dama_splitter_options_init_sized.argtypes = [ctypes.POINTER(dama_splitter_options), ctypes.c_size_t]
dama_splitter_options_init_sized.restype = None

dama_splitter_create_built_in = _library.dama_splitter_create_built_in
dama_splitter_create_built_in.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
dama_splitter_create_built_in.restype = ctypes.c_uint

dama_splitter_create_command = _library.dama_splitter_create_command
dama_splitter_create_command.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.POINTER(dama_splitter_options),
]
dama_splitter_create_command.restype = ctypes.c_uint

dama_splitter_create_endpoint = _library.dama_splitter_create_endpoint
dama_splitter_create_endpoint.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(dama_splitter_options),
]
dama_splitter_create_endpoint.restype = ctypes.c_uint

dama_splitter_free = _library.dama_splitter_free
dama_splitter_free.argtypes = [ctypes.c_void_p]
dama_splitter_free.restype = None

dama_splitter_split = _library.dama_splitter_split
dama_splitter_split.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.POINTER(dama_split_options),
    ctypes.c_void_p,
]
dama_splitter_split.restype = ctypes.c_uint

dama_scorer_options_init_sized = _library.dama_scorer_options_init_sized
dama_scorer_options_init_sized.argtypes = [ctypes.POINTER(dama_scorer_options), ctypes.c_size_t]
dama_scorer_options_init_sized.restype = None

dama_scorer_create = _library.dama_scorer_create
dama_scorer_create.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.POINTER(dama_scorer_options)]
dama_scorer_create.restype = ctypes.c_uint

dama_scorer_free = _library.dama_scorer_free
dama_scorer_free.argtypes = [ctypes.c_void_p]
dama_scorer_free.restype = None

dama_scorer_facts_init_sized = _library.dama_scorer_facts_init_sized
dama_scorer_facts_init_sized.argtypes = [ctypes.POINTER(dama_scorer_facts), ctypes.c_size_t]
dama_scorer_facts_init_sized.restype = None

dama_scorer_describe = _library.dama_scorer_describe
dama_scorer_describe.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_scorer_facts)]
dama_scorer_describe.restype = ctypes.c_uint

dama_scorer_score = _library.dama_scorer_score
dama_scorer_score.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_image),
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
dama_scorer_score.restype = ctypes.c_uint

dama_scorer_embed_images = _library.dama_scorer_embed_images
dama_scorer_embed_images.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_image),
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_scorer_embed_images.restype = ctypes.c_uint

dama_scorer_embed_texts = _library.dama_scorer_embed_texts
dama_scorer_embed_texts.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_scorer_embed_texts.restype = ctypes.c_uint

dama_hardness_options_init_sized = _library.dama_hardness_options_init_sized
dama_hardness_options_init_sized.argtypes = [ctypes.POINTER(dama_hardness_options), ctypes.c_size_t]
dama_hardness_options_init_sized.restype = None

dama_scorer_hardness = _library.dama_scorer_hardness
dama_scorer_hardness.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_image),
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(dama_hardness_options),
    ctypes.c_void_p,
    ctypes.c_void_p,
]
dama_scorer_hardness.restype = ctypes.c_uint

dama_scored_pair_free = _library.dama_scored_pair_free
dama_scored_pair_free.argtypes = [ctypes.c_void_p]
dama_scored_pair_free.restype = None

dama_scored_pair_count = _library.dama_scored_pair_count
dama_scored_pair_count.argtypes = [ctypes.c_void_p, ctypes.c_uint]
dama_scored_pair_count.restype = ctypes.c_size_t

dama_scored_pair_at = _library.dama_scored_pair_at
dama_scored_pair_at.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.POINTER(dama_scored_sentence)]
dama_scored_pair_at.restype = ctypes.c_uint

dama_scored_pair_flags = _library.dama_scored_pair_flags
dama_scored_pair_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
dama_scored_pair_flags.restype = ctypes.c_void_p

dama_scorer_hardness_batch = _library.dama_scorer_hardness_batch
dama_scorer_hardness_batch.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_response_pair),
    ctypes.c_size_t,
    ctypes.POINTER(dama_hardness_options),
    ctypes.c_void_p,
]
dama_scorer_hardness_batch.restype = ctypes.c_uint

dama_scored_pairs_free = _library.dama_scored_pairs_free
dama_scored_pairs_free.argtypes = [ctypes.c_void_p]
dama_scored_pairs_free.restype = None

dama_scored_pairs_count = _library.dama_scored_pairs_count
dama_scored_pairs_count.argtypes = [ctypes.c_void_p]
dama_scored_pairs_count.restype = ctypes.c_size_t

dama_scored_pairs_at = _library.dama_scored_pairs_at
dama_scored_pairs_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(dama_pair_outcome)]
dama_scored_pairs_at.restype = ctypes.c_uint

dama_token_logprobs = _library.dama_token_logprobs
dama_token_logprobs.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_uint32,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
dama_token_logprobs.restype = ctypes.c_uint

dama_token_logprobs_backward = _library.dama_token_logprobs_backward
dama_token_logprobs_backward.argtypes = [
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_uint32,
    ctypes.c_void_p,
]
dama_token_logprobs_backward.restype = ctypes.c_uint

dama_adamw_options_init_sized = _library.dama_adamw_options_init_sized
dama_adamw_options_init_sized.argtypes = [ctypes.POINTER(dama_adamw_options), ctypes.c_size_t]
dama_adamw_options_init_sized.restype = None

dama_adamw_step = _library.dama_adamw_step
dama_adamw_step.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint64,
    ctypes.POINTER(dama_adamw_options),
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
dama_adamw_step.restype = ctypes.c_uint

dama_sum_of_squares = _library.dama_sum_of_squares
dama_sum_of_squares.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_void_p]
dama_sum_of_squares.restype = ctypes.c_uint

dama_schedule_options_init_sized = _library.dama_schedule_options_init_sized
dama_schedule_options_init_sized.argtypes = [ctypes.POINTER(dama_schedule_options), ctypes.c_size_t]
dama_schedule_options_init_sized.restype = None

dama_learning_rate = _library.dama_learning_rate
dama_learning_rate.argtypes = [ctypes.c_uint64, ctypes.POINTER(dama_schedule_options), ctypes.c_void_p]
dama_learning_rate.restype = ctypes.c_uint

dama_score_dataset_options_init_sized = _library.dama_score_dataset_options_init_sized
dama_score_dataset_options_init_sized.argtypes = [ctypes.POINTER(dama_score_dataset_options), ctypes.c_size_t]
dama_score_dataset_options_init_sized.restype = None

dama_score_dataset_result_init_sized = _library.dama_score_dataset_result_init_sized
dama_score_dataset_result_init_sized.argtypes = [ctypes.POINTER(dama_score_dataset_result), ctypes.c_size_t]
dama_score_dataset_result_init_sized.restype = None

dama_score_dataset = _library.dama_score_dataset
dama_score_dataset.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_score_dataset_options),
    ctypes.POINTER(dama_score_dataset_result),
    ctypes.c_void_p,
]
dama_score_dataset.restype = ctypes.c_uint

dama_merge_scores_options_init_sized = _library.dama_merge_scores_options_init_sized
dama_merge_scores_options_init_sized.argtypes = [ctypes.POINTER(dama_merge_scores_options), ctypes.c_size_t]
dama_merge_scores_options_init_sized.restype = None

dama_merge_scores = _library.dama_merge_scores
dama_merge_scores.argtypes = [
    ctypes.POINTER(dama_merge_scores_options),
    ctypes.POINTER(dama_score_dataset_result),
    ctypes.c_void_p,
]
dama_merge_scores.restype = ctypes.c_uint

dama_policy_options_init_sized = _library.dama_policy_options_init_sized
dama_policy_options_init_sized.argtypes = [ctypes.POINTER(dama_policy_options), ctypes.c_size_t]
dama_policy_options_init_sized.restype = None

dama_policy_create = _library.dama_policy_create
dama_policy_create.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.POINTER(dama_policy_options)]
dama_policy_create.restype = ctypes.c_uint

dama_policy_free = _library.dama_policy_free
dama_policy_free.argtypes = [ctypes.c_void_p]
dama_policy_free.restype = None

dama_policy_facts_init_sized = _library.dama_policy_facts_init_sized
dama_policy_facts_init_sized.argtypes = [ctypes.POINTER(dama_policy_facts), ctypes.c_size_t]
dama_policy_facts_init_sized.restype = None

dama_policy_describe = _library.dama_policy_describe
dama_policy_describe.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_policy_facts)]
dama_policy_describe.restype = ctypes.c_uint

dama_prompt_templates = _library.dama_prompt_templates
dama_prompt_templates.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
dama_prompt_templates.restype = ctypes.c_uint

dama_splitter_create_policy = _library.dama_splitter_create_policy
dama_splitter_create_policy.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_splitter_options),
]
dama_splitter_create_policy.restype = ctypes.c_uint

dama_policy_logps = _library.dama_policy_logps
dama_policy_logps.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_preference_pair),
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_policy_logps.restype = ctypes.c_uint

dama_policy_chat_logps = _library.dama_policy_chat_logps
dama_policy_chat_logps.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_conversation),
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_policy_chat_logps.restype = ctypes.c_uint

dama_logps_free = _library.dama_logps_free
dama_logps_free.argtypes = [ctypes.c_void_p]
dama_logps_free.restype = None

dama_logps_count = _library.dama_logps_count
dama_logps_count.argtypes = [ctypes.c_void_p]
dama_logps_count.restype = ctypes.c_size_t

dama_logps_at = _library.dama_logps_at
dama_logps_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint, ctypes.POINTER(dama_response_logp)]
dama_logps_at.restype = ctypes.c_uint

dama_logps_tokens = _library.dama_logps_tokens
dama_logps_tokens.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_logps_tokens.restype = ctypes.c_uint

dama_logps_sums = _library.dama_logps_sums
dama_logps_sums.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_size_t]
dama_logps_sums.restype = ctypes.c_uint

dama_generation_options_init_sized = _library.dama_generation_options_init_sized
dama_generation_options_init_sized.argtypes = [ctypes.POINTER(dama_generation_options), ctypes.c_size_t]
dama_generation_options_init_sized.restype = None

dama_policy_generate = _library.dama_policy_generate
dama_policy_generate.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_prompt),
    ctypes.c_size_t,
    ctypes.POINTER(dama_generation_options),
    ctypes.c_void_p,
]
dama_policy_generate.restype = ctypes.c_uint

dama_policy_chat = _library.dama_policy_chat
dama_policy_chat.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_conversation),
    ctypes.c_size_t,
    ctypes.POINTER(dama_generation_options),
    ctypes.c_void_p,
]
dama_policy_chat.restype = ctypes.c_uint

dama_texts_free = _library.dama_texts_free
dama_texts_free.argtypes = [ctypes.c_void_p]
dama_texts_free.restype = None

dama_texts_count = _library.dama_texts_count
dama_texts_count.argtypes = [ctypes.c_void_p]
dama_texts_count.restype = ctypes.c_size_t

dama_texts_at = _library.dama_texts_at
dama_texts_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
dama_texts_at.restype = ctypes.c_char_p

dama_texts_tokens = _library.dama_texts_tokens
dama_texts_tokens.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_void_p,
    ctypes.c_void_p,
]
dama_texts_tokens.restype = ctypes.c_uint

dama_reference_dataset_options_init_sized = _library.dama_reference_dataset_options_init_sized
dama_reference_dataset_options_init_sized.argtypes = [ctypes.POINTER(dama_reference_dataset_options), ctypes.c_size_t]
dama_reference_dataset_options_init_sized.restype = None

dama_reference_dataset_result_init_sized = _library.dama_reference_dataset_result_init_sized
dama_reference_dataset_result_init_sized.argtypes = [ctypes.POINTER(dama_reference_dataset_result), ctypes.c_size_t]
dama_reference_dataset_result_init_sized.restype = None

dama_reference_dataset = _library.dama_reference_dataset
dama_reference_dataset.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_reference_dataset_options),
    ctypes.POINTER(dama_reference_dataset_result),
    ctypes.c_void_p,
]
dama_reference_dataset.restype = ctypes.c_uint

dama_reference_cache_open = _library.dama_reference_cache_open
dama_reference_cache_open.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_void_p]
dama_reference_cache_open.restype = ctypes.c_uint

dama_reference_cache_free = _library.dama_reference_cache_free
dama_reference_cache_free.argtypes = [ctypes.c_void_p]
dama_reference_cache_free.restype = None

dama_reference_cache_count = _library.dama_reference_cache_count
dama_reference_cache_count.argtypes = [ctypes.c_void_p]
dama_reference_cache_count.restype = ctypes.c_size_t

dama_reference_cache_contains = _library.dama_reference_cache_contains
dama_reference_cache_contains.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_preference_pair), ctypes.c_void_p]
dama_reference_cache_contains.restype = ctypes.c_uint

dama_reference_cache_logps = _library.dama_reference_cache_logps
dama_reference_cache_logps.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_preference_pair),
    ctypes.c_size_t,
]
dama_reference_cache_logps.restype = ctypes.c_uint

dama_generate_dataset_options_init_sized = _library.dama_generate_dataset_options_init_sized
dama_generate_dataset_options_init_sized.argtypes = [ctypes.POINTER(dama_generate_dataset_options), ctypes.c_size_t]
dama_generate_dataset_options_init_sized.restype = None

dama_generate_dataset_result_init_sized = _library.dama_generate_dataset_result_init_sized
dama_generate_dataset_result_init_sized.argtypes = [ctypes.POINTER(dama_generate_dataset_result), ctypes.c_size_t]
dama_generate_dataset_result_init_sized.restype = None

dama_generate_dataset = _library.dama_generate_dataset
dama_generate_dataset.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_generate_dataset_options),
    ctypes.POINTER(dama_generate_dataset_result),
    ctypes.c_void_p,
]
dama_generate_dataset.restype = ctypes.c_uint

dama_judge_options_init_sized = _library.dama_judge_options_init_sized
dama_judge_options_init_sized.argtypes = [ctypes.POINTER(dama_judge_options), ctypes.c_size_t]
dama_judge_options_init_sized.restype = None

dama_judge_reply_set = _library.dama_judge_reply_set
dama_judge_reply_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
dama_judge_reply_set.restype = ctypes.c_uint

dama_judge_create_callback = _library.dama_judge_create_callback
dama_judge_create_callback.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    dama_judge_callback,
    ctypes.POINTER(dama_judge_options),
    ctypes.c_void_p,
]
dama_judge_create_callback.restype = ctypes.c_uint

dama_judge_create_command = _library.dama_judge_create_command
dama_judge_create_command.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.POINTER(dama_judge_options),
]
dama_judge_create_command.restype = ctypes.c_uint

dama_judge_create_endpoint = _library.dama_judge_create_endpoint
dama_judge_create_endpoint.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(dama_judge_options),
]
dama_judge_create_endpoint.restype = ctypes.c_uint

dama_judge_create_policy = _library.dama_judge_create_policy
dama_judge_create_policy.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_judge_options),
]
dama_judge_create_policy.restype = ctypes.c_uint

dama_judge_free = _library.dama_judge_free
dama_judge_free.argtypes = [ctypes.c_void_p]
dama_judge_free.restype = None

dama_evaluate_benchmarks = _library.dama_evaluate_benchmarks
dama_evaluate_benchmarks.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
dama_evaluate_benchmarks.restype = ctypes.c_uint

dama_missing_file_init_sized = _library.dama_missing_file_init_sized
dama_missing_file_init_sized.argtypes = [ctypes.POINTER(dama_missing_file), ctypes.c_size_t]
dama_missing_file_init_sized.restype = None

dama_evaluate_prepare = _library.dama_evaluate_prepare
dama_evaluate_prepare.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_size_t,
    ctypes.c_int32,
    ctypes.c_char_p,
    ctypes.c_void_p,
]
dama_evaluate_prepare.restype = ctypes.c_uint

dama_preparation_free = _library.dama_preparation_free
dama_preparation_free.argtypes = [ctypes.c_void_p]
dama_preparation_free.restype = None

dama_preparation_made = _library.dama_preparation_made
dama_preparation_made.argtypes = [ctypes.c_void_p]
dama_preparation_made.restype = ctypes.c_void_p

dama_preparation_kept = _library.dama_preparation_kept
dama_preparation_kept.argtypes = [ctypes.c_void_p]
dama_preparation_kept.restype = ctypes.c_void_p

dama_preparation_count = _library.dama_preparation_count
dama_preparation_count.argtypes = [ctypes.c_void_p]
dama_preparation_count.restype = ctypes.c_size_t

dama_preparation_at = _library.dama_preparation_at
dama_preparation_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(dama_missing_file)]
dama_preparation_at.restype = ctypes.c_uint

dama_evaluate_questions = _library.dama_evaluate_questions
dama_evaluate_questions.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
dama_evaluate_questions.restype = ctypes.c_uint

dama_metric_init_sized = _library.dama_metric_init_sized
dama_metric_init_sized.argtypes = [ctypes.POINTER(dama_metric), ctypes.c_size_t]
dama_metric_init_sized.restype = None

dama_metrics_free = _library.dama_metrics_free
dama_metrics_free.argtypes = [ctypes.c_void_p]
dama_metrics_free.restype = None

dama_metrics_count = _library.dama_metrics_count
dama_metrics_count.argtypes = [ctypes.c_void_p]
dama_metrics_count.restype = ctypes.c_size_t

dama_metrics_at = _library.dama_metrics_at
dama_metrics_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(dama_metric)]
dama_metrics_at.restype = ctypes.c_uint

dama_evaluate_options_init_sized = _library.dama_evaluate_options_init_sized
dama_evaluate_options_init_sized.argtypes = [ctypes.POINTER(dama_evaluate_options), ctypes.c_size_t]
dama_evaluate_options_init_sized.restype = None

dama_evaluate_result_init_sized = _library.dama_evaluate_result_init_sized
dama_evaluate_result_init_sized.argtypes = [ctypes.POINTER(dama_evaluate_result), ctypes.c_size_t]
dama_evaluate_result_init_sized.restype = None

dama_evaluate = _library.dama_evaluate
dama_evaluate.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(dama_evaluate_options),
    ctypes.POINTER(dama_evaluate_result),
    ctypes.c_void_p,
]
dama_evaluate.restype = ctypes.c_uint

dama_comparison_options_init_sized = _library.dama_comparison_options_init_sized
dama_comparison_options_init_sized.argtypes = [ctypes.POINTER(dama_comparison_options), ctypes.c_size_t]
dama_comparison_options_init_sized.restype = None

dama_evaluate_compare = _library.dama_evaluate_compare
dama_evaluate_compare.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_size_t,
    ctypes.POINTER(dama_comparison_options),
    ctypes.c_void_p,
]
dama_evaluate_compare.restype = ctypes.c_uint

dama_comparison_free = _library.dama_comparison_free
dama_comparison_free.argtypes = [ctypes.c_void_p]
dama_comparison_free.restype = None

dama_comparison_text = _library.dama_comparison_text
dama_comparison_text.argtypes = [ctypes.c_void_p]
dama_comparison_text.restype = ctypes.c_char_p

dama_comparison_json = _library.dama_comparison_json
dama_comparison_json.argtypes = [ctypes.c_void_p]
dama_comparison_json.restype = ctypes.c_char_p

dama_comparison_csv = _library.dama_comparison_csv
dama_comparison_csv.argtypes = [ctypes.c_void_p]
dama_comparison_csv.restype = ctypes.c_char_p

dama_comparison_page = _library.dama_comparison_page
dama_comparison_page.argtypes = [ctypes.c_void_p]
dama_comparison_page.restype = ctypes.c_char_p

dama_ranks_init_sized = _library.dama_ranks_init_sized
dama_ranks_init_sized.argtypes = [ctypes.POINTER(dama_ranks), ctypes.c_size_t]
dama_ranks_init_sized.restype = None

dama_trainer_options_init_sized = _library.dama_trainer_options_init_sized
dama_trainer_options_init_sized.argtypes = [ctypes.POINTER(dama_trainer_options), ctypes.c_size_t]
dama_trainer_options_init_sized.restype = None

dama_trainer_create = _library.dama_trainer_create
dama_trainer_create.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(dama_trainer_options),
]
dama_trainer_create.restype = ctypes.c_uint

dama_trainer_free = _library.dama_trainer_free
dama_trainer_free.argtypes = [ctypes.c_void_p]
dama_trainer_free.restype = None

dama_training_pair_init = _library.dama_training_pair_init
dama_training_pair_init.argtypes = [ctypes.POINTER(dama_training_pair)]
dama_training_pair_init.restype = None

dama_step_metrics_init_sized = _library.dama_step_metrics_init_sized
dama_step_metrics_init_sized.argtypes = [ctypes.POINTER(dama_step_metrics), ctypes.c_size_t]
dama_step_metrics_init_sized.restype = None

dama_trainer_step = _library.dama_trainer_step
dama_trainer_step.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_training_pair),
    ctypes.c_size_t,
    ctypes.POINTER(dama_step_metrics),
    ctypes.c_void_p,
]
dama_trainer_step.restype = ctypes.c_uint

dama_trainer_forward = _library.dama_trainer_forward
dama_trainer_forward.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.POINTER(dama_preference_pair),
    ctypes.c_size_t,
    ctypes.c_void_p,
]
dama_trainer_forward.restype = ctypes.c_uint

dama_trainer_backward = _library.dama_trainer_backward
dama_trainer_backward.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
dama_trainer_backward.restype = ctypes.c_uint

dama_trainer_zero_grad = _library.dama_trainer_zero_grad
dama_trainer_zero_grad.argtypes = [ctypes.c_void_p]
dama_trainer_zero_grad.restype = ctypes.c_uint

dama_trainer_gradient_norm = _library.dama_trainer_gradient_norm
dama_trainer_gradient_norm.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
dama_trainer_gradient_norm.restype = ctypes.c_uint

dama_trainer_update = _library.dama_trainer_update
dama_trainer_update.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
dama_trainer_update.restype = ctypes.c_uint

dama_parameter_init_sized = _library.dama_parameter_init_sized
dama_parameter_init_sized.argtypes = [ctypes.POINTER(dama_parameter), ctypes.c_size_t]
dama_parameter_init_sized.restype = None

dama_trainer_parameter_count = _library.dama_trainer_parameter_count
dama_trainer_parameter_count.argtypes = [ctypes.c_void_p]
dama_trainer_parameter_count.restype = ctypes.c_size_t

dama_trainer_parameter_at = _library.dama_trainer_parameter_at
dama_trainer_parameter_at.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(dama_parameter)]
dama_trainer_parameter_at.restype = ctypes.c_uint

dama_trainer_read_parameter = _library.dama_trainer_read_parameter
dama_trainer_read_parameter.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_void_p,
    ctypes.c_size_t,
]
dama_trainer_read_parameter.restype = ctypes.c_uint

dama_trainer_write_parameter = _library.dama_trainer_write_parameter
dama_trainer_write_parameter.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_void_p,
    ctypes.c_size_t,
]
dama_trainer_write_parameter.restype = ctypes.c_uint

dama_trainer_facts_init_sized = _library.dama_trainer_facts_init_sized
dama_trainer_facts_init_sized.argtypes = [ctypes.POINTER(dama_trainer_facts), ctypes.c_size_t]
dama_trainer_facts_init_sized.restype = None

dama_trainer_describe = _library.dama_trainer_describe
dama_trainer_describe.argtypes = [ctypes.c_void_p, ctypes.POINTER(dama_trainer_facts)]
dama_trainer_describe.restype = ctypes.c_uint

dama_trainer_controller = _library.dama_trainer_controller
dama_trainer_controller.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p]
dama_trainer_controller.restype = ctypes.c_uint

dama_trainer_save = _library.dama_trainer_save
dama_trainer_save.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p]
dama_trainer_save.restype = ctypes.c_uint

dama_trainer_load = _library.dama_trainer_load
dama_trainer_load.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p, ctypes.c_char_p]
dama_trainer_load.restype = ctypes.c_uint

dama_export_options_init_sized = _library.dama_export_options_init_sized
dama_export_options_init_sized.argtypes = [ctypes.POINTER(dama_export_options), ctypes.c_size_t]
dama_export_options_init_sized.restype = None

dama_trainer_export = _library.dama_trainer_export
dama_trainer_export.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(dama_export_options)]
dama_trainer_export.restype = ctypes.c_uint

dama_train_dataset_options_init_sized = _library.dama_train_dataset_options_init_sized
dama_train_dataset_options_init_sized.argtypes = [ctypes.POINTER(dama_train_dataset_options), ctypes.c_size_t]
dama_train_dataset_options_init_sized.restype = None

dama_train_dataset_result_init_sized = _library.dama_train_dataset_result_init_sized
dama_train_dataset_result_init_sized.argtypes = [ctypes.POINTER(dama_train_dataset_result), ctypes.c_size_t]
dama_train_dataset_result_init_sized.restype = None

dama_train_dataset = _library.dama_train_dataset
dama_train_dataset.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(dama_train_dataset_options),
    ctypes.POINTER(dama_train_dataset_result),
    ctypes.c_void_p,
]
dama_train_dataset.restype = ctypes.c_uint

dama_train_yaml_options_init_sized = _library.dama_train_yaml_options_init_sized
dama_train_yaml_options_init_sized.argtypes = [ctypes.POINTER(dama_train_yaml_options), ctypes.c_size_t]
dama_train_yaml_options_init_sized.restype = None

dama_train_yaml = _library.dama_train_yaml
dama_train_yaml.argtypes = [
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_size_t,
    ctypes.POINTER(dama_train_yaml_options),
    ctypes.POINTER(dama_train_dataset_result),
    ctypes.c_void_p,
]
dama_train_yaml.restype = ctypes.c_uint

dama_memory_plan_options_init_sized = _library.dama_memory_plan_options_init_sized
dama_memory_plan_options_init_sized.argtypes = [ctypes.POINTER(dama_memory_plan_options), ctypes.c_size_t]
dama_memory_plan_options_init_sized.restype = None

dama_train_plan = _library.dama_train_plan
dama_train_plan.argtypes = [
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_size_t,
    ctypes.POINTER(dama_memory_plan_options),
]
dama_train_plan.restype = ctypes.c_uint

dama_memory_plan_free = _library.dama_memory_plan_free
dama_memory_plan_free.argtypes = [ctypes.c_void_p]
dama_memory_plan_free.restype = None

dama_memory_plan_text = _library.dama_memory_plan_text
dama_memory_plan_text.argtypes = [ctypes.c_void_p]
dama_memory_plan_text.restype = ctypes.c_char_p

dama_memory_plan_json = _library.dama_memory_plan_json
dama_memory_plan_json.argtypes = [ctypes.c_void_p]
dama_memory_plan_json.restype = ctypes.c_char_p


def dama_adaptive_beta_options_init(options: dama_adaptive_beta_options, preset: int) -> None:
    dama_adaptive_beta_options_init_sized(options, ctypes.sizeof(dama_adaptive_beta_options), preset)


def dama_preference_batch_init(batch: dama_preference_batch) -> None:
    dama_preference_batch_init_sized(batch, ctypes.sizeof(dama_preference_batch))


def dama_preference_result_init(result: dama_preference_result) -> None:
    dama_preference_result_init_sized(result, ctypes.sizeof(dama_preference_result))


def dama_adaptive_beta_facts_init(facts: dama_adaptive_beta_facts) -> None:
    dama_adaptive_beta_facts_init_sized(facts, ctypes.sizeof(dama_adaptive_beta_facts))


def dama_tokenizer_facts_init(facts: dama_tokenizer_facts) -> None:
    dama_tokenizer_facts_init_sized(facts, ctypes.sizeof(dama_tokenizer_facts))


def dama_split_options_init(options: dama_split_options) -> None:
    dama_split_options_init_sized(options, ctypes.sizeof(dama_split_options))


def dama_splitter_options_init(options: dama_splitter_options) -> None:
    dama_splitter_options_init_sized(options, ctypes.sizeof(dama_splitter_options))


def dama_scorer_options_init(options: dama_scorer_options) -> None:
    dama_scorer_options_init_sized(options, ctypes.sizeof(dama_scorer_options))


def dama_scorer_facts_init(facts: dama_scorer_facts) -> None:
    dama_scorer_facts_init_sized(facts, ctypes.sizeof(dama_scorer_facts))


def dama_hardness_options_init(options: dama_hardness_options) -> None:
    dama_hardness_options_init_sized(options, ctypes.sizeof(dama_hardness_options))


def dama_adamw_options_init(options: dama_adamw_options) -> None:
    dama_adamw_options_init_sized(options, ctypes.sizeof(dama_adamw_options))


def dama_schedule_options_init(options: dama_schedule_options) -> None:
    dama_schedule_options_init_sized(options, ctypes.sizeof(dama_schedule_options))


def dama_score_dataset_options_init(options: dama_score_dataset_options) -> None:
    dama_score_dataset_options_init_sized(options, ctypes.sizeof(dama_score_dataset_options))


def dama_score_dataset_result_init(result: dama_score_dataset_result) -> None:
    dama_score_dataset_result_init_sized(result, ctypes.sizeof(dama_score_dataset_result))


def dama_merge_scores_options_init(options: dama_merge_scores_options) -> None:
    dama_merge_scores_options_init_sized(options, ctypes.sizeof(dama_merge_scores_options))


def dama_policy_options_init(options: dama_policy_options) -> None:
    dama_policy_options_init_sized(options, ctypes.sizeof(dama_policy_options))


def dama_policy_facts_init(facts: dama_policy_facts) -> None:
    dama_policy_facts_init_sized(facts, ctypes.sizeof(dama_policy_facts))


def dama_generation_options_init(options: dama_generation_options) -> None:
    dama_generation_options_init_sized(options, ctypes.sizeof(dama_generation_options))


def dama_reference_dataset_options_init(options: dama_reference_dataset_options) -> None:
    dama_reference_dataset_options_init_sized(options, ctypes.sizeof(dama_reference_dataset_options))


def dama_reference_dataset_result_init(result: dama_reference_dataset_result) -> None:
    dama_reference_dataset_result_init_sized(result, ctypes.sizeof(dama_reference_dataset_result))


def dama_generate_dataset_options_init(options: dama_generate_dataset_options) -> None:
    dama_generate_dataset_options_init_sized(options, ctypes.sizeof(dama_generate_dataset_options))


def dama_generate_dataset_result_init(result: dama_generate_dataset_result) -> None:
    dama_generate_dataset_result_init_sized(result, ctypes.sizeof(dama_generate_dataset_result))


def dama_judge_options_init(options: dama_judge_options) -> None:
    dama_judge_options_init_sized(options, ctypes.sizeof(dama_judge_options))


def dama_missing_file_init(file: dama_missing_file) -> None:
    dama_missing_file_init_sized(file, ctypes.sizeof(dama_missing_file))


def dama_metric_init(metric: dama_metric) -> None:
    dama_metric_init_sized(metric, ctypes.sizeof(dama_metric))


def dama_evaluate_options_init(options: dama_evaluate_options) -> None:
    dama_evaluate_options_init_sized(options, ctypes.sizeof(dama_evaluate_options))


def dama_evaluate_result_init(result: dama_evaluate_result) -> None:
    dama_evaluate_result_init_sized(result, ctypes.sizeof(dama_evaluate_result))


def dama_comparison_options_init(options: dama_comparison_options) -> None:
    dama_comparison_options_init_sized(options, ctypes.sizeof(dama_comparison_options))


def dama_ranks_init(ranks: dama_ranks) -> None:
    dama_ranks_init_sized(ranks, ctypes.sizeof(dama_ranks))


def dama_trainer_options_init(options: dama_trainer_options) -> None:
    dama_trainer_options_init_sized(options, ctypes.sizeof(dama_trainer_options))


def dama_step_metrics_init(metrics: dama_step_metrics) -> None:
    dama_step_metrics_init_sized(metrics, ctypes.sizeof(dama_step_metrics))


def dama_parameter_init(parameter: dama_parameter) -> None:
    dama_parameter_init_sized(parameter, ctypes.sizeof(dama_parameter))


def dama_trainer_facts_init(facts: dama_trainer_facts) -> None:
    dama_trainer_facts_init_sized(facts, ctypes.sizeof(dama_trainer_facts))


def dama_export_options_init(options: dama_export_options) -> None:
    dama_export_options_init_sized(options, ctypes.sizeof(dama_export_options))


def dama_train_dataset_options_init(options: dama_train_dataset_options) -> None:
    dama_train_dataset_options_init_sized(options, ctypes.sizeof(dama_train_dataset_options))


def dama_train_dataset_result_init(result: dama_train_dataset_result) -> None:
    dama_train_dataset_result_init_sized(result, ctypes.sizeof(dama_train_dataset_result))


def dama_train_yaml_options_init(options: dama_train_yaml_options) -> None:
    dama_train_yaml_options_init_sized(options, ctypes.sizeof(dama_train_yaml_options))


def dama_memory_plan_options_init(options: dama_memory_plan_options) -> None:
    dama_memory_plan_options_init_sized(options, ctypes.sizeof(dama_memory_plan_options))
