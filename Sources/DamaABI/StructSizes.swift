// scripts/generate_settings.py writes this file from Tests/ABI/first_sizes.txt; do not edit it.
import CDama

extension dama_adaptive_beta_options: SizedStruct {
    static var firstSize: Int { 128 }
    static var name: String { "dama_adaptive_beta_options" }
}

extension dama_preference_batch: SizedStruct {
    static var firstSize: Int { 88 }
    static var name: String { "dama_preference_batch" }
}

extension dama_preference_result: SizedStruct {
    static var firstSize: Int { 176 }
    static var name: String { "dama_preference_result" }
}

extension dama_adaptive_beta_facts: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_adaptive_beta_facts" }
}

extension dama_tokenizer_facts: SizedStruct {
    static var firstSize: Int { 28 }
    static var name: String { "dama_tokenizer_facts" }
}

extension dama_split_options: SizedStruct {
    static var firstSize: Int { 16 }
    static var name: String { "dama_split_options" }
}

extension dama_splitter_options: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_splitter_options" }
}

extension dama_scorer_options: SizedStruct {
    static var firstSize: Int { 40 }
    static var name: String { "dama_scorer_options" }
}

extension dama_scorer_facts: SizedStruct {
    static var firstSize: Int { 16 }
    static var name: String { "dama_scorer_facts" }
}

extension dama_hardness_options: SizedStruct {
    static var firstSize: Int { 16 }
    static var name: String { "dama_hardness_options" }
}

extension dama_adamw_options: SizedStruct {
    static var firstSize: Int { 56 }
    static var name: String { "dama_adamw_options" }
}

extension dama_schedule_options: SizedStruct {
    static var firstSize: Int { 40 }
    static var name: String { "dama_schedule_options" }
}

extension dama_progress: SizedStruct {
    static var firstSize: Int { 64 }
    static var name: String { "dama_progress" }
}

extension dama_score_dataset_options: SizedStruct {
    static var firstSize: Int { 120 }
    static var name: String { "dama_score_dataset_options" }
}

extension dama_score_dataset_result: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_score_dataset_result" }
}

extension dama_merge_scores_options: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_merge_scores_options" }
}

extension dama_policy_options: SizedStruct {
    static var firstSize: Int { 72 }
    static var name: String { "dama_policy_options" }
}

extension dama_policy_facts: SizedStruct {
    static var firstSize: Int { 32 }
    static var name: String { "dama_policy_facts" }
}

extension dama_generation_options: SizedStruct {
    static var firstSize: Int { 72 }
    static var name: String { "dama_generation_options" }
}

extension dama_reference_dataset_options: SizedStruct {
    static var firstSize: Int { 104 }
    static var name: String { "dama_reference_dataset_options" }
}

extension dama_reference_dataset_result: SizedStruct {
    static var firstSize: Int { 32 }
    static var name: String { "dama_reference_dataset_result" }
}

extension dama_trainer_options: SizedStruct {
    static var firstSize: Int { 128 }
    static var name: String { "dama_trainer_options" }
}

extension dama_step_metrics: SizedStruct {
    static var firstSize: Int { 208 }
    static var name: String { "dama_step_metrics" }
}

extension dama_parameter: SizedStruct {
    static var firstSize: Int { 56 }
    static var name: String { "dama_parameter" }
}

extension dama_trainer_facts: SizedStruct {
    static var firstSize: Int { 40 }
    static var name: String { "dama_trainer_facts" }
}

extension dama_export_options: SizedStruct {
    static var firstSize: Int { 24 }
    static var name: String { "dama_export_options" }
}

extension dama_generate_dataset_options: SizedStruct {
    static var firstSize: Int { 112 }
    static var name: String { "dama_generate_dataset_options" }
}

extension dama_generate_dataset_result: SizedStruct {
    static var firstSize: Int { 32 }
    static var name: String { "dama_generate_dataset_result" }
}

extension dama_train_progress: SizedStruct {
    static var firstSize: Int { 80 }
    static var name: String { "dama_train_progress" }
}

extension dama_train_dataset_options: SizedStruct {
    static var firstSize: Int { 168 }
    static var name: String { "dama_train_dataset_options" }
}

extension dama_train_dataset_result: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_train_dataset_result" }
}

extension dama_train_yaml_options: SizedStruct {
    static var firstSize: Int { 32 }
    static var name: String { "dama_train_yaml_options" }
}

extension dama_memory_plan_options: SizedStruct {
    static var firstSize: Int { 24 }
    static var name: String { "dama_memory_plan_options" }
}

extension dama_judge_options: SizedStruct {
    static var firstSize: Int { 72 }
    static var name: String { "dama_judge_options" }
}

extension dama_judge_request: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_judge_request" }
}

extension dama_missing_file: SizedStruct {
    static var firstSize: Int { 40 }
    static var name: String { "dama_missing_file" }
}

extension dama_metric: SizedStruct {
    static var firstSize: Int { 56 }
    static var name: String { "dama_metric" }
}

extension dama_evaluate_options: SizedStruct {
    static var firstSize: Int { 136 }
    static var name: String { "dama_evaluate_options" }
}

extension dama_evaluate_result: SizedStruct {
    static var firstSize: Int { 48 }
    static var name: String { "dama_evaluate_result" }
}

extension dama_comparison_options: SizedStruct {
    static var firstSize: Int { 40 }
    static var name: String { "dama_comparison_options" }
}

extension dama_ranks: SizedStruct {
    static var firstSize: Int { 32 }
    static var name: String { "dama_ranks" }
}
