"""Compare the outputs of a Python session on standard input with what it says."""

import doctest
import sys

test = doctest.DocTestParser().get_doctest(sys.stdin.read(), {}, "session", None, 0)
failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test)
sys.exit(bool(failed))
