"""The larger commands of `shopfloor`, each with its sub-commands in a module of its own.

`options` holds what several commands take, `running` how a command starts, ends and prints.
"""
