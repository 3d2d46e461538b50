"""What a search found, in pictures and on one page."""

from tuning.report.report import load_line, rebuild, write_report

__all__ = ["load_line", "rebuild", "write_report"]
