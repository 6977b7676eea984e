"""Two `.keras` files side by side: widths and MACs of each layer, costs, a report.

    tf-hetero compare trained.keras small.keras --report=report/

The report is a folder with one page that needs nothing else. Files are loaded with
Keras's safe mode: one that brings code of its own, such as a Lambda layer, is refused.
"""

import argparse
import pathlib

from tf_hetero.cli.loading import check_model_file, load_model
from tf_hetero.report.exported import Exported
from tf_hetero.report.folder import PAGE, check_report_path

EXPECTED = (ValueError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what the subcommand takes."""
    parser.add_argument("before", metavar="BEFORE", help="A model, as .keras.")
    parser.add_argument("after", metavar="AFTER", help="What was made of it, as .keras.")
    parser.add_argument("--report", default="", help="Folder for a report; none if empty.")
    parser.add_argument("--overwrite", action="store_true", help="Replaces --report.")


def run(options: argparse.Namespace) -> None:
    """Checks, compares, prints, writes."""
    check_model_file(options.before, "BEFORE")
    check_model_file(options.after, "AFTER")
    if options.report:
        check_report_path(options.report, options.overwrite)

    from tf_hetero.report.comparing import compare

    comparison = compare(
        load_model(options.before, flag="BEFORE"), load_model(options.after, flag="AFTER")
    )
    print(comparison)
    if options.report:
        files = [pathlib.Path(path) for path in (options.before, options.after)]
        exports = [Exported(file.name, file.stat().st_size) for file in files]
        comparison.save(options.report, exports, options.overwrite)
        print(pathlib.Path(options.report, PAGE))
