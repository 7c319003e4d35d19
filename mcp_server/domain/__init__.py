"""Records of a plant and the rules of the trade, as pure functions.

Imports nothing else of ours and talks to nobody: a rule can be tested with two lines. Sources of formulas and tables
(standard and clause) stand in the docstrings.
"""
