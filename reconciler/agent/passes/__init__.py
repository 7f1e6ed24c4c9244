"""One pass: plan, perform, report."""
