"""A project on disk: its root, its settings (`nbship.yaml`) and its parameters (`params.yaml`)."""

from __future__ import annotations

from .alert_values import SECTIONS
from .cache_file import read_cache_file, write_cache_file
from .data_settings import ColumnSection, DataSection, SourceSection
from .data_values import REFERENCE
from .database_urls import database_file, is_url, is_valid_url, shown_url, without_passwords
from .folder import Project, find_root, find_settings, load, tracked_path
from .gate_settings import ExpectationSection, GatesSection
from .overrides import set_params
from .params import Value, read_params, render_params, same, type_problem
from .plain_yaml import TYPED_STRING, NotPlainError, parse_plain
from .schedule_values import inherited_window
from .setting_values import check_serving
from .settings import AlertRule, AlertsSection, AppSection, Phrase, ScheduleSection, ServingSection, Settings
from .settings_file import changed_settings, read_settings, with_absolute_paths
from .yaml import parse_yaml, read_yaml

__all__ = [
    "REFERENCE",
    "SECTIONS",
    "TYPED_STRING",
    "AlertRule",
    "AlertsSection",
    "AppSection",
    "ColumnSection",
    "DataSection",
    "ExpectationSection",
    "GatesSection",
    "NotPlainError",
    "Phrase",
    "Project",
    "ScheduleSection",
    "ServingSection",
    "Settings",
    "SourceSection",
    "Value",
    "changed_settings",
    "check_serving",
    "database_file",
    "find_root",
    "find_settings",
    "inherited_window",
    "is_url",
    "is_valid_url",
    "load",
    "parse_plain",
    "parse_yaml",
    "read_cache_file",
    "read_params",
    "read_settings",
    "read_yaml",
    "render_params",
    "same",
    "set_params",
    "shown_url",
    "tracked_path",
    "type_problem",
    "with_absolute_paths",
    "without_passwords",
    "write_cache_file",
]
