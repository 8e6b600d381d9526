// scripts/generate_settings.py writes this file from include/dama.h; do not edit it.
// swift-format-ignore-file
import CDama
import Dama

extension dama_score_dataset_options: JobOptionFields {
    func settings() throws -> [JSONObject.Member] {
        try requireZero(reserved)
        return [
            ("delta_source", try OptionField.choice(delta_source.rawValue, ["probabilities": 0, "scores": 1], "delta_source")),
            ("data", .string(try string(data, "data"))),
            ("image_root", try OptionField.text(image_root, "image_root")),
            ("output", .string(try string(output, "output"))),
            ("mean_delta", OptionField.number(mean_delta)),
            ("fields", try OptionField.texts(fields, field_count, "fields")),
            ("max_rejected", OptionField.number(max_rejected)),
            ("restart", .bool(restart != 0)),
            ("workers", OptionField.number(workers)),
            ("block_rows", OptionField.number(block_rows)),
            ("cache_bytes", OptionField.number(cache_bytes)),
            ("row_limit", OptionField.number(row_limit)),
            ("image_limit", OptionField.number(image_limit)),
            ("follow_links", .bool(follow_links != 0)),
            ("data_format", try OptionField.text(data_format, "data_format")),
            ("cache_rows", OptionField.number(cache_rows)),
            ("shard", OptionField.number(shard)),
            ("shards", OptionField.number(shards)),
            ("report", try OptionField.text(report, "report")),
        ]
    }

    mutating func set(_ values: JSONObject) {
        delta_source = dama_delta_source(OptionField.choice(values["delta_source"], ["probabilities": 0, "scores": 1]))
        mean_delta = values["mean_delta"]?.double ?? .nan
        max_rejected = OptionField.number(values["max_rejected"]) as Int64
        restart = values["restart"]?.bool == true ? 1 : 0
        workers = OptionField.number(values["workers"]) as UInt32
        block_rows = OptionField.number(values["block_rows"]) as UInt32
        cache_bytes = OptionField.number(values["cache_bytes"]) as Int
        row_limit = OptionField.number(values["row_limit"]) as Int
        image_limit = OptionField.number(values["image_limit"]) as Int
        follow_links = values["follow_links"]?.bool == true ? 1 : 0
        cache_rows = OptionField.number(values["cache_rows"]) as UInt64
        shard = OptionField.number(values["shard"]) as UInt64
        shards = OptionField.number(values["shards"]) as UInt64
    }
}

extension dama_reference_dataset_options: JobOptionFields {
    func settings() throws -> [JSONObject.Member] {
        try requireZero(reserved)
        return [
            ("format", try OptionField.choice(format.rawValue, ["full": 0, "logps": 1, "released": 2], "format")),
            ("data", .string(try string(data, "data"))),
            ("image_root", try OptionField.text(image_root, "image_root")),
            ("output", .string(try string(output, "output"))),
            ("fields", try OptionField.texts(fields, field_count, "fields")),
            ("max_rejected", OptionField.number(max_rejected)),
            ("restart", .bool(restart != 0)),
            ("workers", OptionField.number(workers)),
            ("block_rows", OptionField.number(block_rows)),
            ("row_limit", OptionField.number(row_limit)),
            ("image_limit", OptionField.number(image_limit)),
            ("follow_links", .bool(follow_links != 0)),
            ("scores", try OptionField.text(scores, "scores")),
            ("data_format", try OptionField.text(data_format, "data_format")),
        ]
    }

    mutating func set(_ values: JSONObject) {
        format = dama_reference_format(OptionField.choice(values["format"], ["full": 0, "logps": 1, "released": 2]))
        max_rejected = OptionField.number(values["max_rejected"]) as Int64
        restart = values["restart"]?.bool == true ? 1 : 0
        workers = OptionField.number(values["workers"]) as UInt32
        block_rows = OptionField.number(values["block_rows"]) as UInt32
        row_limit = OptionField.number(values["row_limit"]) as Int
        image_limit = OptionField.number(values["image_limit"]) as Int
        follow_links = values["follow_links"]?.bool == true ? 1 : 0
    }
}

extension dama_generate_dataset_options: JobOptionFields {
    func settings() throws -> [JSONObject.Member] {
        return [
            ("samples", OptionField.number(samples)),
            ("data", .string(try string(data, "data"))),
            ("image_root", try OptionField.text(image_root, "image_root")),
            ("output", .string(try string(output, "output"))),
            ("fields", try OptionField.texts(fields, field_count, "fields")),
            ("max_rejected", OptionField.number(max_rejected)),
            ("restart", .bool(restart != 0)),
            ("workers", OptionField.number(workers)),
            ("block_rows", OptionField.number(block_rows)),
            ("follow_links", .bool(follow_links != 0)),
            ("row_limit", OptionField.number(row_limit)),
            ("image_limit", OptionField.number(image_limit)),
            ("data_format", try OptionField.text(data_format, "data_format")),
        ]
    }

