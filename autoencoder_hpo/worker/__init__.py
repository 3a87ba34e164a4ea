"""One worker: takes a trial, trains it, tells the study, and looks for the next one."""
