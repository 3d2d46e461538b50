"""Which tests `pytest -m "not slow"` leaves out, beside those that are marked where they stand."""

from __future__ import annotations

import re

# Tests of every family, or of every model: the quick run does these few.
OF_EVERY_FAMILY = (
    *("test_effect", "test_numbers", "test_save_and_load", "test_logits_are_float32_under"),
    "test_probabilities_under_mixed_precision",
    *("test_row_is_what_the_code_builds", "test_sizes_work", "test_shapes_of_an_odd_image"),
    *("test_training_step_with_each_value", "test_same_logits_as_the_reference"),
    *("test_options_that_keep_the_weights", "test_defaults_build_what_no_options_build"),
    *("test_every_family", "test_every_space_is_for_every_family", "test_any_numbers_are_taken"),
    *("test_what_no_network_takes_is_refused_alike", "test_a_file_answers_as_the_model_does"),
    *("test_the_names_of_a_builders_options_are_known", "test_load_takes_what_the_source_builds"),
)
QUICK_FAMILIES = ("lenet5", "cnn", "resnet18", "resnet20", "mobilenet_v2_035", "vit_ti_16")

# Files and tests whose models are trained, exported or drawn for long, or that start processes.
SLOW = (
    *("test_docs.py::test_python_of_a_page", "test_docs.py::test_docstring_examples[applications"),
    *("test_docs.py::test_docstring_examples[tuning", "test_docs.py::test_docstring_examples[zoo."),
    *("training/test_resume.py", "training/test_continuing.py", "training/test_learning_rate.py"),
    *("training/test_training.py::test_", "training/test_tasks.py::test_"),
    *("tuning/searching/test_tuning.py", "applications/finetuning/test_finetuning.py::test_"),
    *("inference/test_export.py", "inference/test_predictor.py", "graph/test_transfer.py"),
    *("weights/test_fuzz_formats.py", "weights/test_download.py", "common/test_notebook.py"),
    *("predicting/test_preprocessing.py::test_equal", "test_one_graph_for_all_sizes"),
    *("test_same_on_jax", "test_hostile_files_leave_the_model_as_it_was", "test_saved_models_have"),
    *("test_callbacks.py", "common/test_run_kinds.py", "data/test_data_folder.py"),
    *("cli/test_cli.py::test_train", "cli/test_cli.py::test_finetune", "cli/test_cli.py::test_exp"),
    *("cli/test_cli.py::test_damaged", "test_from_a_photograph_to_logits", "plots/test_plots.py"),
    *("test_the_deepest_network", "test_names_of_other_libraries", "report/test_tuning_report.py"),
    *("test_hostile_files_cost", "test_relative_positions", "weights/test_loading.py::test_"),
    *("models/test_transformers.py", "data/test_data.py", "data/test_reading.py"),
)
# The most telling of them, which the quick run does.
QUICK = (
    *("test_wrong", "test_a_wrong", "test_bad", "test_budget", "test_accuracy", "test_gradual"),
    "test_docstring_examples[zoo.common",
    "test_same_logits_as_the_reference",
    "test_every_family_is_cut_at_its_head",
    "test_all_or_nothing[nan]",
    "test_head_for_other_classes",
    "test_cancelled_is_resumed",
)


def is_slow(name: str) -> bool:
    """Whether the test of a node's name takes long."""
    if any(test in name for test in OF_EVERY_FAMILY):
        return not re.search(rf"[\[-]({'|'.join(QUICK_FAMILIES)})[\].-]", name)
    return any(part in name for part in SLOW) and not any(part in name for part in QUICK)
