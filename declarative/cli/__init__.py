"""The command line: parse, call, render. A module for each family of commands, one stack of options for all.

main       the console's entry, and the one place where errors become text and an exit code
root       the command tree; a command's module is loaded when the command is run
options    the options that commands share, their types, the variables that stand in for them
screen     standard output and standard error, with colours or without
signals    the first signal asks a run to end, the second ends the process
prompt     the review of a plan: consents, the question, the answer
progress   a run as it happens: a live board, plain lines or JSON lines
plan_files plan files and examples on disk
setting    what stands before a command's name; groups and embedded: what loads late, and the simulator of a stack
starting, plans, runs, states, simulators    the commands
"""
