"""What hosts see beside the tools' own answers: which tools there are, resources, prompts, completions, questions.

`app.py` puts it behind the SDK's server. Nothing here knows a single tool: `selection` decides which are offered,
`kinds` which records have an address, `jobs` holds the texts of the prompts.
"""
