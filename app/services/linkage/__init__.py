"""Finding the same person twice: Splink on DuckDB, and what it needs to know of people who share a home or a name.

`reading` takes a file in, `people` brings every record into the form in which it is compared, `blocking` picks the
pairs that are worth comparing, `comparisons` says how, `training` learns how strongly each outcome speaks, `scoring`
weighs the pairs, `clustering` makes persons of them. `engine` is the whole; `evaluation` holds it
against a known truth.
"""