    mutating func set(_ values: JSONObject) {
        samples = OptionField.number(values["samples"]) as UInt32
        max_rejected = OptionField.number(values["max_rejected"]) as Int64
        restart = values["restart"]?.bool == true ? 1 : 0
        workers = OptionField.number(values["workers"]) as UInt32
        block_rows = OptionField.number(values["block_rows"]) as UInt32
        follow_links = values["follow_links"]?.bool == true ? 1 : 0
        row_limit = OptionField.number(values["row_limit"]) as Int
        image_limit = OptionField.number(values["image_limit"]) as Int
    }
}

extension dama_evaluate_options: JobOptionFields {
    func settings() throws -> [JSONObject.Member] {
        try requireZero(reserved)
        return [
            ("runs", OptionField.number(runs)),
            ("benchmark", .string(try string(benchmark, "benchmark"))),
            ("data", .string(try string(data, "data"))),
            ("responses", .string(try string(responses, "responses"))),
            ("output", .string(try string(output, "output"))),
            ("variant", try OptionField.text(variant, "variant")),
            ("part", try OptionField.text(part, "part")),
            ("prompts", try OptionField.text(prompts, "prompts")),
            ("judge_answers", try OptionField.text(judge_answers, "judge_answers")),
            ("max_missing", OptionField.number(max_missing)),
            ("max_rejected", OptionField.number(max_rejected)),
            ("restart", .bool(restart != 0)),
            ("workers", OptionField.number(workers)),
            ("block_rows", OptionField.number(block_rows)),
            ("row_limit", OptionField.number(row_limit)),
        ]
    }

    mutating func set(_ values: JSONObject) {
        runs = OptionField.number(values["runs"]) as UInt32
        max_missing = OptionField.number(values["max_missing"]) as Int64
        max_rejected = OptionField.number(values["max_rejected"]) as Int64
        restart = values["restart"]?.bool == true ? 1 : 0
        workers = OptionField.number(values["workers"]) as UInt32
        block_rows = OptionField.number(values["block_rows"]) as UInt32
        row_limit = OptionField.number(values["row_limit"]) as Int
    }
}

extension dama_train_dataset_options: JobOptionFields {
    func settings() throws -> [JSONObject.Member] {
        try requireZero(reserved)
        return [
            ("batch_size", OptionField.number(batch_size)),
            ("data", .string(try string(data, "data"))),
            ("image_root", try OptionField.text(image_root, "image_root")),
            ("output", .string(try string(output, "output"))),
            ("fields", try OptionField.texts(fields, field_count, "fields")),
            ("scores", try OptionField.text(scores, "scores")),
            ("reference", try OptionField.text(reference, "reference")),
            ("max_rejected", OptionField.number(max_rejected)),
            ("restart", .bool(restart != 0)),
            ("follow_links", .bool(follow_links != 0)),
            ("epochs", OptionField.number(epochs)),
            ("tensorboard", .bool(tensorboard != 0)),
            ("max_steps", OptionField.number(max_steps)),
            ("checkpoint_every", OptionField.number(checkpoint_every)),
            ("checkpoints_kept", OptionField.number(checkpoints_kept)),
            ("image_limit", OptionField.number(image_limit)),
            ("no_export", .bool(no_export != 0)),
            ("shuffle", .bool(shuffle != 0)),
            ("drop_last", .bool(drop_last != 0)),
            ("mean_delta", OptionField.number(mean_delta)),
            ("data_format", try OptionField.text(data_format, "data_format")),
            ("eval_data", try OptionField.text(eval_data, "eval_data")),
            ("eval_share", OptionField.number(eval_share)),
            ("eval_every", OptionField.number(eval_every)),
            ("eval_best", try OptionField.text(eval_best, "eval_best")),
            ("min_delta", OptionField.number(min_delta)),
        ]
    }

    mutating func set(_ values: JSONObject) {
        batch_size = OptionField.number(values["batch_size"]) as UInt32
        max_rejected = OptionField.number(values["max_rejected"]) as Int64
        restart = values["restart"]?.bool == true ? 1 : 0
        follow_links = values["follow_links"]?.bool == true ? 1 : 0
        epochs = OptionField.number(values["epochs"]) as UInt32
        tensorboard = values["tensorboard"]?.bool == true ? 1 : 0
        max_steps = OptionField.number(values["max_steps"]) as UInt64
        checkpoint_every = OptionField.number(values["checkpoint_every"]) as UInt32
        checkpoints_kept = OptionField.number(values["checkpoints_kept"]) as UInt32
        image_limit = OptionField.number(values["image_limit"]) as Int
        no_export = values["no_export"]?.bool == true ? 1 : 0
        shuffle = values["shuffle"]?.bool == true ? 1 : 0
        drop_last = values["drop_last"]?.bool == true ? 1 : 0
        mean_delta = values["mean_delta"]?.double ?? .nan
        eval_share = values["eval_share"]?.double ?? .nan
        eval_every = OptionField.number(values["eval_every"]) as UInt64
        min_delta = values["min_delta"]?.double ?? .nan
    }
}
