"""libdama from Python: data- and model-aware preference alignment of multimodal language models.

Equations and tables that docstrings name are those of "DAMA: Data- and Model-aware Alignment of Multi-modal LLMs",
ICML 2025, arXiv 2502.01943. ``help()`` of a function tells shapes, units and errors.

The package calls ``libdama.so`` through ctypes; it needs only numpy.
"""

from . import kernels, losses
from ._adaptive_beta import AdaptiveBeta, AdaptiveBetaStep
from ._cancellation import Cancellation
from ._errors import (
    Cancelled,
    DamaError,
    FileError,
    InvalidArgument,
    MissingPackage,
    ModelError,
    OutOfMemory,
    ShapeMismatch,
    Unsupported,
)
from ._evaluate import (
    Comparison,
    Download,
    EvaluateResult,
    Metric,
    MissingFile,
    Preparation,
    evaluate,
    evaluate_benchmarks,
    evaluate_compare,
    evaluate_prepare,
    evaluate_questions,
)
from ._generate_dataset import GenerateResult, generate_dataset
from ._generation import Generated, Policy
from ._hardness import alpha_data, hardness, hardness_from_scores
from ._judge import Judge, JudgeAnswer, JudgeRequest
from ._library import library_path
from ._native import version
from ._parameter import Parameter
from ._plan import MemoryPlan, plan
from ._policy import PairLogps, ResponseLogps, prompt_templates
from ._ranks import Ranks
from ._reference import ReferenceCache, ReferenceResult, reference_dataset
from ._row_job import Progress
from ._score_dataset import ScoreResult, merge_scores, score_dataset
from ._scorer import PairHardness, Scorer, SubSentence
from ._splitter import Split, Splitter
from ._step_metrics import StepMetrics
from ._text import Tokenizer, split
from ._train import TrainProgress, TrainResult, train
from ._trainable import LoRA
from ._trainer import Trainer

__all__ = [
    "AdaptiveBeta",
    "AdaptiveBetaStep",
    "Cancellation",
    "Cancelled",
    "Comparison",
    "DamaError",
    "Download",
    "EvaluateResult",
    "FileError",
    "GenerateResult",
    "Generated",
    "InvalidArgument",
    "Judge",
    "JudgeAnswer",
    "JudgeRequest",
    "LoRA",
    "MemoryPlan",
    "Metric",
    "MissingFile",
    "MissingPackage",
    "ModelError",
    "OutOfMemory",
    "PairHardness",
    "PairLogps",
    "Parameter",
    "Policy",
    "Preparation",
    "Progress",
    "Ranks",
    "ReferenceCache",
    "ReferenceResult",
    "ResponseLogps",
    "ScoreResult",
    "Scorer",
    "ShapeMismatch",
    "Split",
    "Splitter",
    "StepMetrics",
    "SubSentence",
    "Tokenizer",
    "TrainProgress",
    "TrainResult",
    "Trainer",
    "Unsupported",
    "alpha_data",
    "evaluate",
    "evaluate_benchmarks",
    "evaluate_compare",
    "evaluate_prepare",
    "evaluate_questions",
    "generate_dataset",
    "hardness",
    "hardness_from_scores",
    "kernels",
    "library_path",
    "losses",
    "merge_scores",
    "plan",
    "prompt_templates",
    "reference_dataset",
    "score_dataset",
    "split",
    "train",
    "version",
]
__version__ = version()
